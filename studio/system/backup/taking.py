"""Take a backup, also while the studio runs: the database of one moment first, then the files that it names.

Files only come or go as wholes (they are kept by content) and logs only grow, so what is read after the database's moment holds at
least all that the database knows. A file that went since belongs to what somebody deleted meanwhile; it is counted.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from django.conf import settings

import mooring
from studio.audit.services import write
from studio.core.files import replace_file, sync_folder
from studio.system.backup import databases
from studio.system.backup.archive import Writer

# What lies in the data folder and is kept; `run` and `tmp` are of a moment.
KEPT = ("keys", "blobs", "runs", "replica-logs")
LAST = "last-backup.json"


@dataclass(frozen=True)
class Taken:
    """A backup that was taken: when (ISO, UTC), where, how much, and how many files went away meanwhile."""

    at: str
    file: str
    bytes: int
    files: int
    vanished: int
    keys: bool


def take(target: str, *, keys: bool = True) -> Taken:
    """Write a backup to a file (made anew, mode 600) or, with `-`, to standard output; without `keys` it opens no secret.

    Raises `FileExistsError` when the file is there, `OSError`, `DatabaseToolError`.
    """
    vanished = 0
    with _output(target) as out, tempfile.TemporaryDirectory(dir=settings.DATA / "tmp") as folder:
        copy = Path(folder) / "database"
        about = {
            "mooring": mooring.__version__,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "database": databases.kind(),
            "migrations": databases.copy_to(copy),
            "keys": keys,
            "key_prints": [key_print(key) for key in settings.ENCRYPTION_KEYS],
        }
        with Writer(out, about, packed=target.endswith((".gz", ".tgz"))) as writer:
            with copy.open("rb") as file:
                writer.add(file, databases.FILES[databases.kind()], copy.stat().st_size)
            copy.unlink()
            for path, name in _files(KEPT if keys else KEPT[1:]):
                try:
                    with path.open("rb") as file:
                        facts = os.fstat(file.fileno())
                        writer.add(file, name, facts.st_size, facts.st_mtime)
                except FileNotFoundError:
                    vanished += 1
    taken = Taken(str(about["at"]), target, writer.bytes, writer.files, vanished, keys)
    _note(taken)
    return taken


def last() -> dict[str, object] | None:
    """Return what is known of the last backup of this data folder."""
    try:
        told = json.loads((settings.DATA / LAST).read_bytes())
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def key_print(key: str) -> str:
    """Return what a key is known by, without telling it."""
    return hashlib.sha256(f"mooring key {key}".encode()).hexdigest()[:16]


def _files(parts: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """Yield the files of parts of the data folder with their names in the archive, without locks and what is half written."""
    for part in parts:
        root = Path(settings.DATA) / part
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(one for one in folders if one != "incoming")
            for name in sorted(names):
                path = Path(folder) / name
                if path.is_file() and not path.is_symlink() and not name.startswith(".") and name != "lock":
                    yield path, path.relative_to(settings.DATA).as_posix()


@contextmanager
def _output(target: str) -> Iterator[IO[bytes]]:
    """Open what the backup goes to; a file has its name only once it is whole and on the disk."""
    if target == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(target).absolute()
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.link(draft, path)
        sync_folder(path.parent)
    finally:
        Path(draft).unlink()


def _note(taken: Taken) -> None:
    """Keep what the system page says of the last backup, and tell the audit."""
    replace_file(settings.DATA / LAST, json.dumps(asdict(taken)))
    write(None, "backed up", ("studio", "", "studio"), diff={"file": [None, taken.file], "with keys": [None, taken.keys]})
