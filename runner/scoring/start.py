"""Start the server: this file is the zip's `__main__.py`, and all that a Python older than 3.8 ever reads of it."""

import sys


def start():
    # type: () -> int
    """Run the server, or a worker of it; give the exit code."""
    if sys.version_info < (3, 8):
        sys.stdout.write('{"id": "scoring-python-missing", "text": "The scoring server needs Python 3.8 or newer."}\n')
        return 4
    import importlib

    return int(importlib.import_module("mooring_scoring.main").main())


# A script that starts processes of its own has this file imported again under another name.
if __name__ == "__main__":
    sys.exit(start())
