"""Put a backup back: all of it is read and checked before anything is changed, and what was there is moved aside.

`restoring` in the data folder stands while files are exchanged: a studio does not start beside it, and the same command, run again,
does the whole anew.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection

from studio.audit.services import write
from studio.core.errors import ProblemError
from studio.core.versions import unknown_migrations
from studio.system.backup import databases
from studio.system.backup.archive import ArchiveError, unpack
from studio.system.backup.taking import KEPT, key_print

MARK = "restoring"


@dataclass(frozen=True)
class Restored:
    """What was put back: the backup's own time and version, and where that lies which was there before ("" for nothing)."""

    at: str
    mooring: str
    files: int
    before: str


def restore(source: str, *, replace: bool = False) -> Restored:
    """Put a backup back from a file or, with `-`, from standard input; the studio must not run.

    Raises `ProblemError`: `backup-unreadable`, `backup-newer`, `backup-other-database`, `backup-other-keys`, `restore-over-data`,
    `restore-beside-others`.
    """
    data = Path(settings.DATA)
    if not replace and _holds_something(data):
        raise ProblemError("restore-over-data", folder=str(data))
    if count := databases.others():
        raise ProblemError("restore-beside-others", count=str(count))
    with tempfile.TemporaryDirectory(dir=data, prefix=".restore-") as staged:
        new = Path(staged)
        about = _unpacked(source, new)
        _check(about, new)
        before = _exchange(data, new)
    write(None, "restored", ("studio", "", "studio"), diff={"of": [None, str(about.get("at"))], "file": [None, source]})
    connection.close()
    return Restored(str(about.get("at")), str(about.get("mooring")), int(about["files"]), before)


def _unpacked(source: str, new: Path) -> dict[str, Any]:
    try:
        with _input(source) as file:
            about = unpack(file, new, ("database", *KEPT))
    except (ArchiveError, OSError) as error:
        raise ProblemError("backup-unreadable", file=source, why=str(error)) from error
    return {**about, "files": sum(1 for path in new.rglob("*") if path.is_file())}


def _check(about: dict[str, Any], new: Path) -> None:
    """Refuse what this studio could not use."""
    kind = about.get("database")
    if kind not in databases.KINDS:
        raise ProblemError("backup-unreadable", file="the backup", why=f"it holds a database of the kind {str(kind)[:40]!r}")
    if kind != databases.kind():
        raise ProblemError("backup-other-database", theirs=databases.KINDS[kind], ours=databases.KINDS[databases.kind()])
    migrations = about.get("migrations")
    if not isinstance(migrations, list) or not all(isinstance(one, list) and len(one) == 2 for one in migrations):
        raise ProblemError("backup-unreadable", file="the backup", why="it does not say which migrations its database has had")
    if unknown := unknown_migrations(migrations):
        raise ProblemError("backup-newer", version=str(about.get("mooring"))[:40], what=", ".join(unknown[:3]))
    file = new / databases.FILES[kind]
    why = databases.check(file) if file.is_file() else "there is no database in it"
    if why:
        raise ProblemError("backup-unreadable", file="the backup's database", why=why)
    keys = (new / "keys" / "encryption_keys").read_text().split() if (new / "keys" / "encryption_keys").is_file() else []
    from_outside = list(settings.ENCRYPTION_KEYS) != _kept_keys()
    usable = {key_print(key) for key in (settings.ENCRYPTION_KEYS if from_outside or not keys else keys)}
    if usable.isdisjoint(map(str, about.get("key_prints") or [])):
        raise ProblemError("backup-other-keys")


def _kept_keys() -> list[str]:
    path = Path(settings.DATA) / "keys" / "encryption_keys"
    return path.read_text(encoding="utf-8").split() if path.is_file() else []


def _exchange(data: Path, new: Path) -> str:
    """Move what is there aside and what was unpacked in; return the folder of what was there, or nothing."""
    before = data / f"before-restore-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    before.mkdir(mode=0o700)
    anything = _holds_something(data)
    if databases.holds_something():
        databases.copy_to(before / Path(databases.FILES[databases.kind()]).name)
    (data / MARK).touch(mode=0o600)
    for part in KEPT:
        if (data / part).exists() and (part != "keys" or (new / part).exists()):
            shutil.move(data / part, before / part)
        if (new / part).exists():
            shutil.move(new / part, data / part)
    databases.put_back(new / databases.FILES[databases.kind()])
    (data / MARK).unlink()
    if not anything:
        shutil.rmtree(before)  # keys that opened nothing
    return str(before) if anything else ""


def _holds_something(data: Path) -> bool:
    # The folders alone say nothing: the settings make the keys, and the store its own.
    files = (path for part in KEPT[1:] for path in (data / part).rglob("*"))
    return databases.holds_something() or any(path.is_file() and path.name != "lock" for path in files)


@contextmanager
def _input(source: str) -> Iterator[IO[bytes]]:
    if source == "-":
        yield sys.stdin.buffer
        return
    with Path(source).open("rb") as file:
        yield file
