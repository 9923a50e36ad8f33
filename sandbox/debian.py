"""Debian packages: installed where the node needs them on the machine, else only unpacked into the cache."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from pathlib import Path

from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.places import cache_folder
from sandbox.shell import run

PROGRAM_INTERPRETER = 3
TODO = "Check that “apt-get update” works on this machine and run the command again."

# What the node takes from the machine itself: program → package.
TOOLS = {
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "iptables": "iptables",
    "iptables-restore": "iptables",
    "conntrack": "conntrack",
    "openssl": "openssl",
}
IMAGE_TOOLS = {"mmdebstrap": "mmdebstrap"}


def is_debian() -> bool:
    """Tell whether packages can be fetched and unpacked here."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))


def missing_tools(wanted: dict[str, str]) -> list[str]:
    """Return the programs of ``wanted`` that the machine lacks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [name for name in wanted if not shutil.which(name, path=path)]


def ensure_tools(wanted: dict[str, str], console: Console) -> None:
    """Install the packages of programs that are missing; say which when this machine cannot."""
    lacking = missing_tools(wanted)
    if not lacking:
        return
    packages = sorted({wanted[name] for name in lacking})
    if os.geteuid() != 0 or not is_debian():
        raise SandboxError("machine", f"these programs are missing: {', '.join(lacking)}.", f"Install {', '.join(packages)}.")
    with console.working(f"installing {', '.join(packages)}"):
        update()
        run(
            ["apt-get", "install", "-y", "--no-install-recommends", *packages],
            part="packages", todo=TODO, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip


def unpack(packages: tuple[str, ...], executables: tuple[str, ...], target: Path) -> None:
    """Fetch packages and keep only the named executables: nothing is installed and no service is started."""
    folder = cache_folder() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as text:
        work = Path(text)
        work.chmod(0o755)  # apt fetches as a user of its own
        try:
            _fetch(packages, work)
        except SandboxError:
            update()
            _fetch(packages, work)
        for package in work.glob("*.deb"):
            run(["dpkg-deb", "-x", package, work / "root"], part="packages", todo=TODO)
        _keep(work / "root", executables, target)


def update() -> None:
    """Read the package lists anew."""
    run(["apt-get", "update"], part="packages", todo=TODO)


def _fetch(packages: tuple[str, ...], folder: Path) -> None:
    run(["apt-get", "download", *packages], part="packages", todo=TODO, cwd=folder)


def _keep(root: Path, executables: tuple[str, ...], target: Path) -> None:
    candidates = [path for path in root.rglob("*") if path.is_file() and os.access(path, os.X_OK)]
    # A package may have a program in several makes: in an image, only one that needs no library runs.
    found = {path.name: path for path in sorted(candidates, key=lambda path: (is_static(path), path))}
    lacking = [name for name in executables if name not in found]
    if lacking:
        raise SandboxError("packages", f"{', '.join(lacking)} is not in the packages fetched.", TODO)
    target.mkdir(parents=True, exist_ok=True)
    for name in executables:
        shutil.copy2(found[name], target / f".{name}")
        (target / f".{name}").replace(target / name)


def is_static(path: Path) -> bool:
    """Tell whether a program is an ELF file that names no loader (the fields are those of elf(5), 64 bit)."""
    with path.open("rb") as file:
        head = file.read(64)
        if head[:5] != b"\x7fELF\x02":
            return False
        (offset,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        file.seek(offset)
        table = file.read(size * count)
    kinds = [struct.unpack_from("<I", table, size * number)[0] for number in range(count)]
    return PROGRAM_INTERPRETER not in kinds


def sources() -> str:
    """Return the machine's own package sources for its release, in the form that mmdebstrap reads.

    Third-party sources are left out: an image must not depend on what else someone added to this machine.
    """
    stanzas = []
    folder = Path("/etc/apt")
    for path in sorted([*folder.glob("sources.list.d/*.sources"), *folder.glob("sources.list.d/*.list")]):
        if path.suffix == ".sources":
            stanzas += [stanza for stanza in _stanzas(path.read_text()) if _is_ours(stanza)]
    listed = folder / "sources.list"
    if not stanzas and listed.exists():
        lines = [line for line in listed.read_text().splitlines() if line.startswith("deb ") and codename() in line]
        return "\n".join(lines) + "\n"
    return "\n\n".join(stanzas) + "\n"


def codename() -> str:
    """Return the name of the machine's release."""
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise SandboxError("images", "this machine's release has no code name.", "Use Debian or Ubuntu.")


def _stanzas(text: str) -> list[str]:
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    return [stanza.strip() for stanza in bare.split("\n\n") if stanza.strip()]


def _is_ours(stanza: str) -> bool:
    suites = next((line for line in stanza.splitlines() if line.lower().startswith("suites:")), "")
    keys = any("/usr/share/keyrings/debian-" in line or "ubuntu-" in line for line in stanza.splitlines())
    return codename() in suites and (keys or "signed-by" not in stanza.lower())
