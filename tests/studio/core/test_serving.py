"""One thread for all that a request does, out of threads that stay (studio.core.serving)."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from studio.core.serving import Handler, Threads

_go = threading.Event()
_arrived = threading.Event()
_at_work: list[int] = []


def _names(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.headers['X-Thread']} {threading.get_ident()}")


async def _later(request: HttpRequest) -> HttpResponse:
    inside = await sync_to_async(lambda: str(threading.get_ident()))()
    return HttpResponse(f"{request.headers['X-Thread']} {inside} {threading.get_ident()}")


def _waits(request: HttpRequest) -> HttpResponse:
    _at_work.append(threading.get_ident())
    _arrived.set()
    _go.wait(20)
    return HttpResponse(str(threading.get_ident()))


def _streams(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.to_thread(_go.wait, 20)

    return StreamingHttpResponse(pieces())


urlpatterns = [path("names/", _names), path("later/", _later), path("waits/", _waits), path("streams/", _streams)]


def _noting(get_response: Any) -> Any:
    def middleware(request: HttpRequest) -> Any:
        request.META["HTTP_X_THREAD"] = str(threading.get_ident())
        return get_response(request)

    return middleware


@pytest.fixture
def handler(settings: Any) -> Handler:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [f"{__name__}._noting"]
    _go.clear()
    _arrived.clear()
    _at_work.clear()
    return Handler()


async def _ask(handler: Handler, address: str, *, gone: asyncio.Event | None = None, began: asyncio.Event | None = None) -> str:
    told: list[bytes] = []
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        told.append(message.get("body", b""))
        if began and message.get("body"):
            began.set()

    scope = {"type": "http", "method": "GET", "path": address, "query_string": b"", "headers": [(b"host", b"localhost")]}
    await handler(scope, receive, send)
    return b"".join(told).decode()


async def _until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 20)


def test_middleware_and_view_of_a_request_run_on_one_thread(handler: Handler) -> None:
    outside, inside = asyncio.run(_ask(handler, "/names/")).split()
    assert outside == inside != str(threading.get_ident())


def test_an_asynchronous_view_runs_on_the_loop_and_asks_on_the_thread_of_its_request(handler: Handler) -> None:
    outside, asked, view = asyncio.run(_ask(handler, "/later/")).split()
    assert outside == asked
    assert view == str(threading.get_ident())


def test_the_next_request_has_the_thread_of_the_last_one(handler: Handler) -> None:
    async def twice() -> list[str]:
        return [await _ask(handler, "/names/"), await _ask(handler, "/names/")]

    first, second = asyncio.run(twice())
    assert first == second


def test_a_request_does_not_wait_for_another_one(handler: Handler) -> None:
    async def both() -> tuple[str, str]:
        slow = asyncio.create_task(_ask(handler, "/waits/"))
        await _until(_arrived)
        quick = await _ask(handler, "/names/")
        _go.set()
        return await slow, quick.split()[0]

    slow, quick = asyncio.run(both())
    assert slow != quick


def test_a_stream_gives_its_thread_back_when_it_begins(handler: Handler) -> None:
    async def streamed() -> tuple[int, str]:
        began = asyncio.Event()
        stream = asyncio.create_task(_ask(handler, "/streams/", began=began))
        await began.wait()
        waiting = len(handler.threads.waiting)
        await _ask(handler, "/names/")
        _go.set()
        return waiting, await stream

    assert asyncio.run(streamed()) == (1, "first")


def test_the_thread_of_somebody_who_has_gone_works_for_nobody_else_meanwhile(handler: Handler) -> None:
    async def left() -> tuple[list[str], str]:
        gone = asyncio.Event()
        leaving = asyncio.create_task(_ask(handler, "/waits/", gone=gone))
        await _until(_arrived)
        gone.set()
        others = [(await _ask(handler, "/names/")).split()[0] for _ in range(2)]
        _go.set()
        return others, await leaving

    others, _ = asyncio.run(left())
    assert others[0] == others[1] != str(_at_work[0])


def test_no_more_threads_stay_than_are_kept() -> None:
    threads = Threads(most_kept=1)
    first, second = threads.take(), threads.take()
    threads.give(first, busy=False)
    threads.give(second, busy=False)
    assert threads.waiting == [first]
    with pytest.raises(RuntimeError):
        second.submit(print)


def test_a_thread_that_is_still_at_work_ends_with_what_it_does() -> None:
    threads = Threads()
    thread = threads.take()
    threads.give(thread, busy=True)
    assert threads.waiting == []
    with pytest.raises(RuntimeError):
        thread.submit(print)
