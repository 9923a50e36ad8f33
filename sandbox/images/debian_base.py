"""The base of job images: a small Debian (or Ubuntu) of this machine's release, with Python and bash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from sandbox import debian
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.places import write_text
from sandbox.shell import run

PACKAGES = ("bash", "ca-certificates", "coreutils", "procps", "python3", "python3-venv")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PYTHON = {"bookworm": "3.11", "trixie": "3.13", "jammy": "3.10", "noble": "3.12"}
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
HOOKS = (
    'echo "mooring:x:1000:1000::/home/mooring:/bin/bash" >> "$1/etc/passwd"',
    'echo "mooring:x:1000:" >> "$1/etc/group"',
    'mkdir -p "$1/home/mooring" && chown 1000:1000 "$1/home/mooring"',
    'ln -sf /usr/bin/python3 "$1/usr/local/bin/python"',
    # The image is a job's own world: pip may install into it.
    'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
    (
        "if [ -e /etc/ssl/certs/ca-certificates.crt ]; then "
        'cp -L /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"; fi'
    ),
)


def recipe(packages: tuple[str, ...] = PACKAGES, hooks: tuple[str, ...] = HOOKS) -> str:
    """Return everything that decides what the image holds, except the state of the package archive."""
    certificates = hashlib.sha256(CERTIFICATES.read_bytes()).hexdigest() if CERTIFICATES.exists() else ""
    return "\n".join((debian.codename(), *packages, *LEFT_OUT, *hooks, certificates))


def python_version() -> str:
    """Return the Python of the machine's release, which the image has too."""
    found = PYTHON.get(debian.codename())
    if not found:
        raise SandboxError(
            "images",
            f"the Python of the release “{debian.codename()}” is not known.",
            f"Use one of {', '.join(PYTHON)}.",
        )
    return found


def make(work: Path, packages: tuple[str, ...] = PACKAGES, hooks: tuple[str, ...] = HOOKS) -> Path:
    """Make the root file system as a tar; needs root for the ownership of its files."""
    debian.ensure_tools(debian.IMAGE_TOOLS, Console(quiet=True))
    sources = work / "machine.sources"
    text = debian.sources()
    sources = sources if "Types:" in text else work / "machine.list"
    write_text(sources, text)
    target = work / "base.tar"
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}"]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    argv += [f"--customize-hook={hook}" for hook in hooks]
    run(
        [*argv, debian.codename(), target, sources],
        part="images",
        todo="Check that “apt-get update” works on this machine and run the command again.",
        env={**os.environ, "SOURCE_DATE_EPOCH": "0", "TMPDIR": str(work)},
        timeout=1200,
    )
    return target
