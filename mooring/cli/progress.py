"""What goes on while one waits: a bar for bytes on a terminal and nothing at all elsewhere; each change of a state, once."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Any, Self

from mooring.terminal import plain

_WIDTH = 24


class Bar:
    """Show how many of how many bytes have gone, on stderr, a few times a second; may be called from any thread."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = False
        self._next = 0.0
        self._lock = threading.Lock()
        self._terminal = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        with self._lock:
            if not self._terminal or not total or (now < self._next and done < total):
                return
            self._next = now + 0.1
            filled = _WIDTH * done // total
            bar = "█" * filled + "░" * (_WIDTH - filled)
            sys.stderr.write(f"\r{plain(self._what)} {bar} {megabytes(done)} of {megabytes(total)} MB\x1b[K")
            sys.stderr.flush()
            self._shown = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


class Story:
    """Tell each change of a state once, on stderr."""

    def __init__(self) -> None:
        self._told: tuple[str, str] | None = None

    def __call__(self, one: Any) -> None:
        now = (one.status, getattr(one, "reason", "") or "")
        if now != self._told:
            sys.stderr.write(plain(f"{one.name}: {': '.join(filter(None, now))}") + "\n")
            sys.stderr.flush()
        self._told = now


def megabytes(count: int) -> str:
    """Return bytes as megabytes with one decimal."""
    return f"{count / 1e6:.1f}"
