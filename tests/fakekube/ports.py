"""Logs, proxy and port-forward of fake pods; what listens behind a pod's port is a real server on loopback."""

import base64
import contextlib
import hashlib
import http.client
import http.server
import re
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tests.fakekube.store import Refusal

if TYPE_CHECKING:
    from tests.fakekube.server import Handler

Address = tuple[str, int]
Answer = tuple[int, dict[str, str], Iterable[bytes]]
PodApp = Callable[[str, str, dict[str, str], bytes], Answer]  # method, path with query, headers, body
HOP_BY_HOP = {
    "server",
    "date",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "host",
    "authorization",
    "content-length",
}
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10


class PodLog:
    """Keep what a container printed, line by line, each with its time."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, bytes]] = []
        self.ended = False
        self.changed = threading.Condition()

    def print(self, text: str | bytes, *, at: str | None = None) -> None:
        """Add lines."""
        raw = text.encode() if isinstance(text, str) else text
        stamp = at or time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() % 10**9:09d}Z"
        with self.changed:
            self.lines.extend((stamp, line) for line in raw.splitlines(keepends=True))
            self.changed.notify_all()

    def end(self) -> None:
        """Say that the container has ended: follows end too."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()


def serve_log(handler: "Handler", namespace: str, pod: str) -> None:
    """Answer ``pods/log``."""
    query = handler.query
    log = handler.server.fake.log_of(namespace, pod, query.get("container"))
    since = query.get("sinceTime", "")
    sent = 0
    if tail := query.get("tailLines"):
        sent = max(len(log.lines) - int(tail), 0)
    handler.begin_chunks(headers={"Content-Type": "text/plain"})
    while True:
        with log.changed:
            while sent >= len(log.lines) and query.get("follow") == "true" and not log.ended:
                if handler.server.fake.closing:
                    return
                log.changed.wait(0.25)
            fresh, sent, ended = log.lines[sent:], len(log.lines), log.ended
        for stamp, line in fresh:
            if stamp >= since:
                handler.chunk((f"{stamp} ".encode() if query.get("timestamps") == "true" else b"") + line)
        if query.get("follow") != "true" or (ended and sent >= len(log.lines)):
            break
    handler.chunk(b"")


def serve_proxy(handler: "Handler", namespace: str, pod: str, port: int, rest: str) -> None:
    """Pass a request on to what listens behind the pod's port."""
    address = _address(handler, namespace, pod, port)
    query = handler.path.partition("?")[2]
    headers = {name: value for name, value in handler.headers.items() if name.lower() not in HOP_BY_HOP}
    body = handler.body()
    upstream = http.client.HTTPConnection(*address, timeout=600)
    try:
        upstream.request(handler.command, rest + (f"?{query}" if query else ""), body=body or None, headers=headers)
        response = upstream.getresponse()
    except OSError as error:
        message = f"error trying to reach service: dial tcp: {error}"
        raise Refusal(503, "ServiceUnavailable", message) from error
    kept = {name: value for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP}
    with contextlib.closing(upstream):
        if response.length is not None:
            handler.answer(response.status, response.read(), kept)
            return
        handler.begin_chunks(response.status, kept)
        while piece := response.read1(65536):
            handler.chunk(piece)
        handler.chunk(b"")


def serve_port_forward(handler: "Handler", namespace: str, pod: str) -> None:
    """Speak the websocket side of a port-forward and join it to what listens behind the pod's port."""
    port = int(handler.query.get("ports", "0"))
    offered = [each.strip() for each in (handler.headers.get("Sec-WebSocket-Protocol") or "").split(",")]
    key = handler.headers.get("Sec-WebSocket-Key")
    if "v4.channel.k8s.io" not in offered or not key:
        raise Refusal(400, "BadRequest", "unable to upgrade: unable to negotiate protocol")
    accept = base64.b64encode(hashlib.sha1((key + MAGIC).encode(), usedforsecurity=False).digest()).decode()
    handler.send_response(101)
    for name, value in {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": accept,
        "Sec-WebSocket-Protocol": "v4.channel.k8s.io",
    }.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.close_connection = True
    for channel in (0, 1):
        handler.wfile.write(_frame(bytes([channel]) + struct.pack("<H", port)))
    try:
        pod_side = socket.create_connection(_address(handler, namespace, pod, port))
    except (OSError, Refusal) as error:
        handler.wfile.write(_frame(b"\x01" + f"error forwarding port {port}: {error}".encode()))
        return
    with contextlib.suppress(OSError), contextlib.closing(pod_side):
        _join(handler.connection, pod_side)


def listen(app: PodApp) -> tuple[Address, Callable[[], None]]:
    """Serve a function on loopback; return its address and what stops it."""

    class PodHandler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            status, headers, pieces = app(self.command, self.path, dict(self.headers), body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" in headers:
                self.end_headers()
                self.wfile.write(b"".join(pieces))
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(OSError):
                for piece in pieces:
                    self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")

        do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), PodHandler)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return ("127.0.0.1", server.server_port), stop


def _address(handler: "Handler", namespace: str, pod: str, port: int) -> Address:
    address = handler.server.fake.ports.get((namespace, pod, port))
    if address is None:
        message = f"error trying to reach service: dial tcp 10.0.0.9:{port}: connect: connection refused"
        raise Refusal(503, "ServiceUnavailable", message)
    return address


def _join(client: ssl.SSLSocket, pod_side: socket.socket) -> None:
    """Carry bytes both ways until the client has closed; one thread, as two on one TLS connection lose bytes."""
    unread, watched = bytearray(), [client, pod_side]
    while True:
        if client.pending():
            ready: list[socket.socket] = [client]
        else:
            ready, _, _ = select.select(watched, [], [])
        if client in ready:
            if not (piece := client.recv(65536)):
                return
            unread += piece
            while (frame := _take_frame(unread)) is not None:
                opcode, payload = frame
                if opcode == CLOSE:
                    return
                if opcode == PING:
                    client.sendall(_frame(payload, PONG))
                elif payload[:1] == b"\0":
                    pod_side.sendall(payload[1:])
        if pod_side in ready:
            piece = pod_side.recv(32768)
            client.sendall(_frame(b"\0" + piece) if piece else _frame(struct.pack(">H", 1000), CLOSE))
            if not piece:
                watched.remove(pod_side)


def _frame(payload: bytes, opcode: int = BINARY) -> bytes:
    size = len(payload)
    return bytes([0x80 | opcode]) + (bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)) + payload


def _take_frame(unread: bytearray) -> tuple[int, bytes] | None:
    """Take a whole masked frame off the front; None while it is not whole."""
    if len(unread) < 2:
        return None
    opcode, size, start = unread[0] & 0x0F, unread[1] & 0x7F, 2
    if size > 125:
        width = 2 if size == 126 else 8
        size, start = int.from_bytes(unread[2 : 2 + width], "big"), 2 + width
    if len(unread) < start + 4 + size:
        return None
    mask, masked = unread[start : start + 4], unread[start + 4 : start + 4 + size]
    del unread[: start + 4 + size]
    keys = (bytes(mask) * (size // 4 + 1))[:size]
    return opcode, (int.from_bytes(masked, "big") ^ int.from_bytes(keys, "big")).to_bytes(size, "big")


def log_key(container: str | None) -> str:
    """Return the name that a log without one is kept under."""
    return re.sub(r"\s", "", container or "")
