"""The processes that have the script loaded, and the slots in which they run one request each."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Dict, List, Optional

from .ending import Ending
from .parsing import Request

if TYPE_CHECKING:
    from .front import Front

TO_WORKER = struct.Struct("!II")  # bytes of the request's description, bytes of its body
FROM_WORKER = struct.Struct("!HII")  # status, bytes of the answer's headers, bytes of its body
HELLO, FAILED = 0, 1  # instead of a status: ready for requests; the script cannot be used
PIECE = 64 << 10
JOINED = 8 << 10  # a body up to this size is copied behind its description: cheaper than a second piece
MOST_FAILURES = 5
LONGEST_PAUSE = 10.0
STEADY_SECONDS = 60.0


class Slot:
    """One thread of a worker, seen from the server: it has one request or none."""

    __slots__ = ("_fd", "_head", "_in", "_out", "_sizes", "_sock", "ready", "request", "started", "worker")

    def __init__(self, worker: "Worker", sock: socket.socket) -> None:
        sock.setblocking(False)
        self.worker, self._sock, self._fd = worker, sock, sock.fileno()
        self.request: Optional[Request] = None
        self.ready = False
        self.started = 0.0
        self._in = bytearray()
        self._sizes = -1
        self._head = 0
        self._out = memoryview(b"")
        worker.front.poller.register(self._fd, select.EPOLLIN)
        worker.front.handlers[self._fd] = self.on_event

    def start(self, request: Request, meta: bytes) -> None:
        """Give the worker a request."""
        self.request = request
        self.started = self.worker.front.now
        body = request.body
        content = TO_WORKER.pack(len(meta), len(body)) + meta
        if len(body) <= JOINED:
            content += body
            body = b""
        try:
            sent = self._sock.sendmsg((content, body)) if body else self._sock.send(content)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the worker is gone: the end of its socket says so next
        if sent < len(content) + len(body):
            done = len(content)
            self._out = memoryview(content + body)[sent:] if sent < done else memoryview(body)[sent - done :]
            self.worker.front.poller.modify(self._fd, select.EPOLLIN | select.EPOLLOUT)

    def on_event(self, mask: int) -> None:
        """Send the rest of a request, or take an answer."""
        if mask & select.EPOLLOUT and self._out:
            try:
                self._out = self._out[self._sock.send(self._out[:PIECE]) :]
            except BlockingIOError:
                pass
            except OSError:
                self._out = memoryview(b"")
            if not self._out:
                self._out = memoryview(b"")
                self.worker.front.poller.modify(self._fd, select.EPOLLIN)
        if mask & ~select.EPOLLOUT:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.worker.lost()
            return
        # Nearly always all of an answer is in one piece.
        if not self._in and len(data) >= FROM_WORKER.size:
            status, head, size = FROM_WORKER.unpack_from(data)
            middle = FROM_WORKER.size + head
            if len(data) == middle + size:
                self._took(status, data[FROM_WORKER.size : middle], data[middle:])
                return
        self._in += data
        if len(self._in) < FROM_WORKER.size:
            return
        status, head, size = FROM_WORKER.unpack_from(self._in)
        middle = FROM_WORKER.size + head
        if len(self._in) >= middle + size:
            whole, self._in = bytes(self._in), bytearray()
            self._took(status, whole[FROM_WORKER.size : middle], whole[middle:])

    def _took(self, status: int, head: bytes, body: bytes) -> None:
        if status > FAILED:
            self.worker.front.finished(self, status, head, body)
        elif status == HELLO:
            self.ready = True
            self.worker.is_ready(self, body)
        else:
            told = json.loads(body)
            self.worker.why = Ending(told["id"], told["text"])

    def close(self) -> None:
        """Close the socket: the worker's thread ends by it."""
        if self._fd >= 0:
            self.worker.front.poller.unregister(self._fd)
            self.worker.front.handlers.pop(self._fd, None)
            self._sock.close()
            self._fd = -1


class Worker:
    """One process, started again when it dies."""

    def __init__(self, front: "Front", threads: int) -> None:
        self.front, self._threads = front, threads
        self.slots: List[Slot] = []
        self.why: Optional[Ending] = None
        self.pid = 0
        self.ready = False
        self.start_at = 0.0
        self._ready_at = 0.0
        self._deaths = self._failures = 0
        self._status: Optional[int] = None
        self._killed = ""

    def start(self) -> None:
        """Start the process with one socket a thread."""
        pairs = [socket.socketpair() for _ in range(self._threads)]
        theirs = [pair[1].fileno() for pair in pairs]
        command = [sys.executable, os.path.abspath(sys.argv[0]), "worker", *map(str, theirs)]
        environment = dict(os.environ, PYTHONUNBUFFERED="1")
        self.why, self._status, self.ready, self.start_at, self._killed = None, None, False, 0.0, ""
        process = subprocess.Popen(command, env=environment, pass_fds=theirs, stdin=subprocess.DEVNULL, start_new_session=True)
        process.returncode = 0  # whoever waits for all children takes this one's end too
        self.pid = process.pid
        for _, their in pairs:
            their.close()
        self.slots = [Slot(self, ours) for ours, _ in pairs]

    def is_ready(self, slot: Slot, told: bytes) -> None:
        """A thread of the process waits for its first request."""
        if told:
            self.front.learn(json.loads(told))
        if not self.ready:
            self.ready, self._ready_at, self._failures = True, self.front.now, 0
        self.front.free(slot)

    def lost(self) -> None:
        """The process is gone, or has closed its sockets: what it had is answered, and it is ended for good."""
        slots, self.slots = self.slots, []
        for slot in slots:
            slot.close()
        self.kill("")
        self.front.lost(slots)

    def kill(self, reason: str) -> None:
        """End the process at once."""
        if self.pid:
            self._killed = self._killed or reason
            try:
                os.kill(self.pid, signal.SIGKILL)
            except OSError:
                pass

    def ended(self, status: int) -> None:
        """Take the process's end: plan the next start, or raise Ending when there is no sense in it."""
        now = self.front.now
        self.pid = 0
        if self.slots:
            # Its own words may still lie in the socket.
            for slot in list(self.slots):
                slot.on_event(select.EPOLLIN)
            if self.slots:
                self.lost()
        how = self._killed or how_it_ended(status)
        if self.ready:
            self._deaths = 0 if now - self._ready_at > STEADY_SECONDS else self._deaths
            self._deaths += 1
            pause = min(0.1 * 2 ** (self._deaths - 1), LONGEST_PAUSE)
        else:
            self._failures += 1
            if not self.front.ever_ready or self._failures >= MOST_FAILURES:
                raise self.why or Ending("scoring-worker-died", f"The process that loads the scoring script {how}.")
            pause = min(0.5 * 2**self._failures, LONGEST_PAUSE)
        self.ready = False
        self.start_at = now + pause
        self.front.log.say(f"A worker {how}. It is started again in {pause:.1f} s.")


def how_it_ended(status: int) -> str:
    """Put a process's end into words."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = str(number)
        more = ", as the kernel does when memory is short" if number == signal.SIGKILL else ""
        return f"was ended by {name}{more}"
    return f"ended with code {os.WEXITSTATUS(status)}"


def shares(threads: int, workers: int) -> List[int]:
    """Divide threads among workers, as evenly as it goes."""
    each, more = divmod(threads, workers)
    return [each + (1 if number < more else 0) for number in range(workers)]


def ended_children() -> Dict[int, int]:
    """Give pid → status of every child that has ended; the first process of a container has others' children too."""
    ended: Dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if not pid:
            return ended
        ended[pid] = status
