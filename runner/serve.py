"""The sidecar: serve the log by offset while the job runs, bring its outputs when it has ended, then drain.

It never fails a pod: whatever goes wrong is told to the studio or in its log, and its exit code is 0.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from runner.journal import Journal
from runner.layout import LOGS, PORT, Layout, Notes, Spec, layout, make_folder, read_spec, read_token
from runner.watch import Watch
from runner.web import BLOCK, Request, Server

if TYPE_CHECKING:
    from runner.outputs import Output, Problem

# How long a reader has to come for the end of the log before it is pushed instead.
PULL_SECONDS = 3.0
# How long a reader that waits may go unnoticed after it has left.
GONE_SECONDS = 1.0


class Sidecar:
    """One pod's sidecar; what it has done is in its journal, so that it can be killed at any time."""

    def __init__(self, volume: Layout, spec: Spec, token: str, pod_uid: str, address: tuple[str, int]) -> None:
        self.volume, self.spec, self.token, self.pod_uid = volume, spec, token, pod_uid
        self.notes = Notes(volume.log("runner.txt"))
        self.journal = Journal(volume.run("runner.journal"))
        self.watch = Watch(volume)
        self.found: list[Output] = []
        self.problems: list[Problem] = []
        self.state = "acknowledged" if self.journal.finished else "none"
        self.finished = self.journal.finished
        self.total = {"total": 0, "done": 0, "bytes_total": 0, "bytes_done": 0}
        self.listed = threading.Event()
        self.taken = threading.Event()
        self._told_to_end: float | None = None
        self._wake = threading.Event()
        self._acked = threading.Condition()
        threading.stack_size(256 << 10)  # the default of 8 MB counts where memory may not be overcommitted
        self.server = Server(self.handle, token, address)

    # -- the run ---------------------------------------------------------------------------------

    def run(self) -> int:
        """Serve until the run has ended, everything is delivered and the pod is told to end."""
        self.watch.start()
        self.server.start()
        self.notes.say(f"Serving on port {self.server.port}.")
        if self._wait_for_end() and not self.finished:
            from runner import deliver

            try:
                deliver.deliver(self)
            except Exception as error:  # a fault of ours must not fail the pod: the studio sees that the end is missing
                self.state = "failed"
                self.notes.say(f"The runner itself failed: {error!r}.")
        while not self.told_to_end():
            self._wake.wait(60)
        self._drain()
        return 0

    def end(self, *_: object) -> None:
        """Take note of SIGTERM: from now on the time is counted."""
        if self._told_to_end is None:
            self._told_to_end = time.monotonic()
        self._wake.set()

    def told_to_end(self) -> bool:
        """Tell whether the pod is ending."""
        return self._told_to_end is not None

    def remaining(self) -> float | None:
        """Give the seconds left before the kubelet kills us; None while no end is in sight."""
        if self._told_to_end is None:
            return None
        return self._told_to_end + self.spec.drain_seconds - time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; SIGTERM does not cut it short, since what is waited for is the world."""
        time.sleep(seconds)

    def log_taken(self) -> bool:
        """Tell whether somebody has stored the log up to its end."""
        return self.journal.acknowledged.get("std_log.txt", 0) >= self.watch.sizes["std_log.txt"]

    def wait_for_log_taken(self, seconds: float) -> bool:
        """Wait until somebody has stored the log up to its end."""
        with self._acked:
            return self._acked.wait_for(self.log_taken, seconds)

    def _wait_for_end(self) -> bool:
        """Wait until the command has ended; False when it never began and never will."""
        while not self.watch.wait_until_ended(0.2):
            if not self.told_to_end():
                continue
            self.watch.look()
            if self.watch.ended:
                return True
            # Sidecars are told to end after the main container: without an entrypoint nothing will come.
            if not self.watch.started and not self.watch.alive():
                self.notes.say("The job's container never ran; nothing to deliver.")
                return False
            left = self.remaining()
            if left is not None and left <= 0:
                self.notes.say("The command did not end in time.")
                return False
        return True

    def _drain(self) -> None:
        self.watch.close()
        self.server.close()
        ends = time.monotonic() + 2
        while self.server.busy and time.monotonic() < ends:
            time.sleep(0.01)

    # -- what it answers ---------------------------------------------------------------------------

    def handle(self, request: Request) -> None:
        """Answer one request of the studio."""
        path = request.path
        if path == "/v1/status" and request.method == "GET":
            request.answer(200, self.status())
        elif path.startswith("/v1/log/"):
            self._handle_log(request, path[len("/v1/log/") :])
        elif path.startswith("/v1/outputs") and self.spec.transport == "push":
            from runner import deliver

            deliver.handle_outputs(self, request, path[len("/v1/outputs") :].lstrip("/"))

    def status(self) -> dict[str, Any]:
        """Tell where the run is, how long the logs are and how far the outputs have come."""
        self.watch.look()
        return {
            "phase": self._phase(),
            "exit": self.watch.exit,
            "logs": {
                name: {"bytes": size, "acknowledged": self.journal.acknowledged.get(name, 0)} for name, size in self.watch.sizes.items()
            },
            "outputs": {"state": self.state, **self.total},
            "problems": [problem.as_dict() for problem in self.problems],
            "pod_uid": self.pod_uid,
        }

    def _phase(self) -> str:
        if self.finished:
            return "finished"
        if self.watch.ended:
            return "ended"
        return "running" if self.watch.started else "waiting"

    def _handle_log(self, request: Request, rest: str) -> None:
        name, _, verb = rest.partition("/")
        if name not in LOGS:
            return
        if request.method == "GET" and not verb:
            self._send_log(request, name)
        elif request.method == "POST" and verb == "ack":
            size = request.number("bytes")
            if size > self.watch.sizes[name]:
                self.watch.look()
            if size > self.watch.sizes[name]:
                request.answer(409, {"error": "the log is not that long", "bytes": self.watch.sizes[name]})
                return
            with self._acked:
                known = self.journal.acknowledge(name, size)
                self._acked.notify_all()
            request.answer(200, {"bytes": known, "final": self.watch.final(name) and known == self.watch.sizes[name]})

    def _send_log(self, request: Request, name: str) -> None:
        offset, follow = request.number("offset"), request.query.get("follow") == "1"
        self.watch.look()
        if offset > self.watch.sizes[name]:
            request.answer(416, {"error": "the log is not that long", "bytes": self.watch.sizes[name]})
            return
        request.start(headers={"X-Mooring-Pod": self.pod_uid})
        handle: int | None = None
        try:
            while True:
                # Asked before the size: a log that is final now has its last size now.
                final = self.watch.final(name)
                size = self.watch.sizes[name]
                if handle is None and size > offset:
                    handle = os.open(self.volume.log(name), os.O_RDONLY | os.O_CLOEXEC)
                offset = self._send_range(request, handle, offset, size)
                if offset >= self.watch.sizes[name] and (final or not follow):
                    break
                if not self.watch.wait_for(name, offset, GONE_SECONDS) and request.gone():
                    return
            request.finish()
        finally:
            if handle is not None:
                os.close(handle)

    def _send_range(self, request: Request, handle: int | None, offset: int, size: int) -> int:
        while handle is not None and offset < size:
            # More may have come since the size was looked at; the block is read as full as it gets.
            piece = os.pread(handle, BLOCK, offset)
            if not piece:
                break
            request.send(piece)
            offset += len(piece)
        return offset


def main() -> int:
    """Run the sidecar of this pod."""
    os.umask(0o002)
    volume = layout()
    make_folder(volume.run("log"))
    address = (os.environ.get("MOORING_ADDRESS", "0.0.0.0"), int(os.environ.get("MOORING_PORT", PORT)))
    pod_uid = os.environ.get("MOORING_POD_UID") or socket.gethostname()
    sidecar = Sidecar(volume, read_spec(), read_token(), pod_uid, address)
    signal.signal(signal.SIGTERM, sidecar.end)
    signal.signal(signal.SIGINT, sidecar.end)
    if os.environ.get("MOORING_PORT_FILE"):
        with open(os.environ["MOORING_PORT_FILE"], "w", encoding="utf-8") as file:
            file.write(json.dumps(sidecar.server.port))
    return sidecar.run()
