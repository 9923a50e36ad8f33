"""HTTP to a server inside a pod, by two ways of one shape: the pod proxy and the port-forward.

Some managed clusters cannot dial pods from the API server; there the port-forward, which goes through the kubelet,
still works. Which way is open is found out once per cluster.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import h11
from yarl import URL

from compute.kube import kinds
from compute.kube.aclient import Answer, AsyncKubeClient, Body
from compute.kube.errors import (
    PodAnswered,
    ServerFault,
    Unreachable,
    for_status,
    from_exception,
    from_status,
    own_errors,
)
from compute.kube.portforward import DATA, FRAME, PROTOCOL, Frames
from compute.kube.transport import JSON, MAX_BODY, encode_query, pod_path, pod_proxy_path

Query = Mapping[str, str | int]


@dataclass(frozen=True)
class PodAddress:
    """Name a port of a pod."""

    namespace: str
    pod: str
    port: int


@dataclass(frozen=True)
class PodAnswer:
    """Hold a whole answer of a pod."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class OpenAnswer(Protocol):
    """Describe an answer whose body comes as it comes."""

    status: int
    headers: Mapping[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield bytes the moment they come."""
        ...


class PodTransport(Protocol):
    """Describe a way to a pod's port."""

    name: str

    def open(
        self,
        address: PodAddress,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
    ) -> contextlib.AbstractAsyncContextManager[OpenAnswer]:
        """Send a request and give the pod's answer, whatever its status; raise a KubeError when none came."""
        ...


class PodProxy:
    """Reach a pod's port through the API server's proxy."""

    name = "proxy"

    def __init__(self, client: AsyncKubeClient) -> None:
        self._client = client

    @contextlib.asynccontextmanager
    async def open(
        self,
        address: PodAddress,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
    ) -> AsyncIterator[OpenAnswer]:
        """Send a request and give the pod's answer."""
        whole = pod_proxy_path(address.namespace, address.pod, address.port, path, query)
        async with self._client.open(method, whole, headers=headers, body=body) as answer:
            if answer.status >= 400:
                yield await _pods_own(answer)
            else:
                yield answer


class PortForward:
    """Reach a pod's port through the kubelet, over a websocket for each request."""

    name = "port-forward"

    def __init__(self, client: AsyncKubeClient) -> None:
        self._client = client

    @contextlib.asynccontextmanager
    async def open(
        self,
        address: PodAddress,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
    ) -> AsyncIterator[OpenAnswer]:
        """Send a request and give the pod's answer."""
        socket = await _connect(self._client, address)
        try:
            exchange = _Exchange(self._client, socket)
            target = pod_path(path) + encode_query(query)
            await exchange.send(address, method, target, headers or {}, body)
            await exchange.head()
            yield exchange
        finally:
            await socket.close()


async def pod_request(
    transport: PodTransport,
    address: PodAddress,
    method: str,
    path: str,
    *,
    query: Query | None = None,
    headers: Mapping[str, str] | None = None,
    body: Body = None,
    limit: int = MAX_BODY,
) -> PodAnswer:
    """Send a request to a pod and return its whole answer, whatever its status."""
    async with transport.open(address, method, path, query=query, headers=headers, body=body) as answer:
        whole = bytearray()
        async for piece in answer:
            whole += piece
            if len(whole) > limit:
                raise ServerFault(f"The pod's answer is longer than {limit} bytes.")
        return PodAnswer(answer.status, answer.headers, bytes(whole))


async def stream_pod_http(
    transport: PodTransport,
    address: PodAddress,
    path: str,
    *,
    query: Query | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncGenerator[bytes, None]:
    """GET from a pod and yield bytes the moment they come; raise PodAnswered when the pod answers with an error."""
    async with transport.open(address, "GET", path, query=query, headers=headers) as answer:
        if not 200 <= answer.status < 300:
            raise await _pod_error(answer)
        async for piece in answer:
            yield piece


class _Whole:
    """Hold an answer that had to be read to know whose it is."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self._body = status, headers, body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._body:
            yield self._body


async def _pods_own(answer: Answer) -> _Whole:
    """Return a pod's error; raise when it is the API server that answered."""
    body = await answer.read(1024 * 1024)
    error = from_status(answer.status, body, answer.headers)
    is_the_servers = JSON in answer.headers.get("Content-Type", "") and error.reason
    if is_the_servers or answer.status in (502, 503, 504):
        raise error
    return _Whole(answer.status, answer.headers, body)


async def _pod_error(answer: OpenAnswer) -> PodAnswered:
    text = b""
    async for piece in answer:
        text += piece
        if len(text) > 4096:
            break
    said = " ".join(text[:300].decode("utf-8", "replace").split())
    return PodAnswered(f"The pod answered {answer.status}" + (f": {said}" if said else "."), status=answer.status)


class _Exchange:
    """Carry one HTTP/1.1 request and its answer over a forwarded port."""

    def __init__(self, client: AsyncKubeClient, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._client = client
        self._socket = socket
        self._frames = Frames()
        self._http = h11.Connection(h11.CLIENT)
        self._pieces = client.listen(self._receive)
        self.status = 0
        self.headers: Mapping[str, str] = {}

    async def send(self, address: PodAddress, method: str, target: str, headers: Mapping[str, str], body: Body) -> None:
        """Send the request, its body as it comes."""
        given = {"Host": f"{address.pod}:{address.port}", "Connection": "close", **headers}
        if isinstance(body, bytes):
            given["Content-Length"] = str(len(body))
        elif body is not None:
            given["Transfer-Encoding"] = "chunked"
        await self._write(h11.Request(method=method, target=target, headers=list(given.items())))
        if isinstance(body, bytes):
            await self._write(h11.Data(data=body))
        elif body is not None:
            async for piece in body:
                await self._write(h11.Data(data=piece))
        await self._write(h11.EndOfMessage())

    async def head(self) -> None:
        """Wait for the answer's head."""
        while not isinstance(event := await self._next(), h11.Response):
            if isinstance(event, h11.ConnectionClosed | h11.EndOfMessage):
                raise Unreachable("The pod closed the connection without an answer.")
        self.status = event.status_code
        self.headers = {name.decode().title(): value.decode("latin-1") for name, value in event.headers}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            event = await self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return

    async def _write(self, event: Any) -> None:
        raw = self._http.send(event)
        if not raw:
            return
        with own_errors(aiohttp.ClientError, OSError):
            for start in range(0, len(raw), FRAME):
                await self._socket.send_bytes(bytes([DATA]) + raw[start : start + FRAME])

    async def _next(self) -> Any:
        while True:
            try:
                event = self._http.next_event()
                if event is not h11.NEED_DATA:
                    return event
                self._http.receive_data(await anext(self._pieces, b""))
            except h11.RemoteProtocolError as error:
                raise Unreachable(f"The pod's answer broke off: {error}") from error

    async def _receive(self) -> bytes:
        while True:
            message = await self._socket.receive()
            if message.type is aiohttp.WSMsgType.BINARY:
                if payload := self._frames.received(message.data):
                    return payload
            elif message.type is aiohttp.WSMsgType.ERROR:
                raise from_exception(message.data)
            elif message.type is not aiohttp.WSMsgType.TEXT:
                return b""


async def _connect(client: AsyncKubeClient, address: PodAddress) -> aiohttp.ClientWebSocketResponse:
    path = kinds.POD.path(address.pod, address.namespace, "portforward")
    try:
        with own_errors(aiohttp.ClientError, OSError):
            socket = await client.session.ws_connect(
                URL(f"{client.connection.server}{path}?ports={address.port}", encoded=True),
                protocols=[PROTOCOL],
                headers=client.headers,
                proxy=client.proxy,
                server_hostname=client.connection.tls_server_name,
                max_msg_size=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
    except Unreachable as error:
        if isinstance(error.__cause__, aiohttp.WSServerHandshakeError):
            status = error.__cause__.status
            raise for_status(status, f"The API server refused the port-forward with {status}.") from error
        raise
    if socket.protocol != PROTOCOL:
        await socket.close()
        raise Unreachable("The server does not forward ports over websockets.")
    return socket
