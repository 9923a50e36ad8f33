"""Nudge a row: send the message that makes a worker look at it, after the transaction has committed.

A message that is lost is made good by the sweep, so a Redis that is away costs time and nothing else.
"""

from functools import partial
from typing import Any

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from kombu.transport.redis import Channel
from redis.exceptions import RedisError

from studio.core.away import REDIS

log = structlog.get_logger(__name__)


QUEUES = ("kube", "stream")
# Messages with the lowest figure are taken first: kombu keeps one list in Redis for each of its steps, of which this is the last.
LAST = 9


def nudge(task: str, row_id: int, *, last: bool = False) -> None:
    """Ask a worker to run `task` (by name) for a row, once what was written is visible to it.

    With `last` it comes after everything that somebody waits for, such as clearing up after a job.
    """
    transaction.on_commit(partial(_send, task, row_id, last))


def _send(task: str, row_id: int, last: bool) -> None:
    if REDIS:
        log.info("nudge left out while Redis stands still", task=task, row=row_id)
        return
    try:
        with REDIS.noted():
            # No result is kept: without this, each thread would make a store for results first.
            current_app.send_task(task, args=[row_id], retry=False, ignore_result=True, priority=LAST if last else 0)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("nudge lost", task=task, row=row_id, error=str(error))


def waiting(redis: Any) -> dict[str, int]:
    """Return how many messages wait in each queue, those that come last included."""
    return {name: int(redis.llen(name)) + int(redis.llen(f"{name}{Channel.sep}{LAST}")) for name in QUEUES}
