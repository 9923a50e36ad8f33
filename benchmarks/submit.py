"""From an API request to the Job object in the API server: one after another, then twenty clients at once.

The clock starts before the request is sent and stops when a watch of the API server tells of the Job, so that the
watch's own delay is counted against us. Beside it, in the same run, Jobs are POSTed straight to the API server.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks import peers
from benchmarks.databases import named
from benchmarks.figures import milliseconds, ratio
from benchmarks.kube import JobWatch
from benchmarks.studio import COMPUTE, WORKSPACE, NotMeasuredError, Studio, cluster, say, studio
from sandbox.api_server import ApiServer

NODES, CLIENTS = 20, 20
EACH_WAITS_SECONDS, SETTLE_SECONDS = 60, 120
YAML = f"""\
command: echo measured
environment:
  image: mooring.local/simulated:1
compute: azureml:{COMPUTE}
"""
OURS, BARE = "mooring.dev/job", "mooring-bench/number"

# Submits one job; returns its name, or None when it was refused.
Send = Callable[[httpx.AsyncClient], Awaitable[str | None]]


@dataclass
class Sent:
    """What was accepted, when each request began and how many were not accepted."""

    began: dict[str, float] = field(default_factory=dict)
    refused: int = 0
    answered: list[float] = field(default_factory=list)


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    count, seconds = (20, 5) if quick else (200, 20)
    with cluster("bench", "--simulated", str(NODES)) as status:
        server = ApiServer(Path(status["kubeconfig"]))
        with studio(status) as one:
            bare = asyncio.run(_bare(server, one.namespace, count, seconds))
            ours = asyncio.run(_ours(one, server, count, seconds))
    # They keep their runs in SQLite: beside ours on another database they would say nothing.
    others = peers.each(lambda peer: peers.submitted(peer, count, CLIENTS, seconds), idle=False) if named() == "sqlite" else {}
    return ours | {
        "bare_post": bare,
        "p50_over_bare": ratio(ours["p50_ms"], bare["p50_ms"]),
        "per_second_over_bare": ratio(ours["per_second"], bare["per_second"]),
        "peers": others,
        **{f"over_{name}": peers.over(ours, found, "request_p50_ms", "accepted_per_second") for name, found in others.items()},
        "settings": {
            "in_sequence": count,
            "clients": CLIENTS,
            "seconds": seconds,
            "simulated_nodes": NODES,
            "database": named(),
            "kubernetes": status["version"],
        },
    }


async def _ours(one: Studio, server: ApiServer, count: int, seconds: float) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {one.token}"}

    async def send(http: httpx.AsyncClient) -> str | None:
        key = uuid.uuid4().hex
        answer = await http.post(f"/api/v1/workspaces/{WORKSPACE}/jobs", json={"yaml": YAML}, headers={"Idempotency-Key": key})
        if answer.status_code != 201:
            say(f"refused: {answer.status_code} {answer.text[:300]}")
            return None
        return str(answer.json()["name"])

    def client() -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=one.url, headers=headers, timeout=60, trust_env=False)

    with JobWatch(server, one.namespace, OURS) as watch:
        return await _both(watch, send, client, count, seconds, "jobs through the studio")


async def _bare(server: ApiServer, namespace: str, count: int, seconds: float) -> dict[str, Any]:
    """POST Jobs of the least size straight to the API server: what no studio can be faster than."""
    numbers = itertools.count()

    async def send(http: httpx.AsyncClient) -> str | None:
        name = f"bare-{next(numbers)}"
        answer = await http.post(f"/apis/batch/v1/namespaces/{namespace}/jobs", json=bare_job(name))
        return name if answer.status_code == 201 else None

    with JobWatch(server, namespace, BARE) as watch:
        measured = await _both(watch, send, server.async_client, count, min(seconds, 5), "bare Jobs")
    async with server.async_client() as http:
        path, bare = f"/apis/batch/v1/namespaces/{namespace}/jobs", {"labelSelector": "mooring-bench=bare"}
        await http.delete(path, params=bare | {"propagationPolicy": "Foreground"})
        # Thousands of them: taken away beside what is measured next, they would be most of what the API server does.
        until = time.monotonic() + SETTLE_SECONDS
        while (await http.get(path, params=bare | {"limit": "1"})).json()["items"]:
            if time.monotonic() > until:
                raise NotMeasuredError(f"the bare Jobs were not gone after {SETTLE_SECONDS} s")
            await asyncio.sleep(1)
    return {key: measured[key] for key in ("p50_ms", "p99_ms", "per_second")}


async def _both(
    watch: JobWatch, send: Send, client: Callable[[], httpx.AsyncClient], count: int, seconds: float, what: str
) -> dict[str, Any]:
    say(f"{what}: {count} in sequence")
    async with client() as http:
        if (warm := await send(http)) is None:
            raise NotMeasuredError(f"{what}: the first one was refused")
        await asyncio.to_thread(watch.wait_for, {warm}, EACH_WAITS_SECONDS)
        single = await _in_sequence(watch, send, http, count)
    say(f"{what}: {CLIENTS} clients for {seconds:g} s")
    many, began = Sent(), time.time()
    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(_client(send, client, many, began + seconds))
    names = set(single.began) | set(many.began)
    lost = await asyncio.to_thread(watch.wait_for, names, SETTLE_SECONDS)
    # What comes late is a double too: give it the time in which a sweep would send it again.
    await asyncio.sleep(10 if many.began else 0)
    waited = latencies(single, watch)
    loaded = latencies(many, watch)
    last = max((at for name in many.began if (at := watch.arrived(name))), default=began)
    return {
        "p50_ms": milliseconds(waited, 0.5),
        "p99_ms": milliseconds(waited, 0.99),
        "request_p50_ms": milliseconds(single.answered, 0.5),
        "per_second": round(len(loaded) / (last - began), 1) if last > began else 0.0,
        "accepted_per_second": round(len(many.began) / seconds, 1),
        "at_once_p50_ms": milliseconds(loaded, 0.5),
        "at_once_p99_ms": milliseconds(loaded, 0.99),
        "at_once_request_p50_ms": milliseconds(many.answered, 0.5),
        "submitted": len(names),
        "refused": single.refused + many.refused,
        "lost": len(lost),
        "doubled": watch.doubled(),
    }


def latencies(sent: Sent, watch: JobWatch) -> list[float]:
    """Return the seconds from each request's begin to its Job's appearance."""
    return [at - began for name, began in sent.began.items() if (at := watch.arrived(name)) is not None]


async def _in_sequence(watch: JobWatch, send: Send, http: httpx.AsyncClient, count: int) -> Sent:
    """Submit one after another, each when the Job of the one before is there."""
    sent = Sent()
    for _ in range(count):
        name = await _one(send, http, sent)
        if name:
            await _there(watch, name)
    return sent


async def _client(send: Send, client: Callable[[], httpx.AsyncClient], sent: Sent, until: float) -> None:
    async with client() as http:
        while time.time() < until:
            if await _one(send, http, sent) is None:
                await asyncio.sleep(0.1)


async def _one(send: Send, http: httpx.AsyncClient, sent: Sent) -> str | None:
    began = time.time()
    try:
        name = await send(http)
    except httpx.TransportError as error:
        say(f"no answer: {error!r}")
        name = None
    if name is None:
        sent.refused += 1
        return None
    sent.answered.append(time.time() - began)
    sent.began[name] = began
    return name


async def _there(watch: JobWatch, name: str) -> None:
    deadline = time.monotonic() + EACH_WAITS_SECONDS
    while watch.arrived(name) is None and time.monotonic() < deadline:
        await asyncio.sleep(0.002)


def bare_job(name: str) -> dict[str, Any]:
    """Return the smallest Job that a simulated node takes."""
    container: dict[str, Any] = {"name": "job", "image": "mooring.local/simulated:1", "command": ["true"]}
    restricted = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    container |= {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"mooring-bench": "bare"}, "annotations": {BARE: name}},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": {"restartPolicy": "Never", "securityContext": restricted, "containers": [container]}},
        },
    }
