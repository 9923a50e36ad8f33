"""Keep a picture of one kind of object true, for as long as the caller listens.

List first, then watch from the list's resource version. The server ends each watch after about five minutes and the
loop opens the next one where the last ended; bookmarks keep that place young while nothing happens. When the server has
forgotten the place (410, as a status or as an ERROR event) the loop lists again. So it does when a server that was away
has not come as far as that place: its database was put back to an older state, and a watch from there would be told nothing
until it has caught up. A silent connection proves no life:
after ten quiet seconds the server is asked, all watches of a client sharing one question, so that a server
swallowed by the network is told within about twenty seconds.

Promised: after a Snapshot the changes come in order and complete; what was missed is made good by another Snapshot,
which replaces all that was known. Not promised: every intermediate state of an object. The loop never ends by itself.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from compute.kube.aclient import Answer, AsyncKubeClient, selection, succeeded
from compute.kube.errors import Gone, KubeError, NotKubernetes, ServerFault, Unreachable, from_status_object
from compute.kube.kinds import Kind
from compute.kube.transport import JSON

MAX_EVENT = 32 * 1024 * 1024
Object = dict[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """Say what all the objects are now; it replaces everything said before."""

    objects: list[Object]
    at: float
    resource_version: str = ""


@dataclass(frozen=True)
class Added:
    """Say that there is a new object, or that one now matches."""

    object: Object


@dataclass(frozen=True)
class Modified:
    """Say what an object is now."""

    object: Object


@dataclass(frozen=True)
class Deleted:
    """Say what an object was when it went, or stopped matching."""

    object: Object


@dataclass(frozen=True)
class Lost:
    """Say that what was told is no longer known to be true, why, and since when (seconds since the epoch)."""

    error: KubeError
    since: float


@dataclass(frozen=True)
class Back:
    """Say that changes flow again."""

    at: float
    lost_since: float


Change = Snapshot | Added | Modified | Deleted | Lost | Back
_CHANGES: dict[str, type[Added | Modified | Deleted]] = {"ADDED": Added, "MODIFIED": Modified, "DELETED": Deleted}


@dataclass(frozen=True)
class Pace:
    """Set how long things may take, in seconds."""

    server_timeout: float = 300.0
    overtime: float = 15.0
    first_delay: float = 0.25
    longest_delay: float = 30.0


class Backoff:
    """Double a delay at each failure, with jitter, until told of a success."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._failures = 0

    def failed(self, error: KubeError | None = None) -> float:
        """Return how long to wait now; a server's own wish counts, up to a minute."""
        ceiling = min(self._pace.first_delay * 2**self._failures, self._pace.longest_delay)
        self._failures = min(self._failures + 1, 30)
        delay = random.uniform(ceiling / 2, ceiling)
        return max(delay, min(error.retry_after, 60.0)) if error is not None and error.retry_after else delay

    def succeeded(self) -> None:
        """Begin small again."""
        self._failures = 0


@dataclass
class _Place:
    """Know where the next watch begins and when the server was last heard."""

    version: str = ""
    heard: float = field(default_factory=time.time)
    opened: bool = False
    # The last watch ended before its time: the server may not be the one it was.
    doubtful: bool = False


class _Silent(Exception):
    """Carry the error of a server that was asked whether it lives, out of a stream that was merely quiet."""

    def __init__(self, error: KubeError) -> None:
        super().__init__(str(error))
        self.error = error


class _Overdue(Exception):
    """End a watch that the server should have ended."""


async def watch(
    client: AsyncKubeClient,
    kind: Kind,
    *,
    namespace: str | None = None,
    labels: Mapping[str, str | None] | None = None,
    fields: str | None = None,
    pace: Pace | None = None,
) -> AsyncGenerator[Change, None]:
    """Yield a Snapshot, then changes, until closed or cancelled; no error is raised, each is told as Lost.

    Objects come without ``managedFields``. Lost is told once, Back once when it is over; between them nothing changes.
    """
    loop = _Loop(client, kind, namespace, selection(labels, fields), pace or Pace())
    while True:
        try:
            async with contextlib.aclosing(loop.turn()) as changes:
                async for change in changes:
                    yield change
            delay = loop.ended()
        except Gone:
            loop.forget()
            delay = loop.ended()
        except (KubeError, _Silent) as raised:
            lost, delay = loop.failed(raised)
            if lost is not None:
                yield lost
        if delay:
            await asyncio.sleep(delay)


class _Loop:
    """Remember, from one turn of a watch to the next, where it stands and what was told."""

    def __init__(self, client: AsyncKubeClient, kind: Kind, namespace: str | None, query: Mapping[str, str | None], pace: Pace) -> None:
        self.client, self.query, self.pace = client, query, pace
        self.path = kind.path(namespace=namespace)
        self.place = _Place()
        self.lost: Lost | None = None
        self._backoff = Backoff(pace)
        self._began = 0.0
        self._told = 0

    async def turn(self) -> AsyncGenerator[Change, None]:
        """List if there is no place to watch from; watch once."""
        self._began, self._told, self.place.opened = time.monotonic(), 0, False
        if self.place.version and self.place.doubtful:
            await self._see_that_it_knows_the_place()
        self.place.doubtful = False
        if not self.place.version:
            objects, version = await self.client.list_path(self.path, self.query)
            self.place.version, self.place.heard = version, time.time()
            for back in self._back():
                yield back
            yield Snapshot([_trimmed(each) for each in objects], self.place.heard, version)
        async with contextlib.aclosing(_events(self.client, self.path, self.query, self.place, self.pace)) as events:
            async for change in events:
                for back in self._back():
                    yield back
                if change is not None:
                    self._told += 1
                    yield change

    async def _see_that_it_knows_the_place(self) -> None:
        """Raise Gone when the server has not come as far as the place from which it would be asked to go on.

        Resource versions of one kind are compared as numbers: KEP-5504.
        """
        answer = await self.client.call("GET", self.path, query={**self.query, "limit": 1})
        version = str((answer.get("metadata") or {}).get("resourceVersion") or "")
        if version.isdecimal() and self.place.version.isdecimal() and int(version) < int(self.place.version):
            raise Gone(f"The server is at {version}, and was at {self.place.version}: it was put back to an older state.")

    def ended(self) -> float:
        """Return how long to wait after a watch that the server ended: not at all, unless it did so at once."""
        self.place.doubtful = self._lived < self.pace.server_timeout * 0.8
        if self._told or self._lived > 1:
            self._backoff.succeeded()
            return 0.0
        return self._backoff.failed()

    def failed(self, raised: KubeError | _Silent) -> tuple[Lost | None, float]:
        """Return what to tell, if it is news, and how long to wait.

        A watch that was merely cut is nothing to tell: it is opened again first, and often that is all.
        """
        if self.place.opened and isinstance(raised, Unreachable):
            return None, self.ended()
        self.place.doubtful = True
        error = raised.error if isinstance(raised, _Silent) else raised
        delay = self._backoff.failed(error)
        if self.lost is not None:
            return None, delay
        self.lost = Lost(error, self.place.heard)
        return self.lost, delay

    def forget(self) -> None:
        """List again at the next turn."""
        self.place.version = ""

    @property
    def _lived(self) -> float:
        return time.monotonic() - self._began

    def _back(self) -> list[Back]:
        if self.lost is None:
            return []
        since, self.lost = self.lost.since, None
        return [Back(self.place.heard, since)]


async def _events(
    client: AsyncKubeClient, path: str, query: Mapping[str, str | None], place: _Place, pace: Pace
) -> AsyncGenerator[Added | Modified | Deleted | None, None]:
    """Yield the changes of one watch, first None when it is open; end when the server ends it."""
    seconds = pace.server_timeout * random.uniform(0.9, 1.0)  # so that a hundred watches do not return at once
    asked = {
        **query,
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": place.version,
        "timeoutSeconds": max(int(seconds), 1),
    }
    async with client.open("GET", path, query=asked) as answer:
        await succeeded(answer)
        if JSON not in answer.headers.get("Content-Type", ""):
            raise NotKubernetes("The server answered a watch with something that is not JSON.")
        place.opened, place.heard = True, time.time()
        yield None
        # A server that ignores the time it was given is left all the same.
        deadline = time.monotonic() + seconds + pace.overtime
        lines = _lines(_told_apart(client, answer, place, deadline))
        async with contextlib.aclosing(lines):
            async for line in lines:
                place.heard = time.time()
                change = _read(line, place)
                if change is not None:
                    yield change
                if time.monotonic() > deadline:
                    return


async def _told_apart(client: AsyncKubeClient, answer: Answer, place: _Place, deadline: float) -> AsyncGenerator[bytes, None]:
    """Yield the stream's bytes; tell the failure of the question whether the server lives from a stream's end."""
    unanswered: list[KubeError] = []

    async def ping() -> None:
        if time.monotonic() > deadline:
            raise _Overdue
        try:
            await client.ping()
            place.heard = time.time()
        except KubeError as error:
            unanswered.append(error)
            raise

    pieces = answer.pieces(ping)
    try:
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                yield piece
    except _Overdue:
        return
    except KubeError as error:
        if unanswered:
            raise _Silent(error) from error
        raise


async def _lines(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    rest: list[bytes] = []
    size = 0
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            *whole, last = piece.split(b"\n")
            for line in whole:
                rest.append(line)
                joined = b"".join(rest)
                rest, size = [], 0
                if joined.strip():
                    yield joined
            rest.append(last)
            size += len(last)
            if size > MAX_EVENT:
                raise ServerFault("The server sent an event without end.")


def _read(line: bytes, place: _Place) -> Added | Modified | Deleted | None:
    """Return the change that a line tells; note the place; raise for an ERROR event."""
    try:
        # Twice as quick as json.loads with keys that come again and again, and this is read for every change of every pod.
        event = from_json(line, cache_strings="keys")
        kind, body = event["type"], event["object"]
        metadata = body.get("metadata") or {}
        version = metadata.get("resourceVersion")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ServerFault("The server sent an event that cannot be read.") from error
    if kind == "ERROR":
        raise from_status_object(body)
    if version:
        place.version = str(version)
    change = _CHANGES.get(kind)
    return change(_trimmed(body)) if change else None


def _trimmed(obj: Object) -> Object:
    """Drop what nobody reads and what makes up half of many objects."""
    metadata = obj.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
    return obj


__all__ = ["Added", "Back", "Change", "Deleted", "Lost", "Modified", "Pace", "Snapshot", "watch"]
