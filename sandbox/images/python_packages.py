"""The layer of scikit-learn and its company: wheels by hash, put where Debian's Python looks first."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sandbox.images import debian_base
from sandbox.oci import Entry, entries_below
from sandbox.shell import run

LOCK = Path(__file__).resolve().parent / "sklearn.lock"
PLATFORMS = {
    "x86_64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "aarch64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
}


def recipe() -> str:
    """Return everything that decides what the layer holds."""
    return LOCK.read_text()


def make(work: Path) -> list[Entry]:
    """Fetch the wheels and return the layer's files."""
    version = debian_base.python_version()
    folder = work / "packages"
    fetch(LOCK, folder)
    site = f"usr/local/lib/python{version}/dist-packages"
    _compile(folder, site, version)
    scripts = entries_below(folder / "bin", "usr/local/bin") if (folder / "bin").is_dir() else []
    found = [entry for entry in entries_below(folder, site) if not _is_script(entry, site)]
    return [*found, *(_for_the_image(entry) for entry in scripts)]


def fetch(lock: Path, folder: Path) -> None:
    """Put the wheels of a lock, for the image's Python, into a folder."""
    argv: list[str | Path] = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", folder, "--require-hashes",
        "--no-deps", "--only-binary=:all:", "--implementation=cp", f"--python-version={debian_base.python_version()}", "-r", lock,
    ]  # fmt: skip
    for platform in PLATFORMS[os.uname().machine]:
        argv.append(f"--platform={platform}")
    todo = "Check that the Python package index can be reached and run the command again."
    run(argv, part="images", todo=todo, timeout=1200)


def _compile(folder: Path, site: str, version: str) -> None:
    """Compile for the image when this Python is the image's: a job may not write there, so it never would.

    The layer's files have no dates, which is why the compiled ones must not be checked against them.
    """
    if f"{sys.version_info.major}.{sys.version_info.minor}" != version:
        return
    run(
        [
            sys.executable, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash",
            "-s", folder, "-p", f"/{site}", folder,
        ],
        part="images", todo="Run the command again.",
    )  # fmt: skip


def _is_script(entry: Entry, site: str) -> bool:
    return entry.path == f"{site}/bin" or entry.path.startswith(f"{site}/bin/")


def _for_the_image(entry: Entry) -> Entry:
    """Have a script start the image's Python instead of the one that fetched it."""
    if entry.source is None or entry.source.read_bytes()[:2] != b"#!":
        return entry
    _, _, rest = entry.source.read_bytes().partition(b"\n")
    return Entry(entry.path, content=b"#!/usr/bin/python3\n" + rest, mode=0o755)
