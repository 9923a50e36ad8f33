"""The server itself: one loop that reads requests, hands them to the workers and sends the answers.

It never runs the person's code, so probes, limits and time-outs hold whatever that code does.
"""

from __future__ import annotations

import collections
import errno
import json
import select
import signal
import socket
import time
import urllib.parse
from typing import Any, Callable, Deque, Dict, List

from .access_log import AccessLog
from .answers import JSON, Clock, problem
from .connection import Connection
from .parsing import Request
from .processes import Slot, Worker, ended_children, shares
from .settings import Settings
from .sockets import allow_files, listen
from .swagger import plain_swagger

SPARE = 100
SWEEP_SECONDS, DRAIN_SWEEP_SECONDS = 1.0, 0.1
FRESH_SECONDS = 1.0
LAST_SECONDS = 2.0
LEAST_HELD = 256 << 20
MANY = 1000


class Front:
    """Everything between the callers and the workers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.now = time.monotonic()
        self.moment = time.monotonic
        self.clock = Clock()
        self.log = AccessLog(self.clock, 1, settings.access_log)
        self.poller = select.epoll()
        self.handlers: Dict[int, Callable[[int], None]] = {}
        self.connections: Dict[int, Connection] = {}
        self.held, self.most_held = 0, max(LEAST_HELD, 4 * settings.max_body)
        self.workers = [Worker(self, threads) for threads in shares(settings.max_concurrent, settings.workers)]
        self.ever_ready = self.draining = False
        self.again: List[Connection] = []  # with whole requests still unread, each having had its turn
        self._idle: List[Slot] = []
        self._queue: Deque[Request] = collections.deque()
        self._timeouts: Deque[Request] = collections.deque()
        self._raw = False
        self._swagger = plain_swagger()
        self._told = self._knocking = False
        self._signalled: "set[int]" = set()
        self._next_sweep = 0.0
        self._drain_ends = self._grace_ends = float("inf")
        self._listener = listen(settings)

    def run(self) -> int:
        """Serve until told to end; give the exit code; raise Ending when it makes no sense to go on."""
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda number, _: self._signalled.add(number))
        self._watch(woken, lambda _: self._woken(woken))
        self._watch(self._listener, lambda _: self._knocked())
        allow_files(self.settings.max_connections + SPARE + 64)
        try:
            for worker in self.workers:
                worker.start()
            host, port = self._listener.getsockname()[:2]
            self.log.say(f"Listening on {host} port {port}; {len(self.workers)} workers, {self.settings.max_concurrent} requests at once.")
            if self.settings.workers < self.settings.workers_wanted:
                self.log.say(f"WORKER_COUNT is {self.settings.workers_wanted}: more of them than requests at once would be idle.")
            while not self._over():
                self._turn()
        finally:
            self._answer_all()
            self._end_workers()
            self.log.write()
        return 0

    def _watch(self, sock: socket.socket, handler: Callable[[int], None]) -> None:
        self.handlers[sock.fileno()] = handler
        self.poller.register(sock.fileno(), select.EPOLLIN)

    def _turn(self) -> None:
        """Wait for something and see to everything that has come."""
        events = self.poller.poll(self._patience())
        self.now = time.monotonic()
        connections, handlers = self.connections, self.handlers
        for fd, mask in events:
            connection = connections.get(fd)
            if connection is not None:
                connection.on_event(mask)
            else:
                handler = handlers.get(fd)
                if handler is not None:  # one that an event before this one closed
                    handler(mask)
        if self.again:
            again, self.again = self.again, []
            for connection in again:
                connection.work()
        self._expire()
        if self._knocking:
            self._knocking = False
            self._accept()
        if self.now >= self._next_sweep:
            self._sweep()
        self.log.write()

    def _patience(self) -> float:
        """Give the seconds until something is due."""
        if self.again:
            return 0.0
        due = self._next_sweep
        queue, timeouts = self._queue, self._timeouts
        while queue and queue[0].answered:
            queue.popleft()
        while timeouts and timeouts[0].answered:
            timeouts.popleft()
        if queue:
            due = min(due, queue[0].at + self.settings.max_queue_wait)
        if timeouts:
            due = min(due, timeouts[0].at + self.settings.request_timeout)
        return max(due - time.monotonic(), 0.0)

    # Requests

    def handle(self, request: Request) -> None:
        """Answer a request, or have it answered later."""
        path, method = request.path, request.method
        if path == b"/score":
            if method == b"POST":
                self._score(request)
            elif method == b"GET":
                if not self._raw:
                    pairs = urllib.parse.parse_qsl(request.query.decode("latin-1"), keep_blank_values=True)
                    request.body = json.dumps(dict(pairs)).encode()
                self._score(request)
            else:
                self._other(request, b"GET, POST")
        elif path not in (b"/", b"/ready", b"/swagger.json"):
            self._refuse(request, 404, "route-unknown", "There is nothing here. Requests go to /score.")
        elif method not in (b"GET", b"HEAD"):
            self._other(request, b"GET, HEAD")
        elif path == b"/swagger.json":
            answer(request, 200, JSON, self._swagger)
        elif path == b"/":
            said = b'"Ending"' if self.draining else b'"Healthy"' if self.ever_ready else b'"Starting"'
            answer(request, 200, JSON, said)
        elif self.is_ready():
            answer(request, 200, JSON, b'"Ready"')
        else:
            id, text = ("ending", "The server is ending.") if self.draining else ("not-ready", "init() is not done yet.")
            self._refuse(request, 503, id, text)

    def is_ready(self) -> bool:
        """Tell whether new requests are wanted."""
        return self.ever_ready and not self.draining and any(worker.ready and worker.slots for worker in self.workers)

    def _score(self, request: Request) -> None:
        if not self.ever_ready:
            self._refuse(request, 503, "not-ready", "init() is not done yet.")
        elif self._idle:
            self._timeouts.append(request)
            self._start(self._idle.pop(), request)
        elif len(self._queue) >= self.settings.max_queue:
            self._refuse(request, 503, "queue-full", f"{len(self._queue)} requests are waiting already.")
        else:
            self._timeouts.append(request)
            self._queue.append(request)

    def _start(self, slot: Slot, request: Request) -> None:
        slot.start(request, request.request_id + b"\n" + request.head if self._raw else request.request_id)

    def finished(self, slot: Slot, status: int, head: bytes, body: bytes) -> None:
        """A worker has answered: it gets the next request first, then the answer goes out."""
        request, slot.request = slot.request, None
        self.free(slot)
        if request is not None and not request.answered:
            answer(request, status, head, body)

    def free(self, slot: Slot) -> None:
        """A slot takes the request that has waited longest, or waits itself."""
        queue = self._queue
        while queue:
            request = queue.popleft()
            if not request.answered:
                self._start(slot, request)
                return
        self._idle.append(slot)

    def lost(self, slots: List[Slot]) -> None:
        """The process of these slots is gone: answer what they had."""
        gone = set(slots)
        self._idle = [slot for slot in self._idle if slot not in gone]
        for slot in slots:
            request, slot.request = slot.request, None
            if request is not None and not request.answered:
                self._refuse(request, 500, "worker-died", "The process that ran this request died of it or beside it.")

    def forget(self, request: Request) -> bool:
        """Tell whether a request whose caller is gone has not been begun, and need not be."""
        return request in self._queue

    def learn(self, told: Dict[str, Any]) -> None:
        """Take what the first worker found in the script."""
        self.ever_ready = True
        self._raw = bool(told.get("raw"))
        if told.get("swagger"):
            self._swagger = told["swagger"].encode()
        if not self._told:
            self._told = True
            self.log.say(f"Ready for requests: init() took {told.get('seconds', 0):.2f} s.")

    def _refuse(self, request: Request, status: int, id: str, text: str, more: bytes = b"") -> None:
        if status == 503:
            more += b"retry-after: 1\r\n"
        answer(request, status, JSON + more, problem(id, text, request.request_id))

    def _other(self, request: Request, allowed: bytes) -> None:
        if request.method == b"OPTIONS" and self.settings.cors:
            head = b"access-control-allow-methods: %s\r\naccess-control-allow-headers: *, authorization\r\n" % allowed
            answer(request, 204, head + b"access-control-max-age: 600\r\n", b"")
        else:
            name = request.method.decode()
            self._refuse(request, 405, "method-not-allowed", f"{name} is not possible here.", b"allow: %s\r\n" % allowed)

    def cors_for(self, request: Request) -> bytes:
        """Give the headers that let a page of another origin read the answer."""
        origin = request.origin.decode("latin-1")
        if "*" in self.settings.cors:
            return b"\r\naccess-control-allow-origin: *"
        if origin in self.settings.cors:
            return b"\r\naccess-control-allow-origin: " + request.origin + b"\r\nvary: origin"
        return b"\r\nvary: origin"

    # Time

    def _expire(self) -> None:
        """Answer those who have waited too long."""
        now, queue, timeouts = self.now, self._queue, self._timeouts
        settings = self.settings
        while queue and (queue[0].answered or queue[0].at + settings.max_queue_wait <= now):
            request = queue.popleft()
            if not request.answered:
                self._refuse(request, 503, "queue-wait-too-long", "The request waited too long for its turn.")
        while timeouts and (timeouts[0].answered or timeouts[0].at + settings.request_timeout <= now):
            request = timeouts.popleft()
            if not request.answered:
                self._refuse(request, 504, "run-too-slow", f"There was no answer in {settings.request_timeout:g} s.")

    def _sweep(self) -> None:
        """See to what is not urgent: slow callers, dead or stuck workers, the drain."""
        now = self.now
        self._next_sweep = now + (DRAIN_SWEEP_SECONDS if self.draining else SWEEP_SECONDS)
        for connection in [one for one in self.connections.values() if one.deadline <= now]:
            connection.expire()
        if len(self._timeouts) > MANY:
            self._timeouts = collections.deque(request for request in self._timeouts if not request.answered)
        self._reap()
        for worker in self.workers:
            if not worker.pid and worker.start_at <= now and now < self._drain_ends:
                worker.start()
            elif any(slot.request is not None and slot.started + self.settings.run_limit <= now for slot in worker.slots):
                worker.kill(f"had a request for more than {self.settings.run_limit:g} s and was ended")
            elif not worker.pid:
                self._next_sweep = min(self._next_sweep, worker.start_at)
        if now >= self._drain_ends:
            self._close_idle()

    def _reap(self) -> None:
        for pid, status in ended_children().items():
            for worker in self.workers:
                if worker.pid == pid:
                    worker.ended(status)

    def _woken(self, woken: socket.socket) -> None:
        try:
            woken.recv(4096)
        except BlockingIOError:
            pass
        signals, self._signalled = self._signalled, set()
        if signals & {signal.SIGTERM, signal.SIGINT}:
            if not self.draining:
                self._drain()
            elif signal.SIGINT in signals:
                self._grace_ends = self.now
        if signal.SIGCHLD in signals:
            self._next_sweep = self.now

    # The end

    def _drain(self) -> None:
        self.draining = True
        self._drain_ends = self.now + self.settings.drain
        self._grace_ends = self.now + self.settings.grace
        self._next_sweep = self.now
        self.log.say(f"Told to end: new requests are taken for {self.settings.drain:g} s, running ones have {self.settings.grace:g} s.")

    def _close_idle(self) -> None:
        """Take no more connections, and end those on which nothing is on its way."""
        if self._listener.fileno() >= 0:
            self._accept()  # who is connected already is answered
            self.poller.unregister(self._listener.fileno())
            self.handlers.pop(self._listener.fileno(), None)
            self._listener.close()
        for connection in list(self.connections.values()):
            if connection.idle and self.now - connection.active_at > FRESH_SECONDS:
                connection.close()

    def _over(self) -> bool:
        if not self.draining or self.now < self._drain_ends:
            return False
        if self.now < self._grace_ends:
            return not self.connections and self._listener.fileno() < 0
        return True

    def _answer_all(self) -> None:
        """Answer whatever is still waiting for an answer at the very end."""
        self.draining = True
        for slot in [slot for worker in self.workers for slot in worker.slots]:
            if slot.request is not None and not slot.request.answered:
                self._refuse(slot.request, 503, "ending", "The server ended before the request did.")
        for request in self._queue:
            if not request.answered:
                self._refuse(request, 503, "ending", "The server ended before the request did.")

    def _end_workers(self) -> None:
        """Let the workers end by themselves for a moment, then end them."""
        for worker in self.workers:
            for slot in worker.slots:
                slot.close()
            if not worker.ready:
                worker.kill("")  # it has nothing to finish
        patient_until = time.monotonic() + (LAST_SECONDS if self._drain_ends <= self.now < self._grace_ends else 0.1)
        alive = {worker.pid: worker for worker in self.workers if worker.pid}
        killed = False
        while alive:
            for pid in ended_children():
                alive.pop(pid, None)
            if alive and time.monotonic() > patient_until:
                if killed:
                    break
                killed, patient_until = True, time.monotonic() + LAST_SECONDS
                for worker in alive.values():
                    worker.kill("")
            time.sleep(0.01)

    def _knocked(self) -> None:
        # Later: a new connection must not get the number of one that this turn closed and still has an event of.
        self._knocking = True

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                    time.sleep(0.01)
                elif error.errno == errno.ECONNABORTED:
                    continue
                return
            if len(self.connections) >= self.settings.max_connections + SPARE:
                sock.close()
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, sock)
            self.connections[connection.fd] = connection
            if len(self.connections) > self.settings.max_connections:
                connection.turn_away()


def answer(request: Request, status: int, head: bytes, body: bytes) -> None:
    """Send an answer on the connection that the request came on."""
    connection = request.connection
    if isinstance(connection, Connection):
        connection.respond(status, head, body)
