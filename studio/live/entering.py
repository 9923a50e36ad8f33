"""Streams are let in a few at a time: when a thousand browsers come again at once, each needs a thread until it is known who it is."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

PATH = "/live/"
AT_ONCE = 16

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


def a_few_at_a_time(application: Application, *, path: str = PATH, at_once: int = AT_ONCE) -> Application:
    """Return an application in which no more than so many requests of a path are on their way to their first bytes."""
    gates: dict[int, asyncio.Semaphore] = {}

    async def entered(scope: Message, receive: Any, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != path:
            await application(scope, receive, send)
            return
        gate = gates.setdefault(id(asyncio.get_running_loop()), asyncio.Semaphore(at_once))
        await gate.acquire()
        inside = True

        def leave() -> None:
            nonlocal inside
            if inside:
                inside = False
                gate.release()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.body":
                leave()
            await send(message)

        try:
            await application(scope, receive, sent)
        finally:
            leave()

    return entered
