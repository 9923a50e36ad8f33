"""A control plane with nodes that only seem to run: no container starts, and every node says so."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx

from sandbox import components, process, stages
from sandbox.api_server import ApiServer
from sandbox.binaries import Binaries
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.kubectl import FIELD_MANAGER
from sandbox.layout import SimulatedLayout
from sandbox.places import ClusterPlace, write_json, write_text

SIMULATED_LABEL = "mooring.dev/simulated"
DEFAULT_CAPACITY = {"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "200Gi"}
# How many are made at once, and how long all of them may take to be ready.
AT_ONCE, READY_SECONDS = 20, 180
GPU = "nvidia.com/gpu"
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ and …/reference/kubernetes-api/common-definitions/quantity/
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
PREFIX = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?")


@dataclass(frozen=True)
class SimulatedNodes:
    """How many nodes to simulate and what they seem to have."""

    count: int = 3
    gpu_nodes: int = 0
    gpus_each: int = 4
    labels: dict[str, str] = field(default_factory=dict)
    capacity: dict[str, str] = field(default_factory=dict)


def check(nodes: SimulatedNodes) -> None:
    """Refuse nodes that no cluster would take, before anything is started for them."""
    wrong = ""
    if nodes.gpu_nodes > nodes.count:
        wrong = f"{nodes.gpu_nodes} nodes with GPUs are more than {nodes.count} nodes."
    for key, value in nodes.labels.items():
        prefix, slash, name = key.rpartition("/")
        if not NAME.fullmatch(name) or (slash and not PREFIX.fullmatch(prefix)) or (value and not NAME.fullmatch(value)):
            wrong = f"“{key}={value}” is no label: key and value have letters, digits, “-”, “_” and “.”, 63 at most each."
    for resource, amount in nodes.capacity.items():
        if not QUANTITY.fullmatch(amount):
            wrong = f"“{resource}={amount}” is no amount."
    if wrong:
        todo = "Ask as in --simulated 50 --gpu-nodes 5 --node-label zone=north --node-capacity cpu=32,memory=128Gi."
        raise SandboxError("nodes", wrong, todo)


def start(place: ClusterPlace, layout: SimulatedLayout, found: Binaries) -> None:
    """Start the control plane and the simulator."""
    write_text(place.etc / "kwok.yaml", stages.render())
    plan = {
        "components": [
            component.as_dict()
            for component in (
                components.etcd(place, layout, found["etcd"]),
                components.api_server(place, layout, found["kube-apiserver"]),
                components.controller_manager(place, layout, found["kube-controller-manager"]),
                components.scheduler(place, layout, found["kube-scheduler"]),
                components.kwok(place, layout, found["kwok"]),
            )
        ]
    }
    write_json(place.plan, plan)
    process.start(place, namespaces=False)


def node_manifests(nodes: SimulatedNodes, cluster: str) -> list[dict[str, Any]]:
    """Return the nodes: the last ``gpu_nodes`` of them have GPUs, and all carry the label that tells the truth."""
    return [_node(number, nodes, cluster) for number in range(nodes.count)]


def apply_nodes(server: ApiServer, cluster: str, nodes: SimulatedNodes, console: Console) -> None:
    """Make the nodes as asked for, remove those beyond the number, and wait until they are ready."""
    with console.working(f"making {nodes.count} simulated nodes ({nodes.gpu_nodes} with GPUs)"):
        asyncio.run(_Nodes(server).become(node_manifests(nodes, cluster)))


class _Nodes:
    """The simulated nodes of a cluster, brought about many at once: a thousand one after another take minutes."""

    PATH = "/api/v1/nodes"
    OURS: ClassVar[dict[str, str]] = {"labelSelector": f"{SIMULATED_LABEL}=true"}

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.gate = asyncio.Semaphore(AT_ONCE)

    async def become(self, wanted: list[dict[str, Any]]) -> None:
        """Make what is there what is wanted."""
        async with self.server.async_client() as http:
            names = {node["metadata"]["name"] for node in wanted}
            there = {node["metadata"]["name"] for node in await self._there(http)}
            surplus = [self._ask(http, "DELETE", f"{self.PATH}/{name}") for name in there - names]
            await asyncio.gather(*surplus, *(self._put(http, node) for node in wanted))
            await self._ready(http, names)

    async def _put(self, http: httpx.AsyncClient, node: dict[str, Any]) -> None:
        path = f"{self.PATH}/{node['metadata']['name']}"
        apply, merge = ({"Content-Type": f"application/{kind}"} for kind in ("apply-patch+yaml", "merge-patch+json"))
        about = {key: node[key] for key in node if key != "status"}
        await self._ask(http, "PATCH", path, about, headers=apply, params={"fieldManager": FIELD_MANAGER, "force": "true"})
        # What a node has belongs to its status, which an apply leaves as it was.
        await self._ask(http, "PATCH", f"{path}/status", {"status": node["status"]}, headers=merge)

    async def _ready(self, http: httpx.AsyncClient, names: set[str]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while unready := names - {node["metadata"]["name"] for node in await self._there(http) if _is_ready(node)}:
            if time.monotonic() > deadline:
                raise _no_nodes(f"{len(unready)} of {len(names)} were not ready within {READY_SECONDS} s.")
            await asyncio.sleep(0.5)

    async def _there(self, http: httpx.AsyncClient) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = (await self._ask(http, "GET", self.PATH, params=self.OURS))["items"]
        return listed

    async def _ask(self, http: httpx.AsyncClient, verb: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        async with self.gate:
            try:
                answer = await http.request(verb, path, content=json.dumps(body) if body else None, **more)
            except httpx.HTTPError as error:
                raise _no_nodes(f"the API server could not be asked: {error or type(error).__name__}.") from error
        try:
            said: dict[str, Any] = answer.json()
        except ValueError:
            # What stands before the API server, or it as it ends, may answer in words of its own.
            raise _no_nodes(f"the API server answered {answer.status_code} without JSON.") from None
        if answer.is_error and not (verb == "DELETE" and answer.status_code == 404):
            raise _no_nodes(f"the API server refused: {said.get('message', answer.status_code)}.")
        return said


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _no_nodes(sentence: str) -> SandboxError:
    return SandboxError("nodes", sentence, "Look at the logs of the API server and of kwok, then run the command again.")


def _node(number: int, nodes: SimulatedNodes, cluster: str) -> dict[str, Any]:
    name = f"{cluster}-simulated-{number:03d}"
    has_gpus = number >= nodes.count - nodes.gpu_nodes
    capacity = {**DEFAULT_CAPACITY, **nodes.capacity}
    labels = {
        "node-role.kubernetes.io/agent": "",
        **nodes.labels,
        # What tells nodes apart, and what they seem to be, is not of one's choice.
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        SIMULATED_LABEL: "true",
    }
    if has_gpus:
        capacity[GPU] = str(nodes.gpus_each)
        labels |= {"nvidia.com/gpu.present": "true", "nvidia.com/gpu.product": "Simulated-GPU"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": {"providerID": f"simulated://{cluster}/{hashlib.sha256(name.encode()).hexdigest()[:12]}"},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "nodeInfo": {
                "architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": "simulated",
                "containerRuntimeVersion": "simulated://none", "osImage": "simulated", "kernelVersion": "simulated",
                "bootID": "", "machineID": "", "systemUUID": "", "kubeProxyVersion": "simulated",
            },
        },
    }  # fmt: skip
