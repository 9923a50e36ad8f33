"""Parts that serve no address show that they work by the age of a file."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from studio import alive


class Turns:
    """Stands in for the wait between two touches: the third one is the end."""

    def __init__(self) -> None:
        self.waits = 0
        self.ended = threading.Event()

    def wait(self, seconds: float) -> bool:
        self.waits += 1
        if self.waits == 3:
            self.ended.set()
        return self.waits >= 3


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    found = Turns()
    monkeypatch.setattr(alive, "_over", found)
    monkeypatch.setattr(alive, "_started", threading.Event())
    return found


def test_the_file_is_touched_again_and_again_and_a_disk_that_refuses_ends_nothing(turns: Turns, settings: Any, tmp_path: Path) -> None:
    settings.ALIVE_FILE = str(tmp_path / "missing" / "alive")
    alive.show()
    assert turns.ended.wait(10) and not (tmp_path / "missing").exists()


def test_it_works_from_one_thread_and_only_where_a_file_is_named(turns: Turns, settings: Any, tmp_path: Path) -> None:
    settings.ALIVE_FILE = ""
    alive.show()
    assert not alive._started.is_set()
    settings.ALIVE_FILE = str(tmp_path / "alive")
    alive.show()
    alive.show()
    assert turns.ended.wait(10) and (tmp_path / "alive").exists()
    assert turns.waits == 3, "a second thread would have waited, too"
