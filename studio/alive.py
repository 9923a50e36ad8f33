"""Show by the age of a file that a process works: what is asked of parts that serve no address (MOORING_ALIVE_FILE)."""

import contextlib
import threading
from pathlib import Path

from django.conf import settings

EVERY_SECONDS = 5.0
_started, _over = threading.Event(), threading.Event()


def show() -> None:
    """Touch the file every few seconds from now on, where one is named; a process that stands still lets it grow old.

    It says nothing of the database or of Redis: starting a process again brings neither back.
    """
    if settings.ALIVE_FILE and not _started.is_set():
        _started.set()
        threading.Thread(target=_touch_for_ever, args=(Path(settings.ALIVE_FILE),), name="alive", daemon=True).start()


def _touch_for_ever(path: Path) -> None:
    while True:
        with contextlib.suppress(OSError):
            path.touch()
        if _over.wait(EVERY_SECONDS):
            return
