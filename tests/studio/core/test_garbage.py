"""What is loaded stays: it is not looked through for garbage again and again."""

import gc
import subprocess
import sys

import pytest

from studio.core import garbage
from tests.studio_process import ROOT


def test_what_is_loaded_is_left_out_from_then_on() -> None:
    script = "import gc; from studio.core.garbage import keep_what_is_loaded as keep; keep(); print(len(gc.get_objects()), gc.get_freeze_count())"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    left, kept = map(int, done.stdout.split())
    assert left < 100 < 1000 < kept


def test_the_first_whole_collections_settle_what_is_left_and_later_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[int] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(1))
    garbage.keep_what_is_loaded()
    (settling,) = (each for each in gc.callbacks if isinstance(each, garbage._Settling))
    settling("start", {"generation": 2})
    settling("stop", {"generation": 1})
    assert len(frozen) == 1
    while settling in gc.callbacks:
        settling("stop", {"generation": 2})
    assert len(frozen) == 1 + garbage.FIRST
