"""What a worker does around each task."""

from __future__ import annotations

import pytest
from celery.fixups.django import DjangoWorkerFixup
from celery.signals import task_prerun
from django.db import connection

from studio import celery


def test_a_task_leaves_the_database_open_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(connection, "close", lambda: closed.append(True))
    DjangoWorkerFixup(celery.app).close_database()
    assert not closed


def test_a_connection_that_is_too_old_is_closed_before_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(celery, "close_old_connections", lambda: asked.append(True))
    task_prerun.send(sender=None)
    assert asked
