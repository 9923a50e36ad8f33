"""The stream of live events: one a browser, however many tabs and topics.

The id of each message is the cursor of the whole connection (`live=<entry id>;log:7=<offset>`), so that the browser's
own `Last-Event-ID` resumes everything at once. What cannot be resumed is answered with `resync`: ask again.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user, get_user_model
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from studio.live.hub import Frame, Subscriber, event_body, hub, log_frame
from studio.live.threads import look
from studio.live.topics import Topic, allowed

HEARTBEAT_S = 10
# A connection ends after this long and the browser opens a new one.
LIFE_S = 600
# How often it is asked whether the person may still watch: who lost a role or signed out is not told any more.
ASK_S = 3
MOST_TOPICS = 64
LOG_PIECE = 64 * 1024
# The last event of a stream whose person is signed out: the page says so, and does not come again.
ENDED = "event: ended\ndata: {}\n\n"
_TOPIC = re.compile(r"^[a-z-]{1,20}(:[A-Za-z0-9_.-]{1,255})?$")


async def stream(request: HttpRequest) -> HttpResponseBase:
    """Answer with the events of `?topics=a+b`, from `Last-Event-ID` (or `?last=`) on."""
    names = [name for name in request.GET.get("topics", "").replace(",", " ").split() if _TOPIC.match(name)]
    user = await request.auser()
    if not user.is_authenticated:
        return HttpResponse(status=401)
    topics = await sync_to_async(allowed)(user, names[:MOST_TOPICS])
    leave = Leave(user.pk, request.session.session_key or "", frozenset(topic.name for topic in topics))
    cursor = read_cursor(request.headers.get("Last-Event-ID") or request.GET.get("last", ""))
    response = StreamingHttpResponse(_Connection(topics, cursor, leave).messages(), content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def read_cursor(text: str) -> dict[str, str]:
    """Return the positions of a cursor; parts that are not well formed are left out."""
    parts = (part.partition("=") for part in text[:8192].split(";"))
    return {name: at for name, _, at in parts if (_TOPIC.match(name)) and re.fullmatch(r"[0-9]{1,18}(-[0-9]{1,18})?", at)}


@dataclass(frozen=True)
class Leave:
    """Who may watch what: a person, by a session, a set of topics."""

    user_id: int
    session: str
    names: frozenset[str]

    async def holds(self) -> bool:
        """Tell whether it still does; connections of one person with the same topics ask once."""
        now = time.monotonic()
        at, held = _HELD.get(self, (0.0, True))
        if now - at < ASK_S / 2:
            return held
        # Until the answer is there, the others go by the last one.
        _HELD[self] = (now, held)
        try:
            held = await look(self._look)
        except DatabaseError:
            return held
        if len(_HELD) > MOST_HELD:
            _HELD.clear()
        _HELD[self] = (now, held)
        return held

    async def is_over(self) -> bool:
        """Tell whether the person is signed out, and not only kept from some topic."""
        try:
            return await sync_to_async(self._person)() is None
        except DatabaseError:
            return False

    def _person(self) -> Any:
        user = get_user_model().objects.filter(pk=self.user_id, is_active=True).first()
        return None if self.session and not self._signed_in() else user

    def _look(self) -> bool:
        user = self._person()
        if user is None:
            return False
        return len(allowed(user, sorted(self.names))) == len(self.names)

    def _signed_in(self) -> bool:
        # Also a session that is there may be over: it ends with the password that it was opened with.
        request = HttpRequest()
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(self.session)
        return get_user(request).pk == self.user_id


_HELD: dict[Leave, tuple[float, bool]] = {}
MOST_HELD = 10_000


class _Connection:
    """One browser: where it stands on each topic, and what to send next."""

    def __init__(self, topics: list[Topic], cursor: dict[str, str], leave: Leave) -> None:
        self.leave = leave
        self.beat = 0.0
        self.names = frozenset(topic.name for topic in topics)
        self.files: dict[str, Path] = {topic.name: topic.file for topic in topics if topic.file}
        self.cursor = cursor
        self.offsets = {name: int(cursor.get(name, "0").partition("-")[0]) for name in self.files}
        self.live_id = cursor.get("live", "")

    async def messages(self) -> AsyncIterator[str]:
        ends = time.monotonic() + LIFE_S
        # Join before looking back: what happens in between comes twice rather than not at all.
        subscriber = await hub().join(self.names)
        # What is lost from here on is told; what was lost before is looked up.
        subscriber.behind = False
        try:
            async for message in self._begin():
                yield message
            asked = time.monotonic()
            while time.monotonic() < ends:
                if time.monotonic() - asked >= ASK_S:
                    asked = time.monotonic()
                    if not await self.leave.holds():
                        # Who is signed out is told so; who lost a role comes again at once and sees what may still be watched.
                        if await self.leave.is_over():
                            yield ENDED
                        return
                # One write for what came together: with many viewers the number of writes is what costs.
                if messages := await self._next(subscriber):
                    yield "".join(messages)
        finally:
            hub().leave(subscriber)

    async def _begin(self) -> AsyncIterator[str]:
        yield f"retry: 1000\n{self._heartbeat()}"
        missed = await hub().since(self.live_id, self.names) if self.live_id else None
        if missed is None:
            self.live_id = await hub().newest()
            for message in self._resync():
                yield message
        for frame in missed or []:
            yield self._message(frame)
        for name in self.files:
            async for message in self._catch_up(name):
                yield message

    async def _next(self, subscriber: Subscriber) -> list[str]:
        try:
            frames = [await asyncio.wait_for(subscriber.queue.get(), ASK_S)]
        except TimeoutError:
            if time.monotonic() - self.beat < HEARTBEAT_S - ASK_S / 2:
                return []
            # Quiet: say that we are here, and heal a log whose live frames were lost.
            lost = self._resync() if subscriber.behind else []
            subscriber.behind = False
            return [self._heartbeat(), *lost, *[m for name in self.files async for m in self._catch_up(name)]]
        while not subscriber.queue.empty() and len(frames) < 100:
            frames.append(subscriber.queue.get_nowait())
        messages: list[str] = []
        for frame in frames:
            messages += await self._send(frame)
        if subscriber.behind and subscriber.queue.empty():
            subscriber.behind = False
            messages += self._resync()
            messages += [m for name in self.files async for m in self._catch_up(name)]
        return messages

    async def _send(self, frame: Frame) -> list[str]:
        if frame.topic not in self.files:
            return [self._message(frame)]
        messages: list[str] = []
        at = self.offsets[frame.topic]
        if frame.start > at:
            messages = [m async for m in self._catch_up(frame.topic, until=frame.start)]
            at = self.offsets[frame.topic]
        if frame.start == at:
            self.offsets[frame.topic] = frame.end
            messages.append(self._message(frame))
        elif frame.start < at < frame.end:
            messages += [m async for m in self._catch_up(frame.topic, until=frame.end)]
        return messages

    async def _catch_up(self, name: str, until: int | None = None) -> AsyncIterator[str]:
        while True:
            at = self.offsets[name]
            most = LOG_PIECE if until is None else min(LOG_PIECE, until - at)
            chunk = await asyncio.to_thread(_read, self.files[name], at, most) if most > 0 else b""
            if not chunk:
                return
            self.offsets[name] = at + len(chunk)
            yield self._message(log_frame(name, at, chunk))

    def _message(self, frame: Frame) -> str:
        if frame.id:
            self.live_id = frame.id
        return f"id: {self._cursor()}\ndata: {frame.body}\n\n"

    def _resync(self) -> list[str]:
        plain = (name for name in self.names if name not in self.files)
        return [f"id: {self._cursor()}\ndata: {event_body(name, 'resync', {})}\n\n" for name in plain]

    def _heartbeat(self) -> str:
        self.beat = time.monotonic()
        return f"event: heartbeat\ndata: {int(time.time() * 1000)}\n\n"

    def _cursor(self) -> str:
        logs = "".join(f";{name}={at}" for name, at in self.offsets.items())
        return f"live={self.live_id or '0-0'}{logs}"


def _read(path: Path, offset: int, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(most)
    except FileNotFoundError:
        return b""
