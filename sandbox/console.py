"""Progress on standard error: one line a step, with the time since the command began."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

HEARTBEAT_SECONDS = 20.0


class Console:
    """Print steps with elapsed time; silent when asked to be."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Print one line with the time since the start."""
        if self.quiet:
            return
        seconds = int(time.monotonic() - self._began)
        with self._lock:
            print(f"[{seconds // 60:02d}:{seconds % 60:02d}] {text}", file=sys.stderr, flush=True)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Print a step at its start, while it lasts and at its end, each with its own elapsed time."""
        began = time.monotonic()
        done = threading.Event()

        def beat() -> None:
            while not done.wait(HEARTBEAT_SECONDS):
                self.say(f"  … {text}: {int(time.monotonic() - began)} s")

        self.say(text)
        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        self.say(f"  done: {text} ({time.monotonic() - began:.0f} s)")
