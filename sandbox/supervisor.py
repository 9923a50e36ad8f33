"""The parent of a cluster's components: starts them in order, restarts what dies, stops them in reverse.

For a full node it is process 1 of the node's own process, mount and network namespaces, so that the kernel removes
every container, mount and interface when it ends, however it ends. Run as ``python -m sandbox.supervisor FOLDER``.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.places import ClusterPlace, read_json, write_json

# The API server would wait a minute for its watchers; what it knows is in the database, which gets its time.
STOP_SECONDS = 5.0
DATABASE_STOP_SECONDS = 30.0
LONGEST_PAUSE = 30.0
LOG_LIMIT = 64 * 1024 * 1024
PR_SET_PDEATHSIG = 1
WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


@dataclass
class Child:
    """One component and what became of its processes."""

    name: str
    argv: list[str]
    env: dict[str, str]
    pid: int = 0
    began: float = 0.0
    starts: int = 0
    pause: float = 0.5
    due: float = 0.0
    exits: list[int] = field(default_factory=list)


def main(folder: str) -> int:
    place = ClusterPlace(Path(folder).name, Path(folder))
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    plan = read_json(place.plan)
    is_node = bool(plan.get("node"))
    if is_node:
        _prepare_node(plan)
        _wait_for_network(place)
    children = [Child(c["name"], c["argv"], c["env"]) for c in plan["components"]]
    Supervisor(place, children).run()
    return 0


class Supervisor:
    """Keep the children alive until told to stop."""

    def __init__(self, place: ClusterPlace, children: list[Child]) -> None:
        self.place = place
        self.children = children
        self.stopping = False
        self.log = (place.folder("log") / "supervisor.log").open("a", buffering=1)

    def run(self) -> None:
        """Start everything, then serve signals until SIGTERM or SIGINT."""
        while True:
            self._start_due()
            caught = signal.sigtimedwait(WATCHED, self._patience())
            self._reap()
            if caught and caught.si_signo in (signal.SIGTERM, signal.SIGINT):
                break
            if caught and caught.si_signo == signal.SIGHUP:
                for child in self.children:
                    child.due = min(child.due, time.monotonic())
        self._stop()

    def _patience(self) -> float:
        waiting = [child.due - time.monotonic() for child in self.children if not child.pid]
        return max(0.05, min([5.0, *waiting]))

    def _start_due(self) -> None:
        changed = False
        for child in self.children:
            if not child.pid and child.due <= time.monotonic():
                self._start(child)
                changed = True
        if changed:
            self._tell()

    def _start(self, child: Child) -> None:
        path = self.place.logs / f"{child.name}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        child.began = time.monotonic()
        child.starts += 1
        try:
            started = self._spawn(child, path)
        except OSError as error:
            self._note(f"{child.name} cannot be started: {error}")
            self._gone(child, 127)
            return
        child.pid = started.pid
        # The supervisor reaps by waitpid(-1); Popen must not try to reap the same process when it is collected.
        started.returncode = 0
        self._note(f"started {child.name} as process {child.pid}")

    def _spawn(self, child: Child, path: Path) -> subprocess.Popen[bytes]:
        with path.open("ab") as log:
            return subprocess.Popen(
                child.argv,
                env={**os.environ, **child.env},
                cwd=self.place.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
                start_new_session=True,
            )

    def _reap(self) -> None:
        changed = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            for child in self.children:
                if child.pid == pid:
                    self._gone(child, os.waitstatus_to_exitcode(status))
                    changed = True
        if changed:
            self._tell()

    def _gone(self, child: Child, code: int) -> None:
        now = time.monotonic()
        child.pause = 0.5 if now - child.began > 60 else min(LONGEST_PAUSE, child.pause * 2)
        child.pid, child.due = 0, now + child.pause
        child.exits = [*child.exits[-4:], code]
        self._note(f"{child.name} ended with code {code}" + ("" if self.stopping else f"; next start in {child.pause:.1f} s"))

    def _stop(self) -> None:
        self.stopping = True
        self._note("stopping")
        for child in reversed(self.children):
            # The database goes last, when nobody writes to it any more: each is waited for before the next.
            if not child.pid:
                continue
            _signal(child.pid, signal.SIGTERM)
            patience = DATABASE_STOP_SECONDS if child.name == "etcd" else STOP_SECONDS
            deadline = time.monotonic() + patience
            while child.pid and time.monotonic() < deadline:
                signal.sigtimedwait(WATCHED, 0.2)
                self._reap()
            if child.pid:
                self._note(f"{child.name} did not end within {patience:.0f} s: killed")
                _signal(child.pid, signal.SIGKILL)
        self._note("stopped")
        self.place.health.unlink(missing_ok=True)

    def _tell(self) -> None:
        found: dict[str, Any] = {child.name: {"pid": child.pid, "starts": child.starts, "exits": child.exits} for child in self.children}
        write_json(self.place.health, found)

    def _note(self, text: str) -> None:
        self.log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")


def _die_with_parent() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _prepare_node(plan: dict[str, Any]) -> None:
    """Give the node a /run of its own and let mounts of pods propagate within it, never to the machine."""
    run = ["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"]
    for argv in (["mount", "--make-rprivate", "/"], run, ["mount", "--make-rshared", "/"]):
        subprocess.run(argv, check=True)
    for folder in ("/run/lock", "/run/netns", "/run/containerd", "/run/cni"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    for hidden, own in plan.get("binds", {}).items():
        for path in (hidden, own):
            Path(path).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", own, hidden], check=True)
        subprocess.run(["mount", "--make-shared", hidden], check=True)


def _wait_for_network(place: ClusterPlace) -> None:
    token = os.environ.get("MOORING_SANDBOX_START", "")
    while True:
        caught = signal.sigtimedwait({signal.SIGTERM, signal.SIGINT}, 0.05)
        if caught:
            raise SystemExit(0)
        try:
            if place.network_ready.read_text() == token:
                return
        except OSError:
            continue


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1]))
    except (OSError, subprocess.CalledProcessError, json.JSONDecodeError) as error:
        print(f"supervisor: {error}", file=sys.stderr, flush=True)
        raise SystemExit(1) from error
