"""The zip's one entry: the server, or with the word `worker` one of its processes."""

from __future__ import annotations

import sys

from .ending import Ending, tell
from .settings import read_settings


def main() -> int:
    """Run until told to end; give the exit code."""
    if sys.argv[1:2] == ["worker"]:
        from .worker import work

        return work([int(word) for word in sys.argv[2:]])
    try:
        settings = read_settings()
        from .front import Front

        return Front(settings).run()
    except Ending as ending:
        return tell(ending)
