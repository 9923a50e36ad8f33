"""What is killed while logs are read, and when: from a seed. Each kind comes once before any comes again."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from benchmarks.process import StudioProcess
from benchmarks.studio import NotMeasuredError, say
from tests.faults.breaking import Cluster, children, kill

PARTS = ("worker", "beat", "redis", "web")
KINDS = (*PARTS, "api_server", "log_connections")
# Where connections of logs are cut: at the pod, between studio and cluster, between studio and browser.
CUTS = ("runner", "cluster", "browser")
SHORTEST_SECONDS, LONGEST_SECONDS = 2.0, 8.0
BACK_SECONDS = 20
RUNNER_PORT, API_PORT = 8484, 6443
# They are ended once there are as many again: of the logs of twenty pods, and of one browser.
FEWEST = {"runner": 12, "cluster": 12, "browser": 1}


@dataclass(frozen=True)
class Fault:
    """What is killed, so many seconds after the beginning; `cut` says where, of connections."""

    at: float
    kind: str
    cut: str = ""


def planned(seed: int, seconds: float) -> list[Fault]:
    """Return the faults of a seed in the order of their times. Pure: the same seed gives the same ones."""
    chance, faults, waiting = random.Random(seed), list[Fault](), list[str]()
    cuts: list[str] = []
    at = chance.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)
    while at < seconds:
        waiting = waiting or chance.sample(KINDS, len(KINDS))
        kind = waiting.pop()
        if kind == "log_connections":
            cuts = cuts or chance.sample(CUTS, len(CUTS))
            faults.append(Fault(at, kind, cuts.pop()))
        else:
            faults.append(Fault(at, kind))
        at += chance.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)
    return faults


@dataclass
class Breaker:
    """Kill parts of a studio and of its cluster; whoever keeps them starts them again."""

    studio: StudioProcess
    status: dict[str, Any]
    killed: Counter[str] = field(default_factory=Counter)
    # Connections that were ended, by where.
    ended: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def do(self, fault: Fault) -> None:
        """Kill one thing; one that is not back yet is passed over."""
        if fault.kind == "log_connections":
            count = self._cut(fault.cut)
            self.ended[fault.cut] += count
            (self.killed if count else self.skipped)[fault.kind] += 1
        elif fault.kind == "api_server":
            self._kill_api_server()
        else:
            self._kill_part(fault.kind)

    def told(self) -> dict[str, Any]:
        """Return what was killed how often."""
        return {
            "killed": {kind: self.killed[kind] for kind in KINDS},
            "connections_ended": {cut: self.ended[cut] for cut in CUTS},
            "passed_over": dict(self.skipped),
        }

    def _kill_part(self, name: str) -> None:
        deadline = time.monotonic() + BACK_SECONDS
        while not (pid := children(self.studio.data).get(name)) and time.monotonic() < deadline:
            time.sleep(0.1)
        try:
            if not pid:
                raise ProcessLookupError
            kill(pid)
        except ProcessLookupError:
            self.skipped[name] += 1
        else:
            self.killed[name] += 1

    def _kill_api_server(self) -> None:
        try:
            Cluster(self.status["name"], self.status).kill("kube-apiserver")
        except AssertionError as error:
            raise NotMeasuredError(f"the API server: {error}") from error
        except ProcessLookupError:
            self.skipped["api_server"] += 1
        else:
            self.killed["api_server"] += 1

    def _cut(self, where: str) -> int:
        """End connections as a machine between does that has forgotten them; return how many."""
        deadline = time.monotonic() + BACK_SECONDS
        which, inside = self._which(where)
        # Who had them may just have been killed.
        while _connections(which, inside) < FEWEST[where] and time.monotonic() < deadline:
            time.sleep(0.2)
        return _connections(which, inside, end=True)

    def _which(self, where: str) -> tuple[list[str], int]:
        """Return how connections are found, and in which process's network."""
        if where == "browser":
            return ["sport", "=", f":{urlsplit(self.studio.url).port}"], 0
        if where == "cluster":
            return ["dst", str(urlsplit(self.status["server"]).hostname), "and", "dport", "=", f":{API_PORT}"], 0
        return ["dport", "=", f":{RUNNER_PORT}"], Cluster(self.status["name"], self.status).pid("kube-apiserver")


def _connections(which: list[str], inside: int, *, end: bool = False) -> int:
    """Count established connections, of this machine or of the network that a process lives in; `end` has the kernel end them."""
    command = ["ss", *(["-K"] if end else []), "-H", "-t", "-n", "state", "established", *which]
    if inside:
        command = ["nsenter", f"--net=/proc/{inside}/ns/net", *command]
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        if done.returncode:
            say(f"connections could not be looked at: {done.stderr.strip()}")
        return len(done.stdout.splitlines())
    return 0
