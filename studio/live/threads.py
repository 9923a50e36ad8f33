"""What streams ask the database: on one thread that they share, as a stream that waits holds none (studio.core.serving)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import close_old_connections

Answer = TypeVar("Answer")
# Short questions of all streams of this process, one after another.
_LOOKS = ThreadPoolExecutor(1, thread_name_prefix="live-look")


async def look(call: Callable[[], Answer]) -> Answer:
    """Ask the database something from a stream, on a thread that all streams share."""
    return await asyncio.get_running_loop().run_in_executor(_LOOKS, _fresh, call)


def _fresh(call: Callable[[], Answer]) -> Answer:
    close_old_connections()
    try:
        return call()
    finally:
        close_old_connections()
