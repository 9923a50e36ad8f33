"""A cache that all processes share in Redis; while Redis is away each process counts for itself.

It holds counts of attempts: with Redis they hold for the whole studio, without it they hold a little less, and nobody
is let in for nothing.
"""

import json
from typing import Any

import redis
import structlog
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

from studio.core.away import REDIS

log = structlog.get_logger(__name__)


class Plain:
    """Keep values as JSON: whoever could write to Redis must not be able to run code here."""

    def dumps(self, value: Any) -> Any:
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, kept: Any) -> Any:
        return json.loads(kept)


class SharedCache(RedisCache):
    """Django's cache in Redis, with this process's memory to fall back on."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._here = LocMemCache("shared-cache-fallback", params)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._either("get", key, default, version=version)

    def add(self, key: Any, value: Any, timeout: Any = 300, version: int | None = None) -> Any:
        return self._either("add", key, value, timeout, version=version)

    def set(self, key: Any, value: Any, timeout: Any = 300, version: int | None = None) -> None:
        self._either("set", key, value, timeout, version=version)

    def delete(self, key: Any, version: int | None = None) -> Any:
        return self._either("delete", key, version=version)

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> Any:
        return self._either("incr", key, delta, version=version)

    def _either(self, name: str, *given: Any, **options: Any) -> Any:
        if REDIS:
            return getattr(self._here, name)(*given, **options)
        try:
            with REDIS.noted():
                return getattr(super(), name)(*given, **options)
        except redis.RedisError as error:
            log.warning("the shared cache is away", error=str(error))
            return getattr(self._here, name)(*given, **options)
