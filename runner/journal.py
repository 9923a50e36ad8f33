"""What the sidecar has done so far, on disk: a restarted one goes on from it."""

from __future__ import annotations

import json
import os
import threading
from typing import Any, Tuple  # a Tuple, since it is evaluated at run time on Python 3.8

from runner.layout import FILE_MODE

Stamp = Tuple[int, int, str]  # size, time of change in nanoseconds, sha256


class Journal:
    """One JSON list a line, only ever appended; half a last line is what a kill left and is passed over."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self.acknowledged: dict[str, int] = {}
        self.stored: dict[tuple[str, str], Stamp] = {}
        self.finished = False
        self._handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        self._replay(path)

    def acknowledge(self, log: str, size: int) -> int:
        """Note that a reader has stored the first `size` bytes of a log; give the highest such number."""
        known = self.acknowledged.get(log, 0)
        if size > known:
            self.acknowledged[log] = size
            self._append(["ack", log, size])
        return max(size, known)

    def store(self, root: str, path: str, stamp: Stamp) -> None:
        """Note that the studio has an output."""
        self.stored[root, path] = stamp
        self._append(["put", root, path, *stamp])

    def finish(self) -> None:
        """Note that the studio has acknowledged the end."""
        self.finished = True
        self._append(["finish"])

    def _append(self, row: list[Any]) -> None:
        with self._lock:
            try:
                os.write(self._handle, (json.dumps(row) + "\n").encode("utf-8"))
            except OSError:
                pass  # a full disk: a restarted sidecar does it once more, which harms nothing

    def _replay(self, path: str) -> None:
        torn = False
        with open(path, "rb") as file:
            for line in file:
                torn = not line.endswith(b"\n")
                try:
                    self._take(json.loads(line))
                except (ValueError, TypeError, LookupError):
                    continue
        if torn:
            os.write(self._handle, b"\n")

    def _take(self, row: list[Any]) -> None:
        if row[0] == "ack":
            self.acknowledged[row[1]] = max(int(row[2]), self.acknowledged.get(row[1], 0))
        elif row[0] == "put":
            self.stored[row[1], row[2]] = (int(row[3]), int(row[4]), str(row[5]))
        elif row[0] == "finish":
            self.finished = True
