"""Django on ASGI with one thread for all that a request does, out of threads that stay.

Django's own handler enters each middleware from the event loop and has it change to a thread for its part: a dozen changes a
request, on a thread that is made for it and opens the database anew. Here middleware and view run one after another
on a thread that has its connection; asynchronous views go back to the event loop for as long as they take. What that
saves: docs/decisions/0013-one-thread-a-request.md.

A stream gives its thread back when it begins: a thousand viewers would hold a thousand threads.
"""

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.http import HttpRequest, HttpResponseBase

# So many threads wait for requests; more are made when more are needed, and end with what they were made for.
MOST_KEPT = 8
_KEY = "mooring.thread"


class Threads:
    """Threads that wait for work; each may keep its connection to the database (CONN_MAX_AGE)."""

    def __init__(self, most_kept: int = MOST_KEPT) -> None:
        self.most_kept = most_kept
        self.waiting: list[ThreadPoolExecutor] = []

    def take(self) -> ThreadPoolExecutor:
        """Return a thread that does nothing: the one that was last used, or a new one."""
        return self.waiting.pop() if self.waiting else ThreadPoolExecutor(1, thread_name_prefix="request")

    def give(self, thread: ThreadPoolExecutor, *, busy: bool) -> None:
        """Take a thread back; one that is too many, or still at work for somebody who has gone, ends with what it does."""
        if busy or len(self.waiting) >= self.most_kept:
            thread.submit(connections.close_all)
            thread.shutdown(wait=False)
        else:
            self.waiting.append(thread)


class Borrowed(Executor):
    """The thread of one request, borrowed when there is something to do and given back in between."""

    def __init__(self, threads: Threads) -> None:
        self.threads = threads
        self.thread: ThreadPoolExecutor | None = None
        self.last: Future[Any] | None = None

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do something on the request's thread."""
        if self.thread is None:
            self.thread = self.threads.take()
        self.last = self.thread.submit(fn, *args, **kwargs)
        return self.last

    def give_back(self) -> None:
        """Give the thread back, if there is one."""
        thread, self.thread = self.thread, None
        if thread is not None:
            self.threads.give(thread, busy=self.last is not None and not self.last.done())


class Handler(ASGIHandler):
    """Django's handler, with the thread of each request from those that stay."""

    def __init__(self) -> None:
        self.threads = Threads()
        super().__init__()

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain as for one thread, and enter it once a request."""
        super().load_middleware(is_async=False)
        chain: Any = self._middleware_chain  # type: ignore[has-type]
        self._middleware_chain = sync_to_async(chain)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        thread = Borrowed(self.threads)
        try:
            async with ThreadSensitiveContext(executor=thread):
                await super().__call__({**scope, _KEY: thread}, receive, send)
        finally:
            thread.give_back()

    async def run_get_response(self, request: HttpRequest) -> HttpResponseBase:
        """Return the answer; one that is still to be streamed needs no thread by now."""
        response = await super().run_get_response(request)
        if response.streaming:
            request.scope[_KEY].give_back()  # type: ignore[attr-defined]
        return response
