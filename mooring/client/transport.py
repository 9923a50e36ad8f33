"""How requests travel: the token, time-outs, retries of what may be repeated, and problems read from answers."""

from __future__ import annotations

import contextlib
import random
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

import mooring
from mooring.errors import ConnectionLost, ErrorAt, MooringError, MooringProblem

# What a proxy or a studio that is just restarting answers; the same request may get through a moment later.
_PASSING = frozenset({429, 502, 503, 504})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
# Offsets count the bytes of the file itself, so nothing may pack them on the way.
PLAIN = {"Accept": "*/*", "Accept-Encoding": "identity"}
# A body that can be begun anew when the connection breaks, and how long the studio may take to store it.
Body = Callable[[], Iterator[bytes]]
_STORING_SECONDS = 300
_FIRST_PATIENCE = 2.0


class Transport:
    """One connection pool to one studio; safe to use from several threads."""

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
        self.url = checked(url)
        self.patience_seconds = patience_seconds
        self._reached = False
        self.http = httpx.Client(**options(self.url, token, timeout_seconds=timeout_seconds, verify=verify, agent=agent))

    def close(self) -> None:
        """Close all connections."""
        self.http.close()

    def json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request and return the answer's JSON (None for an empty answer)."""
        return read(self.send(method, path, query=query, json=json, headers=headers))

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request, again when the connection broke; raise on any problem.

        A POST carries an Idempotency-Key, by which the studio does the same thing once however often it is asked.
        """
        if method == "POST":
            headers = {"Idempotency-Key": uuid.uuid4().hex, **(headers or {})}
        again = repeatable(method, headers)
        retries = Backoff(patience(self.patience_seconds, self._reached) if again else 0)
        while True:
            try:
                response = self.http.request(
                    method,
                    path,
                    params=without_none(query),
                    json=json,
                    content=body() if body else None,
                    headers=headers,
                    timeout=storing() if body else httpx.USE_CLIENT_DEFAULT,
                )
            except httpx.TransportError as error:
                if not retries.wait():
                    raise lost(self.url, error) from error
                continue
            if not self._reached:
                self._reached = True
                retries = Backoff(self.patience_seconds if again else 0)
            if passes(response) and retries.wait(retry_after(response)):
                continue
            if not response.is_success:
                raise problem_of(response)
            return response

    @contextlib.contextmanager
    def stream(self, path: str, *, query: Mapping[str, Any] | None = None, idle_seconds: float | None = 60) -> Iterator[httpx.Response]:
        """Open a GET whose body is read bit by bit; raise on any problem.

        Raises httpx.TransportError when the connection breaks: the caller knows from where to go on.
        """
        timeout = httpx.Timeout(30, read=idle_seconds)
        with self.http.stream("GET", path, params=without_none(query), timeout=timeout, headers=PLAIN) as response:
            if not response.is_success:
                response.read()
                raise problem_of(response)
            yield response


class Pauses:
    """Say how long to wait: a little longer each time, with jitter, until a total is used up."""

    def __init__(self, total_seconds: float, *, first: float = 0.2, longest: float = 5) -> None:
        self._total = total_seconds
        self._first = first
        self._longest = longest
        self.restart()

    def restart(self) -> None:
        """Begin anew: something has got through."""
        self._until = time.monotonic() + self._total
        self._next = self._first

    def pause(self, asked_seconds: float | None = None) -> float | None:
        """Return the seconds to wait before the next try; None when there is none left."""
        pause = asked_seconds if asked_seconds is not None else self._next * random.uniform(0.7, 1.3)
        if time.monotonic() + pause > self._until:
            return None
        self._next = min(self._next * 2, self._longest)
        return pause


class Backoff(Pauses):
    """Wait a little longer each time, with jitter, until a total is used up."""

    def wait(self, asked_seconds: float | None = None) -> bool:
        """Wait before the next try; return false at once when there is none left."""
        pause = self.pause(asked_seconds)
        if pause is None:
            return False
        time.sleep(pause)
        return True


def options(url: str, token: str | None, *, timeout_seconds: float, verify: bool | str, agent: str = "") -> dict[str, Any]:
    """Return how a connection pool to a studio is made, whether it blocks or not."""
    headers = {"User-Agent": agent or f"mooring/{mooring.__version__}", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return {
        "base_url": f"{url}/api/v1/",
        "headers": headers,
        "timeout": httpx.Timeout(timeout_seconds, connect=10),
        "verify": trusted(url, verify),
        # Redirects are not followed: the token would travel along to wherever they lead.
        "follow_redirects": False,
    }


def trusted(url: str, verify: bool | str = True) -> bool | str | ssl.SSLContext:
    """Return whom to believe: over plain HTTP nobody, as reading all authorities of the machine takes longer than an answer."""
    return verify if httpx.URL(url).scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def read(response: httpx.Response) -> Any:
    """Return an answer's JSON (None for an empty answer)."""
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError as error:
        raise MooringError(
            "not-a-studio",
            "The answer is not from a studio",
            f"{response.request.url} answered something else than JSON.",
            "Check the address: it is the one that the browser shows, without a path.",
        ) from error


def repeatable(method: str, headers: Mapping[str, str] | None) -> bool:
    """Say whether a request may be sent again."""
    return method in _REPEATABLE or "Idempotency-Key" in (headers or {})


def patience(seconds: float, reached: bool) -> float:
    """Return how long to repeat; a studio that never answered is more likely a wrong address than one that is just restarting."""
    return seconds if reached else min(seconds, _FIRST_PATIENCE)


def passes(response: httpx.Response) -> bool:
    """Say whether an answer is one that the same request may get past a moment later."""
    return response.status_code in _PASSING or is_at_work(response)


def is_at_work(response: httpx.Response) -> bool:
    """Say whether a request came again while the first one with its key had not been answered: soon its answer is to be had."""
    return response.status_code == 409 and b"idempotency-key-at-work" in response.content


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that an answer asks to wait."""
    return _seconds(response.headers.get("Retry-After"))


def storing() -> httpx.Timeout:
    """Return the time-out of a request whose body the studio stores."""
    return httpx.Timeout(_STORING_SECONDS, connect=10)


def segment(value: str) -> str:
    """Return a name fit for one segment of a path."""
    return quote(value, safe="")


def lost(url: str, error: Exception) -> ConnectionLost:
    """Return the problem of a connection that could not be made, or broke."""
    text = str(error) or type(error).__name__
    todo = "Check the address, that the studio runs, and that this machine reaches it."
    if "CERTIFICATE_VERIFY_FAILED" in text:
        todo = "Trust the certificate's authority: set SSL_CERT_FILE to a file with it."
    return ConnectionLost("studio-unreachable", "The studio cannot be reached", f"{url}: {text}.", todo)


def problem_of(response: httpx.Response) -> MooringError:
    """Return the problem that an answer tells of, as far as it is one."""
    try:
        told = response.json()
    except ValueError:
        told = None
    status = response.status_code
    if not isinstance(told, dict) or "title" not in told:
        place = f"{response.request.method} {response.request.url.path}"
        if response.is_redirect:
            detail = f"{place} was redirected to {response.headers.get('Location', 'elsewhere')}."
            todo = "Use the address that the browser ends up at, with https:// where the studio has it."
        else:
            detail, todo = f"{place} was answered with HTTP {status}.", "Check the address and the studio's log."
        return MooringProblem("unexpected-answer", "Unexpected answer", detail, todo, status=status)
    return MooringProblem(
        str(told.get("id", "unknown")),
        str(told["title"]),
        str(told.get("detail", "")),
        str(told.get("todo", "")),
        status=status,
        # A problem that comes alone says itself where it stands.
        errors=tuple(_error_at(one) for one in told.get("errors") or ([told] if told.get("line") else ()) if isinstance(one, dict)),
        body=told,
        who=str(told.get("who", "")),
    )


def _error_at(told: Mapping[str, Any]) -> ErrorAt:
    return ErrorAt(
        text=str(told.get("text") or told.get("detail") or told.get("title") or ""),
        path=str(told.get("path") or told.get("field") or ""),
        line=told.get("line"),
        column=told.get("column"),
    )


def without_none(query: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {key: value for key, value in query.items() if value is not None} if query else None


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdigit() else None


def checked(url: str) -> str:
    parsed = httpx.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise MooringError("address-invalid", "The address is not right", f"{url!r} is not an http(s) address.", "Write https://HOST.")
    return url.rstrip("/")
