"""One line a request on stdout; a reader that does not read never holds the server up."""

from __future__ import annotations

import os
import select

from .answers import Clock
from .parsing import Request

MOST_BYTES = 256 << 10
PIECE = 4096  # a pipe that poll calls writable takes this much without blocking (PIPE_BUF)
SHOWN_PATH = 200
PROBES = (b"/", b"/ready")


class AccessLog:
    """Gathers the lines of one turn of the loop and writes them at its end."""

    def __init__(self, clock: Clock, handle: int, on: bool) -> None:
        self._clock, self._handle, self._on = clock, handle, on
        self._lines: "list[str]" = []
        self._rest = b""
        self._left_out = 0
        self._poll = select.poll()
        self._poll.register(handle, select.POLLOUT)

    def took(self, request: Request, status: int, seconds: float, sent: int) -> None:
        """Note one answered request; what a probe is told says nothing new."""
        if not self._on or (request.path in PROBES and status in (200, 503)):
            return
        path = request.path[:SHOWN_PATH].decode("latin-1")
        client = f" client={request.client_id.decode()}" if request.client_id else ""
        self._lines.append(
            f"{self._clock.stamp()} {request.method.decode()} {path} {status} {seconds * 1000:.2f}ms "
            f"in={len(request.body)} out={sent} id={request.request_id.decode('latin-1')}{client}\n"
        )

    def say(self, text: str) -> None:
        """Add a line of the server's own."""
        self._lines.append(f"{self._clock.stamp()} {text}\n")

    def write(self) -> None:
        """Write what was gathered, as far as stdout takes it now."""
        if self._lines:
            content = self._rest + "".join(self._lines).encode("utf-8", "replace")
            if len(content) > MOST_BYTES:
                self._left_out += len(self._lines)
                content = self._rest
            self._lines.clear()
        elif self._rest:
            content = self._rest
        else:
            return
        while content and self._poll.poll(0):
            try:
                content = content[os.write(self._handle, content[:PIECE]) :]
            except BlockingIOError:
                break
            except OSError:
                content = b""
        if self._left_out and not content:
            self.say(f"{self._left_out} lines were left out: nobody read them.")
            self._left_out = 0
        self._rest = content
