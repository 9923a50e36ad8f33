"""A large cluster that never stands still: 1,000 simulated nodes, 10,000 pods, 50 changes of pods a second for three minutes.

Half of the changes are new pods, half are deleted ones. Now and then one goes to a node that has no others' changes: from its
creation until the node's row says so and the page of nodes, asked then, shows it, is what a person waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
import uuid
from collections import Counter, deque
from pathlib import Path
from typing import Any

import httpx

from benchmarks.figures import milliseconds
from benchmarks.processes import cpu_seconds, family, name_of, pss_mb
from benchmarks.studio import CLUSTER, NotMeasuredError, Studio, cluster, say, studio
from benchmarks.viewers import signed_in
from sandbox.api_server import ApiServer

NODES, PODS, CHANGES_PER_SECOND, SECONDS, PROBED = 1000, 10_000, 50, 180, 20
AT_ONCE, SETTLE_SECONDS, PROBE_SECONDS, PAUSE_SECONDS = 20, 20, 30, 0.7
SIMULATED = "bench-watch"


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    nodes, pods, seconds = (40, 200, 10) if quick else (NODES, PODS, SECONDS)
    with cluster(SIMULATED, "--simulated", str(nodes)) as status:
        server = ApiServer(Path(status["kubeconfig"]))
        names = sorted(node_names(server))[:nodes]
        with studio(status) as one:
            churn = Churn(server, one.namespace, names[PROBED:])
            say(f"making {pods:,} pods")
            asyncio.run(churn.fill(pods))
            figures = _measure(one, churn, names[:PROBED], seconds)
            asyncio.run(churn.clear())
    settings = {"nodes": len(names), "pods": pods, "changes_per_second": CHANGES_PER_SECOND, "seconds": seconds}
    return figures | {"settings": settings | {"kubernetes": status["version"]}}


class Churn:
    """Pods that come and go, on nodes that take them without a scheduler."""

    def __init__(self, server: ApiServer, namespace: str, nodes: list[str]) -> None:
        self.server, self.nodes = server, nodes
        self.path = f"/api/v1/namespaces/{namespace}/pods"
        self.there: deque[str] = deque()
        self.made = 0
        self.failed = 0

    async def fill(self, count: int) -> None:
        """Make so many pods, many at once."""
        async with self.server.async_client() as http:
            gate = asyncio.Semaphore(AT_ONCE)

            async def one() -> None:
                async with gate:
                    await self.create(http)

            await asyncio.gather(*(one() for _ in range(count)))
        if self.failed:
            raise NotMeasuredError(f"{self.failed} pods were refused")

    async def create(self, http: httpx.AsyncClient) -> None:
        """Make a pod on the next node."""
        self.made += 1
        name = f"w-{self.made}-{uuid.uuid4().hex[:5]}"
        answer = await http.post(self.path, json=pod(name, self.nodes[self.made % len(self.nodes)]))
        if answer.status_code == 201:
            self.there.append(name)
        else:
            self.failed += 1

    async def delete(self, http: httpx.AsyncClient) -> None:
        """Delete the oldest pod."""
        if not self.there:
            return
        answer = await http.delete(f"{self.path}/{self.there.popleft()}", params={"gracePeriodSeconds": 0})
        self.failed += answer.status_code not in (200, 202)

    async def change(self, seconds: float) -> float:
        """Make and delete pods at the rate; return how many changes a second there were."""
        began, done = time.monotonic(), 0
        async with self.server.async_client() as http, asyncio.TaskGroup() as group:
            while time.monotonic() - began < seconds:
                due = int((time.monotonic() - began) * CHANGES_PER_SECOND)
                for number in range(done, due):
                    group.create_task(self.create(http) if number % 2 else self.delete(http))
                done = max(done, due)
                await asyncio.sleep(0.01)
        return done / (time.monotonic() - began)

    async def clear(self) -> None:
        """Delete all of them."""
        async with self.server.async_client() as http:
            await http.delete(self.path, params={"gracePeriodSeconds": 0}, timeout=300)


def _measure(one: Studio, churn: Churn, probed: list[str], seconds: float) -> dict[str, Any]:
    say(f"letting it settle for {SETTLE_SECONDS} s")
    time.sleep(SETTLE_SECONDS)
    pids = family(one.process.pid)
    began, used, memory = time.monotonic(), {pid: cpu_seconds([pid]) for pid in pids}, pss_mb(pids)
    probe = Probe(one, churn, probed)
    say(f"{CHANGES_PER_SECOND} changes a second for {seconds:g} s")
    with probe:
        rate = asyncio.run(churn.change(seconds))
    took = time.monotonic() - began
    by_process = {name_of(pid): round(100 * (cpu_seconds([pid]) - used[pid]) / took, 1) for pid in pids}
    say("comparing")
    return {
        "page_p50_ms": milliseconds(probe.waited, 0.5),
        "page_p99_ms": milliseconds(probe.waited, 0.99),
        "probes": len(probe.waited),
        "missed": probe.missed + _differing(one, churn.server),
        "cpu_percent_of_one_core": round(sum(by_process.values()), 1),
        "cpu_percent": by_process,
        "growth_mb": round(pss_mb(family(one.process.pid)) - memory, 1),
        "changes_per_second": round(rate, 1),
        "refused": churn.failed,
    }


class Probe:
    """One pod after another onto a node of its own, each waited for on the page."""

    def __init__(self, one: Studio, churn: Churn, nodes: list[str]) -> None:
        self.one, self.churn, self.nodes = one, churn, nodes
        self.waited: list[float] = []
        self.missed = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Probe:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join(PROBE_SECONDS + 10)

    def _run(self) -> None:
        with httpx.Client(base_url=self.one.url, cookies=signed_in(self.one), timeout=30, trust_env=False) as page:
            count = 0
            while not self.stopped.wait(PAUSE_SECONDS):
                with contextlib.suppress(httpx.HTTPError):
                    self._one(page, self.nodes[count % len(self.nodes)], count)
                count += 1

    def _one(self, page: httpx.Client, node: str, count: int) -> None:
        before = pods_of_rows(self.one.data).get(node, 0)
        with self.churn.server.client() as http:
            began = time.monotonic()
            http.post(self.churn.path, json=pod(f"p-{count}-{uuid.uuid4().hex[:5]}", node)).raise_for_status()
        while pods_of_rows(self.one.data, node).get(node, 0) == before:
            if time.monotonic() - began > PROBE_SECONDS:
                self.missed += 1
                return
            time.sleep(0.02)
        answer = page.get(f"/ops/clusters/{CLUSTER}/nodes/", params={"q": node}, headers={"HX-Request": "true"})
        if answer.status_code != 200 or node not in answer.text:
            raise NotMeasuredError(f"the page of nodes was answered with {answer.status_code}")
        self.waited.append(time.monotonic() - began)


def pod(name: str, node: str) -> dict[str, Any]:
    """Return a pod that asks for a little, on a node."""
    container: dict[str, Any] = {
        "name": "x",
        "image": "mooring.local/simulated:1",
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
    }
    container["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"nodeName": node, "containers": [container], "securityContext": security, "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"mooring-bench": "watch"}}, "spec": spec}


def node_names(server: ApiServer) -> list[str]:
    """Return the nodes of a cluster."""
    with server.client() as http:
        return [each["metadata"]["name"] for each in http.get("/api/v1/nodes").raise_for_status().json()["items"]]


def pods_of_rows(data: Path, node: str = "") -> dict[str, int]:
    """Return how many pods run on each node as the studio's rows say, read past it from its database."""
    where, given = (" WHERE name = ?", (node,)) if node else ("", ())
    with contextlib.closing(sqlite3.connect(f"file:{data}/mooring.sqlite3?mode=ro", uri=True, timeout=30)) as connection:
        return dict(connection.execute(f"SELECT name, pods FROM compute_node{where}", given))  # noqa: S608 two constants


def differing(true: dict[str, int], shown: dict[str, int]) -> int:
    """Return how many nodes are shown with another number of pods than they have, or are not there, or no more."""
    return sum(1 for name in true.keys() | shown.keys() if true.get(name) != shown.get(name))


def pods_of(objects: list[dict[str, Any]], nodes: list[str]) -> dict[str, int]:
    """Return how many pods take room on each node."""
    counts = Counter(each["spec"].get("nodeName") for each in objects if each["status"].get("phase") not in ("Succeeded", "Failed"))
    return {name: counts.get(name, 0) for name in nodes}


def _differing(one: Studio, server: ApiServer) -> int:
    """Compare rows with the cluster once nothing changes any more."""
    deadline, wrong = time.monotonic() + PROBE_SECONDS, 0
    while time.monotonic() < deadline:
        with server.client(read_seconds=120) as http:
            objects = http.get("/api/v1/pods", params={"resourceVersion": "0"}).raise_for_status().json()["items"]
        wrong = differing(pods_of(objects, node_names(server)), pods_of_rows(one.data))
        if not wrong:
            break
        time.sleep(1)
    return wrong
