"""A data folder of its own for each test process, named before Django reads its settings.

Loaded by `-p tests.surroundings` in pyproject.toml: pytest-django loads the settings before any conftest.py is read.
"""

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
# What a person has set for a studio of theirs must not reach the tests, nor the tests that studio.
_FOREIGN = ("MOORING_URL", "MOORING_TOKEN", "MOORING_WORKSPACE", "MOORING_LISTEN", "MOORING_POD_URL", "MOORING_POD_CA",
            "MOORING_RUNNER_IMAGE", "MOORING_ROOT", "REDIS_URL", "REDIS_URL_FILE", "KUBECONFIG")  # fmt: skip


def _make() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mooring-test-"))
    for name in ("data", "data/run", "xdg-data", "xdg-config"):
        (folder / name).mkdir(mode=0o700)
    os.environ.update(
        MOORING_DATA=str(folder / "data"), XDG_DATA_HOME=str(folder / "xdg-data"), XDG_CONFIG_HOME=str(folder / "xdg-config")
    )
    for name in _FOREIGN:
        os.environ.pop(name, None)
    owner = os.getpid()

    def remove() -> None:
        # A forked child that ends normally must not take its parent's folder along.
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def _can_be_interrupted() -> None:
    """Undo that a shell lets what it starts in the background, and all below it, ignore Ctrl-C: tests press it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_can_be_interrupted()
FOLDER = _make()
DATA = FOLDER / "data"
CHECKOUT = _CHECKOUT
