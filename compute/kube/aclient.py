"""The asyncio client of one API server, for what stays open: watches, logs, pods' ports.

It stands on aiohttp (which the official client brings along) with our own TLS context, and not on ``kubernetes.aio``:
that one wants keys in files, reads proxies and .netrc from the environment by itself, and has no websockets.
"""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

from compute.kube import kinds, names
from compute.kube.config import Connection
from compute.kube.errors import (
    Gone,
    NotKubernetes,
    ServerFault,
    Unauthorized,
    from_status,
    own_errors,
)
from compute.kube.kinds import Kind
from compute.kube.reach import out_of_reach
from compute.kube.transport import (
    JSON,
    MAX_BODY,
    USER_AGENT,
    authorization,
    encode_query,
    proxy_for,
    reach_of,
    tls_context,
)

PAGE = 500
IDLE_CHECK = 10.0  # seconds of silence on a stream after which the server is asked whether it lives
FRESH = 5.0  # an answer this young proves that it does
Object = dict[str, Any]
Objects = list[Object]  # the class has a method called list
Body = bytes | AsyncIterable[bytes] | None


class Answer:
    """Hold an answer whose body comes as it comes."""

    def __init__(self, response: aiohttp.ClientResponse, client: "AsyncKubeClient") -> None:
        self._response = response
        self._client = client
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield bytes the moment they come; raise a KubeError once silence turns out to be death."""
        return self.pieces()

    def pieces(self, ping: Callable[[], Awaitable[None]] | None = None) -> AsyncGenerator[bytes, None]:
        """Yield bytes the moment they come; ``ping`` is called while none do, and what it raises ends the stream."""
        return self._client.listen(self._response.content.readany, ping)

    async def read(self, limit: int = MAX_BODY, *, timeout: float | None = None) -> bytes:
        """Return the whole body; raise ServerFault when it is longer than the limit."""
        whole = bytearray()
        with own_errors(aiohttp.ClientError, OSError):
            async with asyncio.timeout(timeout or self._client.timeout * 6):
                while piece := await self._response.content.readany():
                    whole += piece
                    if len(whole) > limit:
                        raise ServerFault(f"The answer is longer than {limit} bytes.")
        return bytes(whole)


class AsyncKubeClient:
    """Call one API server from one event loop."""

    def __init__(
        self,
        connection: Connection,
        *,
        timeout: float = 10.0,
        user_agent: str = USER_AGENT,
        idle_check: float = IDLE_CHECK,
    ) -> None:
        self.connection = connection
        self.timeout = timeout
        self.idle_check = idle_check
        self.tls = tls_context(connection)
        self.headers = {"User-Agent": user_agent, **authorization(connection)}
        self.proxy = proxy_for(connection)
        self._reach = reach_of(connection)
        self._session: aiohttp.ClientSession | None = None
        self._answered = float("-inf")
        self._ping: asyncio.Future[None] | None = None

    async def close(self) -> None:
        """Close every connection."""
        if self._ping is not None:
            self._ping.cancel()
            await asyncio.gather(self._ping, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        await self.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """Return the session, made at its first use inside the loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self.tls, limit=0, socket_factory=self._permitted_socket)
            self._session = aiohttp.ClientSession(
                connector=connector,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=256 * 1024,
            )
        return self._session

    async def version(self) -> Object:
        """Return the server's version."""
        answer = await self.call("GET", "/version")
        if "gitVersion" not in answer:
            raise NotKubernetes("The server answered, but not as a Kubernetes API server.")
        return answer

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object:
        """Return one object, or raise NotFound."""
        return await self.call("GET", kind.path(name, namespace))

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        labels: Mapping[str, str | None] | None = None,
        fields: str | None = None,
        limit: int = PAGE,
    ) -> tuple[Objects, str]:
        """Return all objects of a kind and the resource version at which they were so."""
        return await self.list_path(kind.path(namespace=namespace), selection(labels, fields), limit=limit)

    async def list_path(self, path: str, query: Mapping[str, object], *, limit: int = PAGE) -> tuple[Objects, str]:
        """Return all objects of a collection's path, page by page, and their resource version."""
        try:
            return await self._pages(path, {**query, "limit": limit})
        except Gone:
            # The snapshot behind the pages is gone; in one piece the list cannot lose it.
            return await self._pages(path, query)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> Object:
        """Send JSON to any path and return the JSON object that comes back, or raise a KubeError."""
        sent = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type} if sent is not None else {}
        async with self.open(method, path, query=query, headers={"Accept": JSON, **headers}, body=sent) as answer:
            await succeeded(answer)
            raw = await answer.read()
        try:
            document = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise NotKubernetes("The server answered with something that is not JSON.") from error
        if not isinstance(document, dict):
            raise NotKubernetes("The server answered with JSON that is no object.")
        return document

    @contextlib.asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        timeout: float | None = None,
    ) -> AsyncIterator[Answer]:
        """Send a request; give its answer, whatever its status, once the head has come.

        The time-out is for the head; a streamed body may take ten times that to send. Reading is the caller's.
        """
        seconds = (timeout or self.timeout) * (1 if body is None or isinstance(body, bytes) else 60)
        with own_errors(aiohttp.ClientError, OSError):
            async with asyncio.timeout(seconds):
                response = await self.session.request(
                    method,
                    URL(self.connection.server + path + encode_query(query), encoded=True),
                    headers={**(headers or {}), **self.headers},
                    data=body,
                    proxy=self.proxy,
                    server_hostname=self.connection.tls_server_name,
                    allow_redirects=False,  # a redirect would carry the token elsewhere
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(self.timeout, 10)),
                )
        self._answered = time.monotonic()
        try:
            yield Answer(response, self)
        finally:
            # Given back to the pool only when it was read to its end.
            response.release() if response.content.at_eof() else _give_up(response)

    async def stream_log(
        self,
        namespace: str,
        pod: str,
        container: str | None = None,
        *,
        since: str | None = None,
        tail: int | None = None,
        follow: bool = True,
        previous: bool = False,
        timestamps: bool = False,
    ) -> AsyncGenerator[bytes, None]:
        """Yield a container's log as it is written; ends when the container does."""
        query = {
            "container": container,
            "sinceTime": since,
            "tailLines": tail,
            "follow": "true" if follow else None,
            "previous": "true" if previous else None,
            "timestamps": "true" if timestamps else None,
        }
        async with self.open("GET", kinds.POD.path(pod, namespace, "log"), query=query) as answer:
            await succeeded(answer)
            async for piece in answer:
                yield piece

    async def ping(self) -> None:
        """Return once the server has answered anything, or raise a KubeError; all who ask share one request."""
        if time.monotonic() - self._answered < min(FRESH, self.idle_check / 2):
            return
        if self._ping is None or self._ping.done():
            self._ping = asyncio.ensure_future(self._ask())
            self._ping.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(self._ping)

    async def listen(
        self, read: Callable[[], Awaitable[bytes]], ping: Callable[[], Awaitable[None]] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield what ``read`` returns until it returns nothing; while it is silent, see that the server lives."""
        reading: asyncio.Future[bytes] | None = None
        try:
            while True:
                reading = asyncio.ensure_future(read())
                while not reading.done():
                    await asyncio.wait({reading}, timeout=self.idle_check)
                    if not reading.done():
                        await (ping or self.ping)()
                with own_errors(aiohttp.ClientError, OSError):
                    piece = reading.result()
                if not piece:
                    return
                yield piece
        finally:
            if reading is not None and not reading.done():
                reading.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await reading

    def _permitted_socket(self, address: Any) -> socket.socket:
        """Make a socket for an address, after its name was looked up, if it may be called."""
        if not self._reach.permits_place(address[4][0]):
            raise out_of_reach("The server's name")
        return _socket(address)

    async def _ask(self) -> None:
        async with self.open("GET", "/version") as answer:
            if answer.status == 401:
                raise Unauthorized("The server does not accept the credentials any more.", status=401)
            if answer.status >= 500:
                raise from_status(answer.status, await answer.read(65536), answer.headers)
            await answer.read()

    async def _pages(self, path: str, query: Mapping[str, object]) -> tuple[Objects, str]:
        objects: Objects = []
        token: str | None = None
        while True:
            page = await self.call("GET", path, query={**query, "continue": token})
            items, metadata = page.get("items") or [], page.get("metadata") or {}
            if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
                raise NotKubernetes("The server answered with a list that is none.")
            objects.extend(items)
            token = metadata.get("continue")
            if not token:
                return objects, str(metadata.get("resourceVersion") or "")


async def succeeded(answer: Answer) -> None:
    """Raise what the API server says when it is no success."""
    if not 200 <= answer.status < 300:
        raise from_status(answer.status, await answer.read(1024 * 1024), answer.headers)


def selection(labels: Mapping[str, str | None] | None, fields: str | None) -> dict[str, str | None]:
    """Return the query that chooses objects."""
    return {"labelSelector": names.selector(labels) if labels else None, "fieldSelector": fields}


def _give_up(response: aiohttp.ClientResponse) -> None:
    """End an answer in its middle at once: a graceful end of TLS would wait half a minute for a server that is gone."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


def _socket(address: Any) -> socket.socket:
    """Make a socket whose kernel notices within half a minute that the other side is gone."""
    family, kind, protocol = address[0], address[1], address[2]
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


__all__ = ["Answer", "AsyncKubeClient", "selection", "succeeded"]
