"""Tell what the database or the disk said as a problem: full, busy, read-only, or away. None of these is a mistake of ours."""

import errno
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError

from studio.core.away import Away
from studio.core.errors import ProblemError
from studio.core.problems import Problem, register

log = structlog.get_logger(__name__)
_WRITES = Away(slow_seconds=0, quiet_seconds=30, errors=(DatabaseError, InterfaceError))

register(
    Problem("disk-full", "The studio's disk is full", "What was sent could not be kept, and nothing of it was half done.",
            "Free space on the disk of the studio's data, or give it a larger one; then send it again.", 503, "administrator"),
    Problem("database-busy", "The database is busy", "Somebody else writes to the studio's database for so long that this was given up.",
            "Send it again in a moment. If that lasts, look for a program that holds the database open.", 503, "administrator"),
    Problem("database-read-only", "The database cannot be written to", "The studio's database lets itself be read only.",
            "Look at the rights and the mount of the studio's data, or which of its servers is the first.", 503, "administrator"),
    Problem("database-away", "The database does not answer", "The studio's database cannot be reached.",
            "Send it again in a moment. If that lasts, look whether the database runs.", 503, "administrator"),
)  # fmt: skip
IDS = frozenset({"disk-full", "database-busy", "database-read-only", "database-away"})
AGAIN_SECONDS = 5
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_STATES = {"53100": "disk-full", "25006": "database-read-only", "55P03": "database-busy", "40P01": "database-busy"}
# What SQLite says: https://www.sqlite.org/rescode.html
_WORDS = {
    "database or disk is full": "disk-full",
    "is locked": "database-busy",
    "readonly": "database-read-only",
    "disk i/o error": "database-away",
    "unable to open database": "database-away",
}


def storage_problem(error: BaseException | None) -> ProblemError | None:
    """Return the problem that an error of the database or the disk is; None for every other error."""
    id = storage_id(error)
    return ProblemError(id, retry_after=AGAIN_SECONDS) if id else None


def write_if_possible(write: Callable[[], Any]) -> None:
    """Write what nobody would miss, such as when somebody was last here; it must keep nobody from looking.

    Where the database did not take it, it is left out for a while: each try may wait for 20 seconds.
    """
    if _WRITES:
        return
    try:
        with _WRITES.noted():
            write()
    except (DatabaseError, InterfaceError) as error:
        if not storage_id(error):
            raise
        log.warning("a note was not kept", error=str(error))


def storage_id(error: BaseException | None) -> str:
    """Return the id of the problem that an error of the database or the disk is, or nothing."""
    if isinstance(error, DatabaseError | InterfaceError):
        return _of_database(error)
    if isinstance(error, OSError):
        return {errno.ENOSPC: "disk-full", errno.EDQUOT: "disk-full", errno.EROFS: "database-read-only"}.get(error.errno or 0, "")
    return ""


def _of_database(error: Exception) -> str:
    cause: Any = error.__cause__
    if id := _STATES.get(str(getattr(cause, "sqlstate", "") or "")):
        return id
    words = str(error).lower()
    # The same words in another error, of a text that was given, are not the database's own.
    if not isinstance(error, OperationalError | InterfaceError):
        return ""
    found = next((id for said, id in _WORDS.items() if said in words), "")
    if "disk i/o error" in words:
        return _of_disk() or found
    if found or getattr(cause, "sqlite_errorcode", None) is not None:
        # Any other error of SQLite is one of ours: a table that is missing, a statement that is wrong.
        return found
    return "database-away" if cause is not None else ""


def _of_disk() -> str:
    """Return what the disk of SQLite's file says to somebody who writes; nothing where it takes it.

    A connection that is open says "disk I/O error" whatever its file system has refused, as one that the kernel has made read-only.
    """
    try:
        with tempfile.TemporaryFile(dir=Path(str(settings.DATABASES["default"]["NAME"])).parent) as file:
            file.write(b"\0")
    except OSError as error:
        return storage_id(error)
    return ""
