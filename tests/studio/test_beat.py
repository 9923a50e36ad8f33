"""Beat sends by the clock as it is, also when that was set back."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery.beat import ScheduleEntry

from studio.beat import NotedScheduler
from studio.celery import app


def test_a_clock_that_is_set_back_by_an_hour_does_not_keep_the_nudges_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(NotedScheduler, "apply_async", lambda self, entry, *args, **kwargs: sent.append(entry.task))
    scheduler = NotedScheduler(app=app, lazy=True)
    entry = ScheduleEntry(name="sweep", task="jobs.sweep", schedule=timedelta(seconds=5), app=app)
    scheduler.data = {"sweep": entry}
    assert 0 < scheduler.tick() <= 5 and not sent
    true, now = time.time, app.now

    def by(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: true() + seconds)
        monkeypatch.setattr(app, "now", lambda: now() + timedelta(seconds=seconds))

    by(-3600)
    assert scheduler.tick() <= 5
    by(-3600 + 6)
    ticks: list[Any] = [scheduler.tick() for _ in range(3)]
    assert sent == ["jobs.sweep"], ticks
    assert isinstance(entry.last_run_at, datetime)
