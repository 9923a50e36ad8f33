"""What the hub promises where timing is against it: no piece between two reads is missed, and memory stays bounded."""

import asyncio
import contextlib

import pytest

from studio.live.bus import client
from studio.live.hub import FEW_LARGE, Hub, Subscriber, log_frame


def test_a_slow_reader_of_a_busy_log_holds_few_large_pieces() -> None:
    async def filled() -> Subscriber:
        subscriber = Subscriber(frozenset({"log:1.std_log"}))
        for number in range(200):
            subscriber.put(log_frame("log:1.std_log", number * 100_000, bytes(100_000)))
        return subscriber

    subscriber = asyncio.run(filled())
    assert subscriber.queue.qsize() == FEW_LARGE and subscriber.behind


def test_a_piece_that_comes_between_two_reads_of_a_log_arrives() -> None:
    topic = "log:2.std_log"

    async def positions() -> dict[str, str]:
        hub = Hub()
        subscriber = await hub.join(frozenset({topic}))
        try:
            return dict(hub.positions)
        finally:
            hub.leave(subscriber)
            if hub.task:
                hub.task.cancel()
                await asyncio.gather(hub.task, return_exceptions=True)
            await hub.redis.aclose()

    client().xadd(topic, {"o": 0, "b": b"one\n"}, id="4-0")
    assert asyncio.run(positions()) == {topic: "4-0"}


def test_a_browser_that_goes_away_while_it_joins_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def left_over() -> int:
        hub = Hub()

        async def never(_: str) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(hub, "_find_end", never)
        joining = asyncio.create_task(hub.join(frozenset({"log:3.std_log", "jobs:team"})))
        await asyncio.sleep(0)
        joining.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await joining
        return len(hub.by_topic)

    assert asyncio.run(left_over()) == 0
