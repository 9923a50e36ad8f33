"""One caller's connection: one request at a time, answers in order, and an end that loses no answer."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING, Optional

from .answers import CONTINUE, JSON, new_request_id, problem, status_line
from .parsing import Reader, Refusal, Request

if TYPE_CHECKING:
    from .front import Front

READ, WRITE = select.EPOLLIN | select.EPOLLRDHUP, select.EPOLLOUT
GONE = select.EPOLLHUP | select.EPOLLERR
PIECE = 64 << 10
JOINED = 8 << 10  # a body up to this size is copied behind its headers: cheaper than a second call
AHEAD = 64 << 10  # of the requests after the present one at most this much is read
AT_ONCE = 32  # requests that one connection has answered before others have their turn
WRITE_SECONDS = 30.0
LINGER_SECONDS = 2.0
BYTES_A_SECOND = 64 << 10


class Connection:
    """A socket of a caller, what came on it and what still has to go out."""

    __slots__ = (
        "_current",
        "_front",
        "_got",
        "_held",
        "_lingering",
        "_mask",
        "_out",
        "_reader",
        "_shut",
        "_sock",
        "_working",
        "active_at",
        "began",
        "deadline",
        "fd",
        "last",
    )

    def __init__(self, front: "Front", sock: socket.socket) -> None:
        settings = front.settings
        self._front, self._sock = front, sock
        self.fd = sock.fileno()
        self._reader = Reader(settings.max_head, settings.max_body)
        self._current: Optional[Request] = None
        self._out = memoryview(b"")
        self._mask = READ
        self._working = self._lingering = self._shut = False
        self.last = False  # the answer that goes out is the last one
        self.active_at = front.now
        self.began = 0.0  # when the first byte of an unfinished request came
        self._got = self._held = 0
        self.deadline = front.now + settings.keep_alive
        front.poller.register(self.fd, READ)

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way here."""
        return self._current is None and not self._out and not self._lingering and not self.began

    def on_event(self, mask: int) -> None:
        """Read or write what the kernel says can be read or written."""
        if mask & GONE:
            self.close()
            return
        if mask & WRITE:
            self._flush()
        if mask & READ and self.fd >= 0:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        front = self._front
        if not data:
            self._at_end()
            return
        self.active_at = front.now
        if self._lingering:
            return  # read and thrown away, so that the last answer is not lost by a reset
        reader = self._reader
        reader.feed(data)
        if self._current is None and not self._out:
            self.work(len(data))
        elif reader.waiting >= AHEAD:
            self._watch(self._mask & ~select.EPOLLIN)

    def _at_end(self) -> None:
        """The caller sends no more: who still waits for an answer gets it, the rest ends."""
        self._shut = True
        request = self._current
        if request is None:
            wanted = bool(self._out) or self in self._front.again
        else:
            wanted = not self._front.forget(request)
        if self._lingering or not wanted:
            self.close()
        else:
            self._watch(self._mask & ~READ)

    def _unfinished(self, got: int) -> None:
        """A part of a request is here: bound its time and the memory of all such parts together."""
        front = self._front
        if not self.began:
            self.began, self._got = front.now, 0
        self._got += got
        self.deadline = self.began + front.settings.read_seconds + self._got / BYTES_A_SECOND
        begun = self._reader.begun
        if begun is None:
            return
        if begun.expects:
            begun.expects = False
            self._send(CONTINUE)
        self._held += got
        front.held += got
        if front.held > front.most_held:
            self.refuse(Refusal(503, "too-much-at-once", "The requests that are arriving are too large together. Try again."))

    def work(self, got: int = 0) -> None:
        """Take up whole requests as long as each is answered at once; `got` bytes have come since the last time."""
        if self._working:
            return
        self._working = True
        front, reader = self._front, self._reader
        left = AT_ONCE
        try:
            while self._current is None and not self._out and not self._lingering and self.fd >= 0:
                left -= 1
                if left < 0:
                    front.again.append(self)  # others have their turn first
                    break
                request = reader.next()
                if request is None:
                    if self._shut:
                        self.close()
                    elif reader.waiting or reader.begun is not None:
                        self._unfinished(got or reader.waiting)
                    break
                request.at = front.now
                request.connection = self
                if not request.request_id:
                    request.request_id = new_request_id()
                self._current = request
                self._release()
                front.handle(request)
        except Refusal as refusal:
            self.refuse(refusal)
        finally:
            self._working = False

    def _release(self) -> None:
        self.began = 0.0
        if self._held:
            self._front.held -= self._held
            self._held = 0

    def refuse(self, refusal: Refusal) -> None:
        """Answer what cannot be taken as a request, and end."""
        request = self._reader.begun or Request()
        request.at = self.began or self._front.now
        request.connection = self
        request.request_id = request.request_id or new_request_id()
        request.keep_alive = False
        request.method = request.method or b"-"
        self._current = request
        self._release()
        self.respond(refusal.status, JSON, problem(refusal.id, refusal.text, request.request_id))

    def respond(self, status: int, head: bytes, body: bytes) -> None:
        """Send the answer to the present request."""
        request = self._current
        if request is None:
            return
        front = self._front
        request.answered = True
        self._current = None
        self.last = self.last or not request.keep_alive or front.draining or (self._shut and not self._reader.waiting)
        parts = [status_line(status), head, front.clock.date(), b"x-request-id: ", request.request_id]
        if request.client_id:
            parts += (b"\r\nx-ms-client-request-id: ", request.client_id)
        if request.origin and front.settings.cors:
            parts.append(front.cors_for(request))
        if self.last:
            parts.append(b"\r\nconnection: close")
        elif not request.minor:
            parts.append(b"\r\nconnection: keep-alive")
        parts.append(b"\r\n\r\n" if status == 204 or status == 304 else b"\r\ncontent-length: %d\r\n\r\n" % len(body))
        front.log.took(request, status, front.moment() - request.at, len(body))
        request.body = request.head = b""  # a list of what is due later may still hold the request
        if request.method == b"HEAD" or status == 204 or status == 304:
            body = b""
        if len(body) <= JOINED:
            parts.append(body)
            self._send(b"".join(parts))
        else:
            self._send(b"".join(parts), body)
        if self.fd >= 0 and not self._out:
            self._answered()

    def _answered(self) -> None:
        """The answer is out: the next request, or the end."""
        if self.last:
            self._linger()
            return
        self.deadline = self._front.now + self._front.settings.keep_alive
        if self._mask != READ and not self._shut:
            self._watch(READ)
        if self._reader.waiting:
            self.work()

    def _send(self, content: bytes, body: bytes = b"") -> None:
        try:
            sent = self._sock.sendmsg((content, body)) if body else self._sock.send(content)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent < len(content) + len(body):
            whole = content + body if sent < len(content) else body
            self._out = memoryview(whole)[sent if sent < len(content) else sent - len(content) :]
            self.deadline = self._front.now + WRITE_SECONDS
            self._watch(self._mask | WRITE)

    def _flush(self) -> None:
        try:
            sent = self._sock.send(self._out)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._out = self._out[sent:]
        self.deadline = self._front.now + WRITE_SECONDS
        if not self._out:
            self._out = memoryview(b"")
            self._watch(self._mask & ~WRITE)
            if self._current is None:
                self._answered()

    def _linger(self) -> None:
        """Say that no more comes and wait for the caller's end: closing at once could reset what is still on its way."""
        if self._shut:
            self.close()
            return
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._lingering = True
        self.deadline = self._front.now + LINGER_SECONDS
        self._watch(READ)

    def expire(self) -> None:
        """End what took too long."""
        if self._current is not None and not self._out:
            self.deadline = self._front.now + WRITE_SECONDS  # the request has limits of its own
        elif self.began and not self._out and not self._lingering:
            self.refuse(Refusal(408, "request-too-slow", "The request did not arrive in time."))
        else:
            self.close()

    def turn_away(self) -> None:
        """Answer a connection that is one too many."""
        self.refuse(Refusal(503, "too-many-connections", "There are too many connections."))

    def close(self) -> None:
        """Close the socket and forget what was on its way."""
        if self.fd < 0:
            return
        front = self._front
        front.poller.unregister(self.fd)
        front.connections.pop(self.fd, None)
        self._sock.close()
        self.fd = -1
        self._release()
        request, self._current = self._current, None
        if request is not None and not request.answered:
            request.answered = True
            front.log.took(request, 499, front.moment() - request.at, 0)

    def _watch(self, mask: int) -> None:
        if mask != self._mask and self.fd >= 0:
            self._mask = mask
            self._front.poller.modify(self.fd, mask)
