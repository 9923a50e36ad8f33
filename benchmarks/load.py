"""Requests at a constant rate, each sent when it is due whatever became of those before it.

A generator that waits for answers sends less when the server is slow, and then measures the server at its leisure
(“coordinated omission”). Here a request's time counts from when it was due, so what waits for a free connection, or for
this process, is in the figures. One thread, plain sockets: about 50 µs of a core a request.
"""

from __future__ import annotations

import collections
import gc
import select
import socket
import ssl
import time
from dataclasses import dataclass, field
from http.client import responses

MOST_CONNECTIONS, CONNECT_SECONDS, ANSWER_SECONDS = 256, 5.0, 15.0
SWEEP_SECONDS = 0.5


@dataclass(frozen=True)
class Place:
    """Where requests go: what to connect to, the name it is called by, and whom to trust (no TLS without)."""

    address: str
    port: int
    name: str = ""
    trust: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Failure:
    """A request without a 2xx; times are seconds of time.time()."""

    due: float
    sent: float
    ended: float
    status: int
    text: str

    @property
    def told(self) -> dict[str, object]:
        """Return it as it is reported."""
        return {"due": round(self.due, 3), "seconds": round(self.ended - self.due, 3), "status": self.status, "text": self.text}


@dataclass
class Answers:
    """What became of the requests of one run."""

    seconds: list[float] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    sent: int = 0
    # How much of the run this process itself computed (1: it was the limit).
    busy: float = 0.0
    connections: int = 0


class Connection:
    """One kept connection with at most one request on it."""

    def __init__(self, place: Place) -> None:
        sock = socket.create_connection((place.address, place.port), timeout=CONNECT_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock: socket.socket = sock
        if place.trust is not None:
            try:
                self.sock = place.trust.wrap_socket(sock, server_hostname=place.name)
            except OSError:
                sock.close()
                raise
        self.sock.setblocking(False)
        self.fd = self.sock.fileno()
        self.due: float | None = None
        self.sent = 0.0
        self.content = b""
        self.used = 0

    def take(self) -> bool | None:
        """Read what has come: None when more is to come, else whether the connection can be used again."""
        while True:
            try:
                piece = self.sock.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                break
            except OSError:
                return False
            if not piece:
                return False
            self.content += piece
            if is_whole(self.content):
                return not closes(self.content)
        return None


class Load:
    """A caller that sends one request again and again at a constant rate; `request` may be changed while it runs."""

    def __init__(self, place: Place, request: bytes, *, connections: int = 16, uses: int = 0) -> None:
        self.place = place
        self.request = request
        self.uses = uses
        self.answers = Answers()
        self._stopped = False
        self._poller = select.epoll()
        self._all: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._waiting: collections.deque[float] = collections.deque()
        for _ in range(connections):
            self._idle.append(self._connect())

    def stop(self) -> None:
        """Have no more requests sent."""
        self._stopped = True

    def close(self) -> None:
        """Close all connections."""
        for connection in self._all.values():
            connection.sock.close()
        self._poller.close()

    def run(self, rate: float, seconds: float, *, give_up: float = float("inf")) -> Answers:
        """Send for so long and wait for the answers; it gives up when so many seconds of requests are outstanding."""
        self.answers = answers = Answers()
        gc.collect()
        gc.disable()
        began, worked = time.perf_counter(), time.process_time()
        try:
            self._run(began + 0.01, rate, int(rate * seconds), rate * give_up)
        finally:
            gc.enable()
        answers.busy = round((time.process_time() - worked) / (time.perf_counter() - began), 2)
        return answers

    def _run(self, start: float, rate: float, count: int, most: float) -> None:
        clock, number, sweep = time.perf_counter, 0, 0.0
        poller, handle = self._poller, [self._poller.fileno()]
        while True:
            now = clock()
            while number < count and not self._stopped and start + number / rate <= now:
                self._begin(start + number / rate)
                number += 1
            over = number >= count or self._stopped
            outstanding = len(self._all) - len(self._idle) + len(self._waiting)
            if outstanding > most:
                over, self._stopped = True, True
            if over and not outstanding:
                break
            # epoll's own patience is in whole milliseconds.
            patience = 0.05 if over else start + number / rate - clock()
            if patience > 0:
                select.select(handle, [], [], min(patience, 0.05))
            for fd, _ in poller.poll(0):
                connection = self._all.get(fd)
                if connection is not None:
                    self._came(connection)
            if now > sweep:
                sweep = now + SWEEP_SECONDS
                self._give_up(now)
        self._stopped = False

    def _begin(self, due: float) -> None:
        self.answers.sent += 1
        if self._idle:
            self._send(self._idle.pop(), due)
        elif len(self._all) < MOST_CONNECTIONS:
            try:
                connection = self._connect()
            except OSError as error:
                self._failed(due, due, 0, f"connecting: {error}")
                return
            self._send(connection, due)
        else:
            self._waiting.append(due)

    def _send(self, connection: Connection, due: float) -> None:
        connection.due, connection.content, connection.sent = due, b"", time.perf_counter()
        connection.used += 1
        try:
            connection.sock.sendall(self.request)
        except OSError as error:
            connection.due = None
            self._failed(due, connection.sent, 0, f"sending: {error}")
            self._drop(connection)

    def _came(self, connection: Connection) -> None:
        usable = connection.take()
        if usable is None:
            return
        due, connection.due = connection.due, None
        if due is None:
            # It was idle: the other side has closed it.
            self._idle.remove(connection)
            self._drop(connection)
            return
        status = status_of(connection.content)
        if 200 <= status < 300:
            self.answers.seconds.append(time.perf_counter() - due)
        else:
            text = connection.content.decode("latin-1") if status else "closed without an answer"
            self._failed(due, connection.sent, status, text.partition("\r\n\r\n")[2] or text)
        if not usable or (self.uses and connection.used >= self.uses):
            self._drop(connection)
        elif self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)

    def _give_up(self, now: float) -> None:
        for connection in [one for one in self._all.values() if one.due is not None and now - one.due > ANSWER_SECONDS]:
            assert connection.due is not None
            self._failed(connection.due, connection.sent, 0, f"no answer within {ANSWER_SECONDS:g} s")
            self._drop(connection)
        while self._waiting and now - self._waiting[0] > ANSWER_SECONDS:
            due = self._waiting.popleft()
            self._failed(due, now, 0, "it was never sent")

    def _failed(self, due: float, sent: float, status: int, text: str) -> None:
        now, shift = time.perf_counter(), time.time() - time.perf_counter()
        self.answers.failures.append(Failure(due + shift, sent + shift, now + shift, status, text.strip()[:200]))

    def _connect(self) -> Connection:
        connection = Connection(self.place)
        self._all[connection.fd] = connection
        self._poller.register(connection.fd, select.EPOLLIN)
        self.answers.connections += 1
        return connection

    def _drop(self, connection: Connection) -> None:
        del self._all[connection.fd]
        self._poller.unregister(connection.fd)
        connection.sock.close()


def request_of(place: Place, path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """Return the bytes of a POST."""
    host = f"{place.name or place.address}:{place.port}"
    given = {"Host": host, "Content-Type": "application/json", **(headers or {}), "Content-Length": str(len(body))}
    return "".join([f"POST {path} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in given.items()), "\r\n"]).encode() + body


def is_whole(content: bytes) -> bool:
    """Tell whether an answer is there to its last byte."""
    head, found, body = content.partition(b"\r\n\r\n")
    if not found:
        return False
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    if at >= 0:
        return len(body) >= int(lower[at + 17 :].partition(b"\r\n")[0])
    if b"\r\ntransfer-encoding: chunked" in lower:
        return body.endswith(b"0\r\n\r\n")
    return status_of(content) in (204, 304)


def closes(content: bytes) -> bool:
    """Tell whether the other side will close the connection after this answer."""
    return b"\r\nconnection: close" in content.partition(b"\r\n\r\n")[0].lower()


def status_of(content: bytes) -> int:
    """Return the status of an answer, 0 of none."""
    status = content[9:12]
    return int(status) if content.startswith(b"HTTP/1.") and status.isdigit() and int(status) in responses else 0
