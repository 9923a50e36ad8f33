"""Know how far the logs are and whether the command has ended, at little cost."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from typing import Any

from runner.layout import LOGS, Layout, read_json

# How often the files are looked at while somebody waits for them, and while nobody does.
FOLLOWED_SECONDS = 0.012
ALONE_SECONDS = 0.1
# A lock that nobody holds tells of an entrypoint that was killed; rare, so seldom looked at.
LOCK_SECONDS = 0.5


class Watch:
    """The state of the run as its files tell it, looked at by one thread for all readers."""

    def __init__(self, volume: Layout) -> None:
        self._volume = volume
        self._changed = threading.Condition()
        self._readers = 0
        self._wake = threading.Event()
        self._locked_at = 0.0
        self.sizes: dict[str, int] = dict.fromkeys(LOGS, 0)
        self.started = False
        self.ended = False
        self.closed = False
        self.exit: dict[str, Any] | None = None
        self.look()

    def start(self) -> None:
        """Begin to look in a thread of its own."""
        threading.Thread(target=self._keep_looking, name="watch", daemon=True).start()

    def close(self) -> None:
        """Let every reader come to its end: nothing more will be written."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def look(self) -> None:
        """Look at the files once."""
        # First whether it has ended, then the sizes: an end that is seen has a final size.
        started = self.started or os.path.exists(self._volume.run("started.json"))
        ended = self.ended or self._has_ended(started)
        sizes = {name: self._size(name) for name in LOGS}
        if (started, ended, sizes) == (self.started, self.ended, self.sizes):
            return
        with self._changed:
            self.started, self.ended, self.sizes = started, ended, sizes
            self._changed.notify_all()

    def final(self, name: str) -> bool:
        """Tell whether a log will not grow any more."""
        if name == "prepare.txt":
            return True
        return self.closed or (self.ended and name == "std_log.txt")

    def wait_for(self, name: str, offset: int, seconds: float) -> bool:
        """Wait until a log is longer than `offset` or final; tell whether it is one of both."""
        with self._changed:
            self._readers += 1
            self._wake.set()
            try:
                return self._changed.wait_for(lambda: self.sizes[name] > offset or self.final(name), seconds)
            finally:
                self._readers -= 1

    def wait_until_ended(self, seconds: float) -> bool:
        """Wait until the command has ended."""
        with self._changed:
            return self._changed.wait_for(lambda: self.ended, seconds)

    def alive(self) -> bool:
        """Tell whether an entrypoint lives: it holds a lock for as long as it does."""
        try:
            handle = os.open(self._volume.run("alive"), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except OSError:
            return True
        finally:
            os.close(handle)

    def _keep_looking(self) -> None:
        while not self.closed:
            # While nobody waits, the first reader to come cuts the long wait short.
            self._wake.wait(ALONE_SECONDS)
            while self._readers and not self.closed:
                self.look()
                time.sleep(FOLLOWED_SECONDS)
            self._wake.clear()
            self.look()

    def _has_ended(self, started: bool) -> bool:
        if self._read_exit():
            return True
        now = time.monotonic()
        if not started or now - self._locked_at < LOCK_SECONDS:
            return False
        self._locked_at = now
        if self.alive():
            return False
        # It may have ended properly between the two looks.
        self._read_exit()
        return True

    def _read_exit(self) -> bool:
        if self.exit is None and os.path.exists(self._volume.run("exit.json")):
            self.exit = read_json(self._volume.run("exit.json"))
        return self.exit is not None

    def _size(self, name: str) -> int:
        try:
            return os.stat(self._volume.log(name)).st_size
        except OSError:
            return 0
