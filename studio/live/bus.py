"""Say that something changed: one entry in a Redis Stream, published on commit.

A lost entry is harmless: pages carry the row's version and ask again, and the server's heartbeat makes them.
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import transaction

from studio.core.away import REDIS

log = structlog.get_logger(__name__)

STREAM = "live"
# About ten minutes of a busy studio; whoever was away for longer is told to ask again.
KEEP = 5000


@lru_cache(maxsize=1)
def client() -> Any:
    """Return this process's Redis client; its calls give up after two seconds."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


def publish(topics: str | Iterable[str], event: str, payload: dict[str, Any]) -> None:
    """Tell everyone who watches one of `topics`, once the transaction around this call has committed."""
    transaction.on_commit(lambda: publish_now(topics, event, payload))


def publish_now(topics: str | Iterable[str], event: str, payload: dict[str, Any]) -> None:
    """Tell everyone who watches one of `topics` at once; a Redis that is away costs the event, never the caller's work."""
    if REDIS:
        return
    text = json.dumps(payload)
    try:
        with REDIS.noted(), client().pipeline(transaction=False) as together:
            for topic in [topics] if isinstance(topics, str) else topics:
                together.xadd(STREAM, {"t": topic, "e": event, "p": text}, maxlen=KEEP, approximate=True)
            together.execute()
    except redis.RedisError as error:
        log.warning("live event lost", topics=topics, error=str(error))
