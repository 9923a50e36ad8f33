"""One supervisor per data folder: an advisory lock that the kernel drops when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mooring.errors import MooringError


@dataclass(frozen=True)
class Holder:
    """Who holds a data folder: the supervisor's process id and the studio's address."""

    pid: int
    url: str


class FolderLock:
    """Hold `<data>/run/lock` for as long as the supervisor lives.

    The file stays after the end: removing it would let two processes lock two different files of one name.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "run" / "lock"
        self.held = f"the data folder {folder}"
        self.other = "give another folder with --data"
        self._descriptor: int | None = None

    def take(self, holder: Holder) -> None:
        """Take the lock, or raise `already-running` with the first one's process id and address."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _locked(descriptor):
            os.close(descriptor)
            other = _read(self.path)
            raise MooringError(
                "already-running",
                "This studio is already running",
                f"Process {other.pid if other else 'unknown'} runs it at {other.url if other else 'an unknown address'}"
                f" with {self.held}.",
                f"Open that address, stop it with `mooring down`, or {self.other}.",
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it free."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class DatabaseLock(FolderLock):
    """Hold a SQLite file, from whatever data folder: two studios on it would take up each other's jobs."""

    def __init__(self, file: Path) -> None:
        super().__init__(file.parent)
        self.path = Path(f"{file}.lock")
        self.held = f"the database {file}"
        self.other = "set another DATABASE_URL"


def holder_of(folder: Path) -> Holder | None:
    """Return who runs the studio of this data folder, or nothing when nobody does."""
    path = folder / "run" / "lock"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    finally:
        os.close(descriptor)
    return None


def status_of(folder: Path) -> dict[str, Any] | None:
    """Return what the supervisor last wrote about its children, or nothing when it wrote nothing readable."""
    try:
        status = json.loads((folder / "run" / "status.json").read_bytes())
    except (OSError, ValueError):
        return None
    return status if isinstance(status, dict) else None


def _locked(descriptor: int) -> bool:
    """Try for a moment: whoever asks `holder_of` holds the lock for an instant."""
    for _ in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def _read(path: Path) -> Holder | None:
    try:
        content = json.loads(path.read_bytes())
        return Holder(pid=int(content["pid"]), url=str(content["url"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
