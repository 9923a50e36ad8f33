"""A control plane with nodes that only seem to run: no container starts, and every node says so."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from sandbox import components, process, stages
from sandbox.binaries import Binaries
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.kubectl import Kubectl
from sandbox.layout import SimulatedLayout
from sandbox.places import ClusterPlace, write_json, write_text

SIMULATED_LABEL = "mooring.dev/simulated"
DEFAULT_CAPACITY = {"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "200Gi"}
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


def apply_nodes(tool: Kubectl, nodes: SimulatedNodes, console: Console) -> None:
    """Make the nodes as asked for, remove those beyond the number, and wait until they are ready."""
    wanted = node_manifests(nodes, tool.place.name)
    present = {node["metadata"]["name"] for node in tool.get("nodes", "-l", f"{SIMULATED_LABEL}=true")["items"]}
    names = [node["metadata"]["name"] for node in wanted]
    with console.working(f"making {nodes.count} simulated nodes ({nodes.gpu_nodes} with GPUs)"):
        surplus = sorted(present - set(names))
        if surplus:
            tool("delete", "node", *surplus, timeout=180)
        tool.apply(wanted)
        # What a node has belongs to its status, which a plain apply leaves as it was; older releases of kubectl can only patch it.
        for status, some in _by_status(wanted):
            patch = json.dumps({"status": status})
            tool("patch", "node", *some, "--subresource=status", "--type=merge", "--patch", patch, timeout=180)
        if names:
            tool("wait", "--for=condition=Ready", "--timeout=120s", "--request-timeout=0", "node", *names, timeout=150)


def _by_status(nodes: list[dict[str, Any]]) -> list[tuple[dict[str, Any], list[str]]]:
    """Return each status once, with the names of the nodes that have it."""
    found: list[tuple[dict[str, Any], list[str]]] = []
    for node in nodes:
        names = next((names for status, names in found if status == node["status"]), None)
        if names is None:
            names = []
            found.append((node["status"], names))
        names.append(node["metadata"]["name"])
    return found


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
