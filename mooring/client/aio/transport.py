"""How requests travel without blocking: the same token, time-outs, retries and problems as `mooring.client.transport`."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx

from mooring.client import transport as plain
from mooring.client.transport import lost, problem_of, segment

__all__ = ["Backoff", "Transport", "lost", "segment"]

Body = Callable[[], AsyncIterator[bytes]]


class Transport:
    """One connection pool to one studio, for one event loop."""

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        timeout_seconds: float = 30,
        patience_seconds: float = 20,
        verify: bool | str = True,
        agent: str = "",
    ) -> None:
        self.url = plain.checked(url)
        self.patience_seconds = patience_seconds
        self._reached = False
        self.http = httpx.AsyncClient(**plain.options(self.url, token, timeout_seconds=timeout_seconds, verify=verify, agent=agent))

    async def close(self) -> None:
        """Close all connections."""
        await self.http.aclose()

    async def json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request and return the answer's JSON (None for an empty answer)."""
        return plain.read(await self.send(method, path, query=query, json=json, headers=headers))

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request, again when the connection broke; raise on any problem."""
        if method == "POST":
            headers = {"Idempotency-Key": uuid.uuid4().hex, **(headers or {})}
        repeatable = plain.repeatable(method, headers)
        retries = Backoff(plain.patience(self.patience_seconds, self._reached) if repeatable else 0)
        while True:
            try:
                response = await self.http.request(
                    method,
                    path,
                    params=plain.without_none(query),
                    json=json,
                    content=body() if body else None,
                    headers=headers,
                    timeout=plain.storing() if body else httpx.USE_CLIENT_DEFAULT,
                )
            except httpx.TransportError as error:
                if not await retries.wait():
                    raise lost(self.url, error) from error
                continue
            if not self._reached:
                self._reached = True
                retries = Backoff(self.patience_seconds if repeatable else 0)
            if plain.passes(response) and await retries.wait(plain.retry_after(response)):
                continue
            if not response.is_success:
                raise problem_of(response)
            return response

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, *, query: Mapping[str, Any] | None = None, idle_seconds: float | None = 60
    ) -> AsyncIterator[httpx.Response]:
        """Open a GET whose body is read bit by bit; raise on any problem."""
        timeout = httpx.Timeout(30, read=idle_seconds)
        async with self.http.stream("GET", path, params=plain.without_none(query), timeout=timeout, headers=plain.PLAIN) as response:
            if not response.is_success:
                await response.aread()
                raise problem_of(response)
            yield response


class Backoff(plain.Pauses):
    """Wait a little longer each time, with jitter, until a total is used up; others run meanwhile."""

    async def wait(self, asked_seconds: float | None = None) -> bool:
        """Wait before the next try; return false at once when there is none left."""
        pause = self.pause(asked_seconds)
        if pause is None:
            return False
        await asyncio.sleep(pause)
        return True
