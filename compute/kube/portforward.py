"""A pod's port through the API server: a websocket whose binary frames carry a channel's number and bytes.

Channel 0 is the port's bytes, channel 1 its errors; each begins with a frame that holds the port's number.
The protocol is the one of kubelet and ``kubectl port-forward`` over websockets (``v4.channel.k8s.io``).
"""

import contextlib
import io
import ssl
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import websocket

from compute.kube.config import Connection
from compute.kube.errors import KubeError, ServerFault, Timeout, Unreachable, from_exception, from_status
from compute.kube.transport import proxy_for, reach_of

PROTOCOL = "v4.channel.k8s.io"
DATA, ERROR = 0, 1
FRAME = 32 * 1024


class Frames:
    """Turn received frames into the port's bytes; no input or output of its own."""

    def __init__(self) -> None:
        self._begun = {DATA: False, ERROR: False}

    def received(self, frame: bytes) -> bytes:
        """Return the bytes of the port that a frame carries; raise ServerFault for an error's frame."""
        if not frame or frame[0] not in self._begun:
            return b""
        channel, payload = frame[0], frame[1:]
        if not self._begun[channel]:
            self._begun[channel] = True
            payload = payload[2:]
        if channel == ERROR and payload:
            raise ServerFault(f"The pod's port is not reachable: {payload.decode('utf-8', 'replace').strip()[:300]}")
        return payload if channel == DATA else b""


class PodSocket:
    """Behave like a connected socket as far as http.client and simple protocols need it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._frames = Frames()
        self._buffer = b""
        self._ended = False

    def sendall(self, payload: bytes) -> None:
        """Send all bytes."""
        view = memoryview(payload)
        try:
            for start in range(0, len(view), FRAME):
                self._stream.send_binary(bytes([DATA]) + view[start : start + FRAME])
        except (websocket.WebSocketException, OSError) as error:
            raise from_exception(error) from error

    def recv(self, size: int) -> bytes:
        """Return at least one byte, or none at the end; raise a KubeError when the port failed."""
        while not self._buffer and not self._ended:
            self._buffer = self._receive()
        piece, self._buffer = self._buffer[:size], self._buffer[size:]
        return piece

    def settimeout(self, seconds: float | None) -> None:
        """Limit how long a read may wait."""
        self._stream.settimeout(seconds)

    def makefile(self, mode: str = "rb", *_: Any, **__: Any) -> io.BufferedReader:
        """Return a buffered reader, for http.client."""
        if mode != "rb":
            raise ValueError("only reading goes through a file")
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Close the websocket; safe to call twice."""
        self._ended = True
        with contextlib.suppress(websocket.WebSocketException, OSError):
            self._stream.close(timeout=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _receive(self) -> bytes:
        try:
            opcode, payload = self._stream.recv_data()
        except websocket.WebSocketTimeoutException as error:
            raise Timeout("The pod's port sent nothing in time.") from error
        except websocket.WebSocketConnectionClosedException:
            self._ended = True
            return b""
        except (websocket.WebSocketException, OSError) as error:
            raise from_exception(error) from error
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self._ended = True
            return b""
        return self._frames.received(payload)


def open_port(
    connection: Connection, tls: ssl.SSLContext, headers: Mapping[str, str], path: str, port: int, *, timeout: float
) -> PodSocket:
    """Open a pod's port, or raise a KubeError."""
    options: dict[str, Any] = {"context": tls}
    if connection.tls_server_name:
        options["server_hostname"] = connection.tls_server_name
    stream = websocket.WebSocket(sslopt=options, enable_multithread=True, skip_utf8_validation=True)
    address = "wss" + connection.server.removeprefix("https") + path + f"?ports={int(port)}"
    stream.settimeout(timeout)
    try:
        way = _connected(connection, tls, timeout)
        stream.connect(  # type: ignore[no-untyped-call]
            address, header=dict(headers), subprotocols=[PROTOCOL], suppress_origin=True, **way
        )
    except websocket.WebSocketBadStatusException as error:
        body = error.resp_body if isinstance(error.resp_body, bytes) else str(error.resp_body or "").encode()
        raise from_status(error.status_code, body, dict(error.resp_headers or {})) from error
    except websocket.WebSocketTimeoutException as error:
        raise Timeout("The server did not answer in time.") from error
    except (websocket.WebSocketException, OSError) as error:
        raise from_exception(error) from error
    if stream.getsubprotocol() != PROTOCOL:
        stream.close()
        raise Unreachable("The server does not forward ports over websockets.")
    return PodSocket(stream)


class _Reader(io.RawIOBase):
    def __init__(self, source: PodSocket) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._source.recv(len(buffer))
        except Timeout as error:
            raise TimeoutError(str(error)) from error
        except KubeError as error:
            raise ConnectionError(str(error)) from error
        buffer[: len(piece)] = piece
        return len(piece)


def _connected(connection: Connection, tls: ssl.SSLContext, timeout: float) -> dict[str, Any]:
    """Return how to get to the server: by a socket to an address that may be called, or by such a proxy."""
    reach, proxy, server = reach_of(connection), proxy_for(connection), urlsplit(connection.server)
    if proxy is None:
        host = server.hostname or ""
        plain = reach.connect(host, server.port or 443, timeout)
        return {"socket": tls.wrap_socket(plain, server_hostname=connection.tls_server_name or host)}
    parts = urlsplit(proxy)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    options: dict[str, Any] = {
        "http_proxy_host": reach.places(parts.hostname or "", port)[0],
        "http_proxy_port": port,
        "proxy_type": "http",
        "http_no_proxy": [""],
    }
    if parts.username:
        options["http_proxy_auth"] = (parts.username, parts.password or "")
    return options
