"""The layer of the runner: this repository's own package and its static entrypoint."""

from __future__ import annotations

import os
from pathlib import Path

from runner import build
from sandbox.errors import SandboxError
from sandbox.oci import Entry
from sandbox.places import cache_folder


def recipe() -> str:
    """Return the digest of the runner's sources."""
    return build.digest()


def make(work: Path, go: str) -> list[Entry]:
    """Build the entrypoint and return the layer's files."""
    before = {name: os.environ.get(name) for name in ("GO", "GOCACHE")}
    os.environ.update(GO=go, GOCACHE=str(work / "objects"))
    try:
        entrypoint = build.build_entrypoint(cache_folder())
        scoring = build.build_scoring(cache_folder())
    except RuntimeError as error:
        first, *rest = str(error).splitlines()
        raise SandboxError("runner", first, "Mend what the compiler names and run the command again.", log=rest) from error
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
    entries = [
        Entry("opt/mooring", mode=0o755),
        Entry("usr/local/bin/mooring-entrypoint", source=entrypoint, mode=0o755),
    ]
    for path, source in build.image_files(entrypoint, scoring).items():
        entries.append(Entry(f"opt/mooring/{path}", source=source, mode=0o755 if source in (entrypoint, scoring) else 0o644))
    return entries
