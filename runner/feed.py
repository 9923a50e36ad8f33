"""Take code and inputs from a studio that this pod cannot call (transport `push`)."""

from __future__ import annotations

import os
import threading
import time

from runner import trees
from runner.errors import RunnerError
from runner.layout import PORT, Layout, Notes, Spec
from runner.prepare import Progress, wanted_trees
from runner.web import Request, Server

PREFIX = "/v1/feed/"


class Feed:
    """What has been fed and what is still wanted."""

    def __init__(self, volume: Layout, spec: Spec, notes: Notes) -> None:
        self._notes = notes
        self._wanted: dict[str, tuple[str, str, str]] = {}
        for what, digest, folder in wanted_trees(volume, spec):
            address = "code.tar" if what == "code" else f"inputs/{what[len('input ') :]}.tar"
            self._wanted[address] = (what, digest, folder)
        self._here: dict[str, str] = {}
        self._turn = threading.Lock()
        self.done = threading.Event()
        self.touched = time.monotonic()

    def handle(self, request: Request) -> None:
        """Answer one request of the studio."""
        self.touched = time.monotonic()
        if request.method == "GET" and request.path == "/v1/status":
            request.answer(200, {"phase": "waiting", "fed": sorted(self._here), "wanted": self._missing()})
        elif request.method == "PUT" and request.path.startswith(PREFIX):
            self._take(request, request.path[len(PREFIX) :])
        elif request.method == "POST" and request.path == PREFIX + "done":
            missing = self._missing()
            request.answer(409 if missing else 200, {"missing": missing})
            if not missing:
                self.done.set()

    def _missing(self) -> list[str]:
        return sorted(set(self._wanted) - set(self._here))

    def _take(self, request: Request, address: str) -> None:
        if address not in self._wanted:
            request.answer(404, {"error": f"this job has no {address}"})
            return
        what, digest, folder = self._wanted[address]
        with self._turn:
            try:
                self._notes.say(f"Being fed {what}.")
                trees.unpack(request.body, folder, digest, progress=self._progress(what))
                while request.body.read(1 << 16):
                    pass
            except RunnerError as error:
                self._notes.say(error.text)
                request.answer(422, {"id": error.id, "text": error.text})
                return
            self._here[address] = digest
        self._notes.say(f"{what[0].upper()}{what[1:]} is here.")
        request.answer(200, {"digest": digest})

    def _progress(self, what: str) -> Fed:
        return Fed(self, Progress(what, self._notes))


class Fed:
    """Progress that also says that the feeding goes on."""

    def __init__(self, feed: Feed, progress: Progress) -> None:
        self._feed, self._progress = feed, progress

    def __call__(self, files: int, size: int) -> None:
        """Take the number of files and bytes that have arrived."""
        self._feed.touched = time.monotonic()
        self._progress(files, size)


def be_fed(volume: Layout, spec: Spec, token: str, notes: Notes, patience: float) -> None:
    """Serve the feed until the studio says that it is done; raise RunnerError when it stays away."""
    feed = Feed(volume, spec, notes)
    server = Server(feed.handle, token, ("0.0.0.0", int(os.environ.get("MOORING_PORT", PORT))))
    server.start()
    notes.say(f"Waiting to be fed by the studio on port {server.port}.")
    try:
        while not feed.done.wait(0.2):
            if time.monotonic() - feed.touched > patience:
                raise RunnerError("job-inputs-unavailable", f"The studio did not bring the job's files in {patience:.0f} s.")
        ends = time.monotonic() + 2
        while server.busy and time.monotonic() < ends:
            time.sleep(0.01)
    finally:
        server.close()
