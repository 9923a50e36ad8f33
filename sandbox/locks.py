"""File locks: one builder a cache, one change at a time a cluster. They die with their process."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.console import Console
from sandbox.errors import SandboxError

POLL_SECONDS = 0.2


@contextmanager
def held(path: Path, what: str, console: Console, *, patience: float = 3600.0) -> Iterator[None]:
    """Hold the lock at ``path``; when another process has it, say so and wait.

    Raises SandboxError when it is still taken after ``patience`` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, path, what, console, patience)
        while not _is_still(descriptor, path):
            # Its last holder has removed it: whoever comes now locks another file.
            os.close(descriptor)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            _take(descriptor, path, what, console, patience)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        return path.read_text().strip() or "unknown"
    except FileNotFoundError:
        return "unknown"


def _take(descriptor: int, path: Path, what: str, console: Console, patience: float) -> None:
    deadline = time.monotonic() + patience
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = _holder(path)
        if not told:
            console.say(f"waiting for {what}: process {holder} is at it")
            told = True
        if time.monotonic() > deadline:
            raise SandboxError(
                what,
                f"process {holder} has held the lock {path} for more than {patience:.0f} s.",
                f"Look what process {holder} does, end it if it hangs, and run the command again.",
            )
        time.sleep(POLL_SECONDS)
