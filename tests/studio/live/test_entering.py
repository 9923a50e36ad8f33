"""Streams come in a few at a time, and all of them come in."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from studio.live.entering import a_few_at_a_time


async def nowhere(message: MutableMapping[str, Any]) -> None:
    """Take what is sent."""


def scope(path: str = "/live/") -> dict[str, Any]:
    return {"type": "http", "path": path}


def test_no_more_than_so_many_are_on_their_way_and_those_that_wait_for_events_make_room() -> None:
    async def main() -> tuple[int, int]:
        entering = most = 0
        streaming = asyncio.Semaphore(0)
        ends = asyncio.Event()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            nonlocal entering, most
            entering += 1
            most = max(most, entering)
            await asyncio.sleep(0)
            await send({"type": "http.response.start"})
            entering -= 1
            await send({"type": "http.response.body"})
            streaming.release()
            await ends.wait()

        gated = a_few_at_a_time(application, at_once=3)
        tasks = [asyncio.create_task(gated(scope(), None, nowhere)) for _ in range(20)]
        for _ in tasks:
            await asyncio.wait_for(streaming.acquire(), 20)
        ends.set()
        await asyncio.gather(*tasks)
        return most, len(tasks)

    assert asyncio.run(main()) == (3, 20)


def test_one_that_fails_makes_room() -> None:
    async def main() -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            raise RuntimeError("no")

        gated = a_few_at_a_time(application, at_once=1)
        for _ in range(3):
            with pytest.raises(RuntimeError):
                await asyncio.wait_for(gated(scope(), None, nowhere), 20)

    asyncio.run(main())


def test_other_requests_wait_for_nothing() -> None:
    async def main() -> None:
        held = asyncio.Event()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/live/":
                await held.wait()

        gated = a_few_at_a_time(application, at_once=1)
        first = asyncio.create_task(gated(scope(), None, nowhere))
        await asyncio.wait_for(gated(scope("/jobs/"), None, nowhere), 20)
        held.set()
        await first

    asyncio.run(main())
