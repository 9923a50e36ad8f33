"""The hub between Redis and the browsers: a log's bytes reach every viewer once and in order."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from studio.live.hub import GATHER_S, Hub, Subscriber, gather_seconds

TOPIC = "log:1.std_log"


@pytest.fixture
async def bus(studio_redis: str) -> AsyncIterator[redis.asyncio.Redis]:
    """Give a client of the test's Redis."""
    client = redis.asyncio.Redis.from_url(studio_redis)
    yield client
    await client.aclose()


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """Give a hub that is stopped afterwards."""
    made = Hub()
    yield made
    if made.task:
        made.task.cancel()
        await asyncio.gather(made.task, return_exceptions=True)
    await made.redis.aclose()


async def tell(bus: redis.asyncio.Redis, offset: int, piece: bytes) -> None:
    """Publish a piece of the log as the worker does."""
    await bus.xadd(TOPIC, {"o": offset, "b": piece}, id=f"{offset + len(piece)}-0")


async def read(subscriber: Subscriber, until: int) -> list[tuple[int, int]]:
    """Return the frames that came, up to an offset."""
    frames: list[tuple[int, int]] = []
    async with asyncio.timeout(10):
        while not frames or frames[-1][1] < until:
            frame = await subscriber.queue.get()
            frames.append((frame.start, frame.end))
    return frames


def test_a_few_viewers_wait_for_nothing_and_many_not_long() -> None:
    assert gather_seconds(1) == 0
    assert 0 < gather_seconds(50) <= 0.03
    assert gather_seconds(100_000) == GATHER_S


async def test_a_single_viewer_gets_all_bytes_in_order(hub: Hub, bus: redis.asyncio.Redis) -> None:
    subscriber = await hub.join(frozenset({TOPIC}))
    for number in range(50):
        await tell(bus, number * 10, b"0123456789")
    frames = await read(subscriber, 500)
    assert [start for start, _ in frames] == [0, *(end for _, end in frames[:-1])]


async def test_many_viewers_get_the_same_gathered_frames_without_a_gap(hub: Hub, bus: redis.asyncio.Redis) -> None:
    first = await hub.join(frozenset({"jobs:a"}))
    subscribers = [await hub.join(frozenset({TOPIC})) for _ in range(60)]
    for number in range(100):
        await tell(bus, number * 10, b"0123456789")
    seen = [await read(subscriber, 1000) for subscriber in subscribers]
    assert all(frames == seen[0] for frames in seen)
    assert seen[0][0][0] == 0
    assert all(after[0] == before[1] for before, after in zip(seen[0], seen[0][1:], strict=False))
    assert first.queue.empty()


async def test_what_is_told_right_after_joining_arrives(hub: Hub, bus: redis.asyncio.Redis) -> None:
    await hub.join(frozenset({"jobs:a"}))
    await tell(bus, 0, b"before")
    subscriber = await hub.join(frozenset({TOPIC}))
    await tell(bus, 6, b"after!")
    assert (await read(subscriber, 12))[-1] == (6, 12)
