"""When beat last sent and the worker last ended each task: in Redis, for people to look at."""

import time
from typing import Any

import redis

SENT = "pulse:sent"
RAN = "pulse:ran"


def note(client: Any, key: str, task: str) -> None:
    """Note that `task` was sent, or ran, now; a Redis that is away costs the note."""
    try:
        client.hset(key, task, f"{time.time():.3f}")
    except redis.RedisError:
        pass


def noted(client: Any, key: str) -> dict[str, float]:
    """Return when each task was last sent, or ran, in seconds since 1970."""
    return {name.decode(): float(at) for name, at in client.hgetall(key).items()}
