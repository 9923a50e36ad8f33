"""The studio's image, and those of the Redis and the PostgreSQL beside it, from deploy/images without a builder."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.images import debian_base, dockerfile, python_packages
from sandbox.images.dockerfile import ROOT, Copied, Dockerfile
from sandbox.oci import Entry, entries_below
from sandbox.shell import run

LOCK = ROOT / "requirements" / "studio.lock"
PACKAGES, HELM = "/opt/mooring/packages", "/usr/local/bin/helm"
SOURCE = "/src/"  # where the Dockerfile's stage that builds has the checkout
HOOKS = (
    'echo "mooring:x:1000:1000::/tmp:/bin/sh" >> "$1/etc/passwd"',
    'echo "mooring:x:1000:" >> "$1/etc/group"',
    'rm -rf "$1"/var/lib/postgresql/*',
    'mkdir -p "$1/etc/ssl/certs"',
    debian_base.HOOKS[-1],  # the machine's own authorities
)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")


def debian_recipe(name: str) -> str:
    """Return everything that decides what the Debian below an image holds."""
    return debian_base.recipe(dockerfile.read(name).packages, HOOKS)


def make_debian(name: str, work: Path) -> Path:
    """Make the Debian below an image as a tar."""
    return debian_base.make(work, dockerfile.read(name).packages, HOOKS)


def packages_recipe() -> str:
    """Return everything that decides what the layer of Python packages holds."""
    return LOCK.read_text(encoding="utf-8")


def make_packages(work: Path) -> list[Entry]:
    """Fetch the wheels of the lock and return the layer's files."""
    folder = work / "packages"
    python_packages.fetch(LOCK, folder)
    shutil.rmtree(folder / "bin", ignore_errors=True)
    _compile(folder, PACKAGES)
    return entries_below(folder, PACKAGES)


def recipe() -> str:
    """Return the digest of all that is copied from the checkout, and of how."""
    digest = hashlib.sha256((dockerfile.FOLDER / "studio" / "Dockerfile").read_bytes())
    for one in _from_checkout(dockerfile.read("studio")):
        source = _source(one)
        for path in sorted([source, *source.rglob("*")]):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def make(work: Path) -> list[Entry]:
    """Return the files of the checkout as they lie in the image, compiled."""
    root = work / "root"
    for one in _from_checkout(dockerfile.read("studio")):
        source, target = _source(one), root / one.target.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=LEFT_OUT, symlinks=True)
        else:
            shutil.copy2(source, target)
    _compile(root / "opt", "/opt")
    found = [entry for part in sorted(root.iterdir()) for entry in entries_below(part, part.name)]
    # Folders that the Debian below has keep what it says of them.
    return [entry for entry in found if not entry.is_folder or entry.path.startswith("opt/")]


def _from_checkout(file: Dockerfile) -> list[Copied]:
    return [one for one in file.copied if one.target not in (PACKAGES, HELM)]


def _source(one: Copied) -> Path:
    path = ROOT / (one.source.removeprefix(SOURCE) if one.built else one.source)
    if not path.exists():
        raise SandboxError("images", f"{path} is not there.", "Run “make setup”, which builds pages and documentation, then this again.")
    return path


def _compile(folder: Path, target: str) -> None:
    """Compile for the image when this Python is the image's; the Dockerfile does the same."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" != debian_base.python_version():
        Console().say("the image's Python is another than this one: it compiles what it imports at each start")
        return
    argv: list[str | Path] = [sys.executable, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    run([*argv, "-s", folder, "-p", target, folder], part="images", todo="Run the command again.")
