"""A small HTTP/1.1 server: one thread a connection, a token on every request, bounded memory.

The standard library's server brings 8 MB of modules that the sidecar would hold for days.
"""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

LINE_LIMIT = 16 << 10
HEADER_LIMIT = 100
BLOCK = 1 << 18
# A peer that takes or gives nothing for this long is gone; readers come back by offset.
PATIENCE_SECONDS = 60.0
CONNECTION_LIMIT = 64


class BadRequest(Exception):
    """A request that cannot be understood."""


class Body:
    """The body of a request, by length or in chunks; reads like a file."""

    def __init__(self, file: Any, length: int | None) -> None:
        self._file = file
        self._left = length or 0
        self._chunked = length is None
        self.done = length == 0

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, everything when negative; raise OSError when the sender went away."""
        pieces = []
        while not self.done and size != 0:
            if self._chunked and self._left == 0 and not self._next_chunk():
                break
            piece = self._file.read(min(self._left, BLOCK if size < 0 else size))
            if not piece:
                raise ConnectionResetError("the sender went away within the body")
            self._left -= len(piece)
            size -= len(piece) if size > 0 else 0
            pieces.append(piece)
            if self._chunked and self._left == 0:
                self._file.readline(LINE_LIMIT)
            elif self._left == 0:
                self.done = True
        return b"".join(pieces)

    def _next_chunk(self) -> bool:
        line = self._file.readline(LINE_LIMIT)
        try:
            self._left = int(line.split(b";")[0], 16)
        except ValueError as error:
            raise ConnectionResetError("a chunk without a size") from error
        if self._left == 0:
            while self._file.readline(LINE_LIMIT) not in (b"\r\n", b"\n", b""):
                pass
            self.done = True
        return self._left > 0


class Request:
    """One request and the way to answer it."""

    def __init__(self, connection: socket.socket, method: str, target: str, headers: dict[str, str], file: Any) -> None:
        path, _, query = target.partition("?")
        self.method = method
        self.path = unquote(path)
        self.query = dict(parse_qsl(query))
        self.headers = headers
        chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        try:
            self.body = Body(file, None if chunked else int(headers.get("content-length") or 0))
        except ValueError as error:
            raise BadRequest("Content-Length is no number") from error
        self.keep = headers.get("connection", "").lower() != "close"
        self._connection = connection
        self._chunking = False
        self.answered = False

    def number(self, name: str, default: int = 0) -> int:
        """Give a query parameter that is a number and not negative."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not text.isdigit():
            raise BadRequest(f"{name} is no number")
        return int(text)

    def answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON."""
        raw = json.dumps(content, separators=(",", ":")).encode()
        self._head(status, {"Content-Type": "application/json", "Content-Length": str(len(raw)), **(headers or {})}, raw)

    def start(self, length: int | None = None, headers: dict[str, str] | None = None) -> None:
        """Begin an answer of raw bytes: of a known length, or in chunks until `finish`."""
        self._chunking = length is None
        framing = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
        sent = {"Content-Type": "application/octet-stream", "Cache-Control": "no-store", **framing, **(headers or {})}
        self._head(200, sent, b"")

    def send(self, piece: bytes) -> None:
        """Send a piece of the answer."""
        if self._chunking:
            self._connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            self._connection.sendall(piece)

    def finish(self) -> None:
        """End an answer in chunks."""
        if self._chunking:
            self._connection.sendall(b"0\r\n\r\n")

    def gone(self) -> bool:
        """Tell whether the peer has closed the connection."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        if not poll.poll(0):
            return False
        try:
            return not self._connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _head(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.answered = True
        if not self.body.done:
            self.keep = False  # what was not read would be taken for the next request
        lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append("Connection: " + ("keep-alive" if self.keep else "close"))
        self._connection.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


class Server:
    """Answer requests that bring the token; `handle` is called in the connection's thread."""

    def __init__(self, handle: Callable[[Request], None], token: str, address: tuple[str, int]) -> None:
        self._handle = handle
        self._token = token.encode()
        self._slots = threading.BoundedSemaphore(CONNECTION_LIMIT)
        self._busy = 0
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(address)
        self._listener.listen(128)
        self.port: int = self._listener.getsockname()[1]

    def start(self) -> None:
        """Begin to take connections in threads of their own."""
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    @property
    def busy(self) -> int:
        """Give how many requests are being answered."""
        return self._busy

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if not self._slots.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(PATIENCE_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, connection.makefile("rb") as file:
                while self._serve_one(connection, file):
                    pass
        except OSError:
            pass  # the peer went away; it comes back when it wants to
        finally:
            self._slots.release()

    def _serve_one(self, connection: socket.socket, file: Any) -> bool:
        try:
            request = _read_request(connection, file)
        except BadRequest as error:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            del error
            return False
        if request is None:
            return False
        with self._lock:
            self._busy += 1
        try:
            self._answer(request)
        finally:
            with self._lock:
                self._busy -= 1
        return request.keep and request.body.done

    def _answer(self, request: Request) -> None:
        if not same(request.headers.get("x-mooring-token", "").encode("utf-8", "replace"), self._token):
            request.answer(403, {"error": "the token of this job is wanted in X-Mooring-Token"})
            return
        try:
            if request.headers.get("expect", "").lower() == "100-continue":
                request._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._handle(request)
            if not request.answered:
                request.answer(404, {"error": "there is nothing at this address"})
        except BadRequest as error:
            request.keep = False
            request.answer(400, {"error": str(error)})


def same(given: bytes, wanted: bytes) -> bool:
    """Compare two secrets in a time that does not tell how much of them is alike."""
    difference = len(given) ^ len(wanted)
    for left, right in zip(given.ljust(len(wanted), b"\0"), wanted):  # noqa: B905 (Python 3.8 has no strict)
        difference |= left ^ right
    return difference == 0 and bool(wanted)


def _read_request(connection: socket.socket, file: Any) -> Request | None:
    line = file.readline(LINE_LIMIT)
    if not line:
        return None
    parts = line.decode("latin-1").split()
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest("no HTTP/1 request")
    headers: dict[str, str] = {}
    for _ in range(HEADER_LIMIT):
        line = file.readline(LINE_LIMIT)
        if line in (b"\r\n", b"\n"):
            return Request(connection, parts[0], parts[1], headers, file)
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise BadRequest("a header without a colon")
        headers[name.strip().lower()] = value.strip()
    raise BadRequest("too many headers")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
