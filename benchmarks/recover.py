"""From killing each process of the studio (SIGKILL) with 50 jobs in every state until every job is in its true state.

The cluster is the tests' API server (`tests.fakekube`), whose pods move when they are told to: only so is it known what is true.
While a process is down every job moves on: jobs whose objects the cluster refused are taken, pods get nodes, prepare, start, run
and end, runners report (again and again, until they are answered, as real ones do), and what was being canceled is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.databases import named, rows
from benchmarks.studio import COMPUTE, WORKSPACE, NotMeasuredError, Studio, say
from compute.kube import kinds
from tests.fakekube import FakeKube

EACH, PROCESSES = 50, ("worker", "web", "beat", "redis", "supervisor")
NAMESPACE, CLIENTS, SETTLE_SECONDS, GIVE_UP_SECONDS = "mooring-recover", 8, 120, 180
YAML = f"command: echo x\nenvironment:\n  image: mooring.local/simulated:1\ncompute: azureml:{COMPUTE}\n"
# What jobs that wait for the cluster become when it takes them, and so on to the end: every other one ends well.
NEXT = {
    "held": "Queued",
    "Queued": "Preparing",
    "Preparing": "Starting",
    "Starting": "Running",
    "Running": "Finalizing",
    "CancelRequested": "Canceled",
}
FLOW = ("Queued", "Preparing", "Starting", "Running", "Finalizing")
FINAL = ("Completed", "Failed", "Canceled")


@dataclass
class World:
    """What is true: each job's state as the cluster and the runners have it, `held` for those the cluster refuses."""

    fake: FakeKube
    one: Studio
    true: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    running: int = 0

    def names(self, state: str) -> list[str]:
        """Return the jobs that are truly in a state."""
        return [name for name, at in self.true.items() if at == state]

    def submit(self, count: int) -> list[str]:
        """Submit jobs through the API; return their names."""

        def one(_: int) -> str:
            return self.one.client.jobs.create_from_text(YAML).name

        with ThreadPoolExecutor(CLIENTS) as pool:
            names = list(pool.map(one, range(count)))
        self.rows |= {name: pk for name, (pk, _, _) in rows_of(self.one.data).items()}
        return names

    def refuse(self) -> None:
        """Have the cluster answer neither what makes Jobs nor what deletes anything."""
        self.fake.fail(503, method="POST", path=r"/jobs(\?|$)")
        self.fake.fail(503, method="DELETE")

    def pod(self, name: str) -> dict[str, Any]:
        """Return the pod of a job."""
        return self.fake.pods_of(NAMESPACE, f"mj-{self.rows[name]}")[-1]

    def to(self, name: str, state: str) -> None:
        """Let a job's pod come to a state."""
        if state in FLOW[1:]:
            pod = str(self.pod(name)["metadata"]["name"])
            if state == "Preparing":
                self.fake.pod_preparing(NAMESPACE, pod)
            elif state == "Starting":
                self.fake.container_ended(NAMESPACE, pod, "prepare", 0)
                self.fake.pod_waiting(NAMESPACE, pod, "job", "ContainerCreating")
            elif state == "Running":
                self.fake.pod_running(NAMESPACE, pod)
            else:
                self.fake.container_ended(NAMESPACE, pod, "job", self.code(name))
        self.true[name] = state

    def code(self, name: str) -> int:
        """Return with what code a job's command ends: every other one fails."""
        return self.rows[name] % 2

    def report(self, name: str) -> None:
        """Have a job's runner say that all is stored, until it is answered; then its pod ends."""
        metadata = self.pod(name)["metadata"]
        secret = self.fake.store.get(kinds.SECRET, NAMESPACE, f"mj-{self.rows[name]}")
        body = {"pod_uid": metadata["uid"], "exit": {"code": self.code(name), "reason": "exited", "log_bytes": 0}, "outputs": []}
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                url = f"{self.one.url}/runner/v1/jobs/{name}/processes/0/finish"
                headers = {"Authorization": f"Bearer {token_of(secret)}"}
                if httpx.post(url, json=body, headers=headers, timeout=10, trust_env=False).status_code == 200:
                    break
            time.sleep(0.5)
        end = self.fake.pod_failed if self.code(name) else self.fake.pod_succeeded
        with contextlib.suppress(Exception):  # the studio may have taken it out already
            end(NAMESPACE, str(metadata["name"]))

    def move_on(self) -> None:
        """Move every job on by one state; the true ends are noted at once, and come as soon as they are reported."""
        self.fake.heal()
        for name in self.names("CancelRequested"):
            self.true[name] = "Canceled"
        ending = self.names("Finalizing")
        for state in reversed(FLOW[:-1]):
            for name in self.names(state):
                self.to(name, NEXT[state])
        for name in self.names("held"):
            self.true[name] = "Queued"
        for name in ending:
            self.true[name] = "Failed" if self.code(name) else "Completed"
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self.report, ending))


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    each, processes = (3, PROCESSES[:2]) if quick else (EACH, PROCESSES)
    with contextlib.closing(FakeKube()) as fake, _studio(fake) as one:
        world = World(fake, one)
        say(f"submitting {8 * each} jobs")
        _populate(world, each)
        by_process: dict[str, dict[str, Any]] = {}
        for name in processes:
            _top_up(world, each)
            by_process[name] = _kill(world, name)
            say(f"{name}: {by_process[name]}")
    return summed(by_process) | {"settings": {"each": each, "jobs": len(world.true), "cluster": "tests.fakekube", "database": named()}}


def summed(by_process: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the slowest of the recoveries, and how many jobs never came to their true state."""
    return {
        "seconds_max": max(each["seconds"] for each in by_process.values()),
        "wrong": sum(each["wrong"] for each in by_process.values()),
        "by_process": by_process,
    }


def differing(true: dict[str, str], seen: dict[str, tuple[int, str, str]]) -> dict[str, tuple[str, str]]:
    """Return the jobs whose row does not say what is true, with both; a job that waits for the cluster has no object yet."""
    found = {}
    for name, state in true.items():
        _, status, uid = seen.get(name, (0, "missing", ""))
        shown = "held" if status in ("NotStarted", "Queued") and not uid else status
        if shown != state:
            found[name] = (state, shown)
    return found


def rows_of(data: Path) -> dict[str, tuple[int, str, str]]:
    """Return id, state and the object's uid of every job, read past the studio from its database."""
    return {name: (pk, status, uid) for name, pk, status, uid in rows(data, "SELECT name, id, status, object_uid FROM jobs_job")}


def token_of(secret: dict[str, Any]) -> str:
    """Return the job's token as its pod has it."""
    import base64

    data = secret.get("data") or {name: base64.b64encode(text.encode()).decode() for name, text in secret["stringData"].items()}
    return base64.b64decode(data["token"]).decode()


def _populate(world: World, each: int) -> None:
    """Bring as many jobs into every state of the flow, and some to every end."""
    names = world.submit(8 * each)
    world.true |= dict.fromkeys(names, "Queued")
    _settled(world)
    groups = [names[number * each : (number + 1) * each] for number in range(8)]
    for place in range(1, 5):
        for name in (name for group in groups[place:7] for name in group):
            world.to(name, FLOW[place])
        _settled(world)
    for name in [*groups[5], *groups[6]]:
        world.true[name] = "Failed" if world.code(name) else "Completed"
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(world.report, [*groups[5], *groups[6]]))
    for name in groups[7]:
        world.one.client.jobs.cancel(name)
        world.true[name] = "Canceled"
    _settled(world)


def _top_up(world: World, each: int) -> None:
    """Add jobs that the cluster does not take, and jobs that are being canceled in a cluster that does not let go of them."""
    names = world.submit(each)
    world.true |= dict.fromkeys(names, "Queued")
    _settled(world)
    world.refuse()
    held = world.submit(each)
    for name in names:
        world.one.client.jobs.cancel(name)
    world.true |= dict.fromkeys(held, "held") | dict.fromkeys(names, "CancelRequested")
    _settled(world)


def _settled(world: World) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while wrong := differing(world.true, rows_of(world.one.data)):
        if time.monotonic() > deadline:
            raise NotMeasuredError(f"the jobs did not come to their states: {Counter(wrong.values())}\n{world.one.tail()}")
        time.sleep(0.1)


def _kill(world: World, name: str) -> dict[str, Any]:
    """Kill one process, let the world go on, and wait until every row is true again."""
    before = Counter(world.true.values())
    pid, began = _pid(world.one, name), time.monotonic()
    os.kill(pid, signal.SIGKILL)
    if name == "supervisor":
        # Whoever keeps it (systemd, a container's runtime) starts it again.
        world.one.process.wait(30)
        world.one.again()
    world.move_on()
    moved = time.monotonic() - began
    while (wrong := differing(world.true, rows_of(world.one.data))) and time.monotonic() - began < GIVE_UP_SECONDS:
        time.sleep(0.1)
    took = time.monotonic() - began
    told = [f"{old}, shown as {shown}: {count}" for (old, shown), count in Counter(wrong.values()).items()]
    answers = _answers(world.one)
    return {"seconds": round(max(took, answers - began), 1), "moved_seconds": round(moved, 1), "wrong": len(wrong), "what": told,
            "states": dict(before)}  # fmt: skip


def _answers(one: Studio) -> float:
    """Wait until the studio answers people again; return when it did."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{one.url}/readyz", timeout=5, trust_env=False).status_code == 200:
                break
        time.sleep(0.1)
    return time.monotonic()


def _pid(one: Studio, name: str) -> int:
    if name == "supervisor":
        return one.process.pid
    status = json.loads((one.data / "run" / "status.json").read_text(encoding="utf-8"))
    found = next((child["pid"] for child in status["children"] if child["name"] == name), None)
    if not found:
        raise NotMeasuredError(f"{name} does not run")
    return int(found)


@contextlib.contextmanager
def _studio(fake: FakeKube) -> Iterator[Studio]:
    """Run a studio with a compute on the fake cluster."""
    folder = Path(tempfile.mkdtemp(prefix="mooring-bench-"))
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(fake.kubeconfig(), encoding="utf-8")
    fake.node("node-1", cpu="1000", memory="4000Gi")
    fake.run_jobs = True
    one: Studio | None = None
    try:
        status = {"kubeconfig": str(kubeconfig)}
        names = {"workspace": WORKSPACE, "cluster": "fake", "compute": COMPUTE}
        one = Studio.start(folder / "data", folder / "studio.log", status, **names, namespace=NAMESPACE)
        one.furnish()
        yield one
    finally:
        if one is not None:
            one.stop()
        shutil.rmtree(folder, ignore_errors=True)
