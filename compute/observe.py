"""What a cluster's objects say, as values that rows hold: pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compute import instance_types
from compute.kube.capacity import NodeCapacity, node_capacities, pod_requests
from compute.kube.names import KIND, WORKSPACE
from compute.kube.quantities import Quantities, add, format_quantity, gpus, parse_resources
from studio.core.texts import neutral

Object = Mapping[str, Any]
# What of a pod's containers counts, and of what they say of themselves while they are being resized.
CONTAINERS, ASKS = ("containers", "initContainers"), {"name", "resources", "restartPolicy"}
STATUSES, HAS = ("containerStatuses", "initContainerStatuses"), {"name", "resources", "allocatedResources"}


@dataclass(frozen=True)
class SeenNode:
    """One node as its row has it."""

    name: str
    uid: str
    ready: bool
    schedulable: bool
    reason: str
    kubelet_version: str
    simulated: bool
    capacity: dict[str, Any]
    allocatable: dict[str, Any]
    requested: dict[str, Any]
    labels: dict[str, str]
    taints: list[dict[str, Any]]
    pods: int
    runs: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class SeenType:
    """One instance type as its row has it."""

    name: str
    group: str
    spec: dict[str, Any]
    description: str
    is_default: bool
    problem: str
    uid: str
    resource_version: str


def observe_nodes(nodes: Iterable[Object], pods: Iterable[Object]) -> list[SeenNode]:
    """Return what each node is, offers, and runs, by name."""
    nodes, pods = list(nodes), list(pods)
    by_name = {node["metadata"]["name"]: node for node in nodes}
    on_node: dict[str, list[Object]] = {}
    for pod in pods:
        place = (pod.get("spec") or {}).get("nodeName")
        if place and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            on_node.setdefault(place, []).append(pod)
    return [_seen(by_name[each.name], each, on_node.get(each.name, [])) for each in node_capacities(nodes, pods)]


def observe_type(obj: Object, group: str) -> SeenType:
    """Return what an InstanceType object says, and what is wrong with it."""
    metadata, spec = obj["metadata"], obj.get("spec")
    wrongs = instance_types.wrongs(metadata["name"], spec)
    spec = dict(spec) if isinstance(spec, Mapping) else {}
    annotations = metadata.get("annotations") or {}
    return SeenType(
        name=metadata["name"],
        group=group,
        spec=spec,
        description=neutral(str(spec.get("description") or "")[:300]),
        is_default=group == instance_types.OURS and annotations.get(instance_types.DEFAULT_ANNOTATION) == "true",
        problem=" ".join(wrong.text for wrong in wrongs)[:500],
        uid=str(metadata.get("uid") or ""),
        resource_version=str(metadata.get("resourceVersion") or ""),
    )


def distribution_of(version: str, nodes: Iterable[Object], groups: Iterable[str]) -> str:
    """Return which distribution of Kubernetes it is, as far as version, nodes and API groups tell."""
    groups, nodes = set(groups), list(nodes)
    if any(group.endswith("config.openshift.io") for group in groups):
        return "OpenShift"
    for mark, name in (("+k3s", "k3s"), ("+rke2", "RKE2"), ("-eks-", "EKS"), ("-gke.", "GKE")):
        if mark in version:
            return name
    labels = [node["metadata"].get("labels") or {} for node in nodes]
    keys = {key for each in labels for key in each}
    providers = {str((node.get("spec") or {}).get("providerID") or "").partition(":")[0] for node in nodes}
    for key, name in (
        ("kubernetes.azure.com/cluster", "AKS"),
        ("eks.amazonaws.com/nodegroup", "EKS"),
        ("cloud.google.com/gke-nodepool", "GKE"),
        ("microk8s.io/cluster", "MicroK8s"),
        ("minikube.k8s.io/name", "minikube"),
    ):
        if key in keys:
            return name
    if "kind" in providers:
        return "kind"
    if nodes and all(is_simulated(node) for node in nodes):
        return "kwok"
    annotations = {key for node in nodes for key in (node["metadata"].get("annotations") or {})}
    if "kubeadm.alpha.kubernetes.io/cri-socket" in annotations:
        return "kubeadm"
    return "Kubernetes"


def is_simulated(node: Object) -> bool:
    """Tell whether a node is kwok's invention: pods on it only look as if they ran."""
    metadata = node["metadata"]
    return bool((metadata.get("annotations") or {}).get("kwok.x-k8s.io/node")) or ((metadata.get("labels") or {}).get("type") == "kwok")


def is_terminating(namespace: Object | None) -> bool:
    """Tell whether a namespace is being deleted."""
    if namespace is None:
        return False
    return bool(namespace["metadata"].get("deletionTimestamp")) or (namespace.get("status") or {}).get("phase") == "Terminating"


def _seen(node: Object, each: NodeCapacity, pods: list[Object]) -> SeenNode:
    status = node.get("status") or {}
    info = status.get("nodeInfo") or {}
    return SeenNode(
        name=each.name,
        uid=str(node["metadata"].get("uid") or ""),
        ready=each.ready,
        schedulable=each.schedulable,
        reason=_reason(status) if not each.ready else "",
        kubelet_version=str(info.get("kubeletVersion") or ""),
        simulated=each.simulated,
        capacity=numbers(parse_resources(status.get("capacity"))),
        allocatable=numbers(each.allocatable),
        requested=numbers(each.requested),
        labels=dict(each.labels),
        taints=[dict(taint) for taint in each.taints],
        pods=each.pods,
        runs=_runs(pods),
    )


def numbers(amounts: Quantities) -> dict[str, Any]:
    """Return amounts for people's pictures (`cpu`, `memory`, `gpu`, `pods`), and all of them exactly."""
    return {
        "cpu": float(amounts.get("cpu", 0)),
        "memory": float(amounts.get("memory", 0)),
        "gpu": float(gpus(amounts)),
        "pods": float(amounts.get("pods", 0)),
        "exact": {name: format_quantity(value) for name, value in sorted(amounts.items())},
    }


def _reason(status: Object) -> str:
    for condition in status.get("conditions") or []:
        if condition.get("type") == "Ready":
            said = condition.get("message") or condition.get("reason") or "The node says that it is not ready"
            return str(said)[:300]
    return "The node has not reported yet"


def as_counted(pod: Object) -> dict[str, Any]:
    """Return of a pod what counting it asks for: a cluster has thousands that are nobody's here, and each is many objects to hold."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    kept = {name: spec[name] for name in ("nodeName", "overhead", "resources") if name in spec}
    kept |= {name: [_part(each, ASKS) for each in spec[name]] for name in CONTAINERS if spec.get(name)}
    resized = {name: [_part(each, HAS) for each in status[name] if HAS & each.keys() > {"name"}] for name in STATUSES if status.get(name)}
    return {
        "metadata": _part(metadata, {"name", "namespace", "uid", "labels"}),
        "spec": kept,
        "status": {name: each for name, each in resized.items() if each} | _part(status, {"phase"}),
    }


def _part(thing: Object, names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in thing.items() if name in names}


def _runs(pods: list[Object]) -> list[dict[str, Any]]:
    """Return who takes how much of a node, the largest first: our workspaces by name, others by namespace."""
    taken: dict[tuple[str, str], list[Object]] = {}
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        workspace = labels.get(WORKSPACE) if KIND in labels else None
        owner = (workspace, "workspace") if workspace else (pod["metadata"].get("namespace", ""), "namespace")
        taken.setdefault(owner, []).append(pod)
    rows = []
    for (whose, kind), theirs in taken.items():
        asks = add(*(pod_requests(pod) for pod in theirs))
        rows.append(
            {
                "owner": whose,
                "kind": kind,
                "cpu": float(asks.get("cpu", 0)),
                "memory": float(asks.get("memory", 0)),
                "gpu": float(gpus(asks)),
                "pods": len(theirs),
            }
        )
    return sorted(rows, key=lambda row: (row["kind"] != "workspace", -row["cpu"], row["owner"]))
