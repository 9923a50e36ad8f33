"""Nudge a row: send the message that makes a worker look at it, after the transaction has committed.

A message that is lost is made good by the sweep, so a Redis that is away costs time and nothing else.
"""

from functools import partial

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)


def nudge(task: str, row_id: int) -> None:
    """Ask a worker to run `task` (by name) for a row, once what was written is visible to it."""
    transaction.on_commit(partial(_send, task, row_id))


def _send(task: str, row_id: int) -> None:
    try:
        current_app.send_task(task, args=[row_id], retry=False)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("nudge lost", task=task, row=row_id, error=str(error))
