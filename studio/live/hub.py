"""One reader of Redis per web process, and all its browsers behind it.

Two kinds of stream are read with one blocking XREAD: `live` (small events, by topic) and one stream a log that
somebody watches (`log:<id>`, whose entry ids are offsets into the log's file). A third, private one wakes the reader
when the set of logs changes.

Not promised: that every event arrives. A subscriber that is too slow, or a Redis that was away, costs events; the
subscriber is then marked `behind`, and the connection tells its browser to ask again (or reads the log's file).
"""

import asyncio
import base64
import json
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio
import structlog
from django.conf import settings
from redis.exceptions import RedisError

from studio.live.bus import STREAM
from studio.live.topics import is_log

log = structlog.get_logger(__name__)

QUEUE = 1000
# Large frames (pieces of a busy log) of which a slow browser lets more wait than this are read from the file instead.
LARGE, FEW_LARGE = 64 * 1024, 16
BLOCK_MS = 5000
# Each frame is written once a viewer: the more of them there are, the longer frames are gathered, up to this.
FEW_VIEWERS, GATHER_EACH_S, GATHER_S = 10, 0.0005, 0.2


@dataclass(eq=False)
class Frame:
    """What is sent to browsers: an event of a topic, or bytes `start`..`end` of a log."""

    topic: str
    body: str
    id: str = ""
    start: int = 0
    end: int = 0


@dataclass(eq=False)
class Subscriber:
    """One open connection: its topics and what waits to be sent."""

    topics: frozenset[str]
    queue: "asyncio.Queue[Frame]" = field(default_factory=lambda: asyncio.Queue(QUEUE))
    behind: bool = False

    def put(self, frame: Frame) -> None:
        if len(frame.body) > LARGE and self.queue.qsize() >= FEW_LARGE:
            self.behind = True
            return
        try:
            self.queue.put_nowait(frame)
        except asyncio.QueueFull:
            self.behind = True


def event_body(topic: str, event: str, payload: dict[str, Any]) -> str:
    """Return the data line of one event."""
    return json.dumps({"topic": topic, "event": event, "payload": payload}, separators=(",", ":"))


def log_frame(topic: str, start: int, chunk: bytes, *, came: float = 0) -> Frame:
    """Return the frame of some bytes of a log; `came` says when, if they come just now."""
    payload: dict[str, Any] = {"offset": start, "length": len(chunk), "data": base64.b64encode(chunk).decode()}
    if came:
        payload["at"] = int(came * 1000)
    return Frame(topic, event_body(topic, "bytes", payload), start=start, end=start + len(chunk))


class Hub:
    """Read Redis once for everyone who is connected to this process."""

    def __init__(self) -> None:
        # The client types its answers for every mode; ours are always bytes.
        self.redis: Any = redis.asyncio.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2 * BLOCK_MS / 1000
        )
        self.by_topic: dict[str, set[Subscriber]] = defaultdict(set)
        self.wake_stream = f"wake:{uuid.uuid4().hex}"
        self.positions: dict[str, str] = {}
        # Where the wake-ups were read to: "$" would miss one that comes between two reads.
        self.woken = "0-0"
        self.gathered: dict[str, tuple[int, bytearray]] = {}
        self.flush_at: float | None = None
        self.last_id = ""
        self.connected = False
        self.task: asyncio.Task[None] | None = None

    async def join(self, topics: frozenset[str]) -> Subscriber:
        """Start sending what happens on `topics`; leave() must follow."""
        subscriber = Subscriber(topics)
        fresh = [topic for topic in topics if is_log(topic) and not self.by_topic.get(topic)]
        for topic in topics:
            self.by_topic[topic].add(subscriber)
        try:
            # Known before the caller reads the log's file: what is written from here on reaches it.
            for topic in fresh:
                await self._find_end(topic)
            if self.task is None or self.task.done():
                self.task = asyncio.create_task(self._read(), name="live-hub")
            elif fresh:
                await self._wake()
        except BaseException:
            # A browser that went away meanwhile never gets to leave.
            self.leave(subscriber)
            raise
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """Stop sending to `subscriber`."""
        for topic in subscriber.topics:
            self.by_topic[topic].discard(subscriber)
            if not self.by_topic[topic]:
                del self.by_topic[topic]
                self.positions.pop(topic, None)

    async def since(self, last: str, topics: frozenset[str]) -> list[Frame] | None:
        """Return the events on `topics` after entry `last`, or None when Redis no longer knows them all."""
        try:
            first = await self.redis.xrange(STREAM, count=1)
            if not first or _order(first[0][0].decode()) > _order(last):
                return None
            entries = await self.redis.xrange(STREAM, min=f"({last}")
        except (RedisError, OSError):
            return None
        frames = [_event_frame(id, entry) for id, entry in entries]
        return [frame for frame in frames if frame.topic in topics]

    async def newest(self) -> str:
        """Return the id of the newest event."""
        try:
            entries = await self.redis.xrevrange(STREAM, count=1)
        except (RedisError, OSError):
            return self.last_id or "0-0"
        return entries[0][0].decode() if entries else "0-0"

    async def _find_end(self, topic: str) -> None:
        try:
            entries = await self.redis.xrevrange(topic, count=1)
        except (RedisError, OSError):
            return
        self.positions.setdefault(topic, entries[0][0].decode() if entries else "0-0")

    async def _wake(self) -> None:
        try:
            await self.redis.xadd(self.wake_stream, {"w": "1"}, maxlen=1)
            await self.redis.expire(self.wake_stream, 60)
        except (RedisError, OSError):
            log.warning("live hub could not be woken")

    async def _read(self) -> None:
        pause = 0.1
        while self.by_topic:
            try:
                if not self.connected:
                    self.last_id = await self._start()
                    self.connected = True
                    pause = 0.1
                await self._read_once()
            except (RedisError, OSError) as error:
                if self.connected:
                    log.warning("live hub lost Redis", error=str(error))
                self.connected = False
                self._everyone_behind()
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5)
        self.connected = False

    async def _start(self) -> str:
        entries = await self.redis.xrevrange(STREAM, count=1)
        self._everyone_behind()
        return entries[0][0].decode() if entries else "0-0"

    def _everyone_behind(self) -> None:
        for subscribers in self.by_topic.values():
            for subscriber in subscribers:
                subscriber.behind = True

    async def _read_once(self) -> None:
        logs = [topic for topic in self.by_topic if is_log(topic)]
        streams = {STREAM: self.last_id, self.wake_stream: self.woken} | {t: self.positions.get(t, "$") for t in logs}
        block = BLOCK_MS if self.flush_at is None else max(int((self.flush_at - _now()) * 1000), 1)
        answer = await self.redis.xread(streams, count=500, block=block)
        for raw, entries in answer or []:
            name = raw.decode()
            if name == STREAM:
                self._spread_events(entries)
            elif name == self.wake_stream:
                self.woken = entries[-1][0].decode()
            elif name in self.by_topic:
                self._spread_log(name, entries)
        if self.flush_at is not None and (not answer or _now() >= self.flush_at):
            self._flush()

    def _spread_events(self, entries: list[Any]) -> None:
        for id, entry in entries:
            frame = _event_frame(id, entry)
            self.last_id = frame.id
            for subscriber in self.by_topic.get(frame.topic, ()):
                subscriber.put(frame)

    def _spread_log(self, topic: str, entries: list[Any]) -> None:
        wait = gather_seconds(len(self.by_topic[topic]))
        for id, entry in entries:
            self.positions[topic] = id.decode()
            start, chunk = int(entry[b"o"]), entry[b"b"]
            held_start, held = self.gathered.setdefault(topic, (start, bytearray()))
            if held_start + len(held) != start or len(held) > 65536:
                self._send_log(topic, held_start, bytes(held))
                self.gathered[topic] = (start, bytearray(chunk))
            else:
                held.extend(chunk)
        if not wait:
            self._send_log(topic, *_bytes(self.gathered.pop(topic)))
        elif self.flush_at is None:
            self.flush_at = _now() + wait

    def _flush(self) -> None:
        self.flush_at = None
        for topic, held in self.gathered.items():
            self._send_log(topic, *_bytes(held))
        self.gathered.clear()

    def _send_log(self, topic: str, start: int, chunk: bytes) -> None:
        if chunk:
            frame = log_frame(topic, start, chunk, came=time.time())
            for subscriber in self.by_topic.get(topic, ()):
                subscriber.put(frame)


def gather_seconds(viewers: int) -> float:
    """Return for how long the frames of a log are gathered for so many viewers; nothing for a few."""
    return 0.0 if viewers < FEW_VIEWERS else min(viewers * GATHER_EACH_S, GATHER_S)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _bytes(held: tuple[int, bytearray]) -> tuple[int, bytes]:
    return held[0], bytes(held[1])


def _event_frame(id: bytes, entry: dict[bytes, bytes]) -> Frame:
    topic = entry[b"t"].decode()
    body = event_body(topic, entry[b"e"].decode(), json.loads(entry[b"p"]))
    return Frame(topic, body, id=id.decode())


def _order(id: str) -> tuple[int, int]:
    """Return a stream id in the order of Redis; raises ValueError for anything else."""
    ms, _, seq = id.partition("-")
    return int(ms), int(seq or 0)


_hubs: dict[int, Hub] = {}


def hub() -> Hub:
    """Return the hub of the running event loop."""
    loop = asyncio.get_running_loop()
    return _hubs.setdefault(id(loop), Hub())
