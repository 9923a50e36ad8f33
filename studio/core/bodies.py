"""How large a request's body may be, decided before any of it is kept.

Django spools a whole body to disk before its first middleware runs. This stands in front of it: a body beyond a small
size is only taken from somebody who is known and may bring something there, and none beyond what its address takes.
What is refused is not read: the request goes on without its body, and `refused_bodies` answers it with the problem.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
# A problem and its words.
Refusal = tuple[str, dict[str, Any]]
WhyNot = Callable[[Scope], Awaitable[Refusal | None]]

# A sign-in form and the like: what anybody at all may send.
ANYBODY = 64 * 1024
DRAIN_S = 5.0
KEY = "mooring.refused"
# (address, the largest body in bytes); apps add theirs. All others take DATA_UPLOAD_MAX_MEMORY_SIZE.
ROUTES: list[tuple[re.Pattern[str], Callable[[], int]]] = []


def register_bodies(pattern: str, largest: Callable[[], int]) -> None:
    """Let the addresses of `pattern` take bodies of up to `largest()` bytes."""
    ROUTES.append((re.compile(pattern), largest))


def largest_for(path: str, content_type: str) -> int:
    """Return how many bytes the body of a request to `path` may have."""
    for pattern, largest in ROUTES:
        if pattern.match(path):
            return largest()
    if path.startswith("/w/") and content_type.startswith("multipart/form-data"):
        return int(settings.LARGEST_UPLOAD)
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or ANYBODY)


class LimitedBodies:
    """The application with a guard in front of it; `why_not` says why whoever asks may send no more than a small form."""

    def __init__(self, app: App, why_not: WhyNot) -> None:
        self.app = app
        self.why_not = why_not

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(scope, receive, self.why_not)
        if (length := body.announced) is not None:
            await body.take(length)
        await self.app(scope, body.receive, send)


class _Body:
    """One request's body as it comes."""

    def __init__(self, scope: Scope, receive: Receive, why_not: WhyNot) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self.scope = scope
        self.source = receive
        self.why_not = why_not
        self.largest = largest_for(scope["path"], headers.get("content-type", ""))
        length = headers.get("content-length", "")
        self.announced = int(length) if length.isdecimal() and len(length) < 19 else None
        # The sender waits for our leave before it sends anything.
        self.waits = headers.get("expect", "").lower() == "100-continue"
        self.came = 0
        self.asked = False
        self.over = False

    async def take(self, size: int) -> None:
        """Refuse a body of `size` bytes when it is too large, or too large for nobody in particular."""
        if size > ANYBODY and not self.asked:
            self.asked = True
            if refusal := await self.why_not(self.scope):
                self.scope[KEY] = refusal
                return
        if size > self.largest:
            self.scope[KEY] = ("too-large", {"what": "The request", "limit": _words(self.largest)})

    async def receive(self) -> Message:
        """Hand on the next piece; of a refused body nothing."""
        if KEY in self.scope:
            return await self._nothing()
        message = await self.source()
        if message["type"] == "http.request":
            self.came += len(message.get("body", b""))
            if self.came > ANYBODY:
                await self.take(self.came)
            if KEY in self.scope:
                return await self._nothing()
        return message

    async def _nothing(self) -> Message:
        if not self.over:
            self.over = True
            if not self.waits:
                # Read past what is still sent, for a while: who sends hears the answer only afterwards.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(DRAIN_S):
                        while (message := await self.source()).get("more_body"):
                            pass
            return {"type": "http.request", "body": b"", "more_body": False}
        while (message := await self.source())["type"] == "http.request":
            pass
        return message


def _words(size: int) -> str:
    for unit, name in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes"
