"""Write small files of the data folder whole or not at all."""

import os
import secrets
from pathlib import Path


def replace_file(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Give a file this text in one step: whoever reads it meanwhile has the old one whole, and the last of several writers wins.

    When it fails the old one stays as it is; when it returns the new one outlives the machine's power.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Not by the process's number: in pods that share the folder it is the same.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Force a folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
