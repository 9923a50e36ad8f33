"""Threads of streams: a connection that waits for ten minutes holds none, nor a connection to the database.

Django gives each request a thread of its own for what is not asynchronous, until the request ends. A thousand viewers would
hold a thousand threads, each with the database open: half a megabyte a viewer.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from asgiref.sync import SyncToAsync, sync_to_async
from django.db import connections

Answer = TypeVar("Answer")
# Short questions of all streams of this process, one after another.
_LOOKS = ThreadPoolExecutor(1, thread_name_prefix="live-look")


async def look(call: Callable[[], Answer]) -> Answer:
    """Ask the database something from a stream, on a thread that all streams share."""
    return await asyncio.get_running_loop().run_in_executor(_LOOKS, _closed_after, call)


async def let_go() -> None:
    """Give back the thread of the running request, with its connection to the database; it gets another if it needs one."""
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is None or context not in SyncToAsync.context_to_thread_executor:
        return
    await sync_to_async(connections.close_all)()
    if executor := SyncToAsync.context_to_thread_executor.pop(context, None):
        executor.shutdown(wait=False)


def _closed_after(call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    finally:
        connections.close_all()
