"""Redis that stands still costs one wait, and one that is back is used at once."""

from __future__ import annotations

import time

import pytest

from studio.core import nudge
from studio.core.away import Away


def test_what_did_not_answer_in_time_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    away, now = Away(slow_seconds=1, quiet_seconds=5), [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with pytest.raises(TimeoutError), away.noted():
        now[0] += 2
        raise TimeoutError
    assert away
    now[0] += 5.1
    assert not away


def test_what_refuses_at_once_is_asked_again_at_once() -> None:
    away = Away()
    with pytest.raises(ConnectionError), away.noted():
        raise ConnectionError
    assert not away


def test_other_errors_say_nothing_about_it() -> None:
    away = Away(slow_seconds=0, errors=(ConnectionError,))
    with pytest.raises(PermissionError), away.noted():
        raise PermissionError
    assert not away


def test_a_nudge_waits_once_for_redis_that_stands_still_and_the_next_one_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    away, now = Away(), [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(nudge, "REDIS", away)

    class App:
        def send_task(self, task: str, **_: object) -> None:
            asked.append(task)
            now[0] += 2
            raise OSError("timed out")

    monkeypatch.setattr(nudge, "current_app", App())
    nudge._send("jobs.start", 1, False)
    nudge._send("jobs.start", 2, False)
    assert asked == ["jobs.start"]
