"""How much of a cluster is free, and how many pods of a shape fit now: pure functions over nodes and pods.

Counting follows Kubernetes: a pod's request is the larger of its init containers' peak and the sum of what runs
together, sidecars included (KEP-753), plus overhead (KEP-688); pod-level resources win where they are given (KEP-2837);
a pod being resized counts with the larger of what it has and what it wants (KEP-1287).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from compute.kube.quantities import Quantities, add, display, gpus, is_gpu, largest, parse_resources, subtract, total

Object = Mapping[str, Any]
ENOUGH = 100_000  # a shape that asks for nothing fits "without limit"; this is where counting ends


@dataclass(frozen=True)
class NodeCapacity:
    """Say what one node offers and what is taken."""

    name: str
    ready: bool
    schedulable: bool
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, str], ...]
    allocatable: Quantities
    requested: Quantities
    pods: int
    gpu_product: str | None = None
    simulated: bool = False

    @property
    def free(self) -> Quantities:
        """Return what is left, never below zero."""
        left = subtract(self.allocatable, self.requested)
        return {name: max(value, Fraction(0)) for name, value in left.items()}

    @property
    def gpus(self) -> Fraction:
        """Return how many GPUs the node offers."""
        return gpus(self.allocatable)


@dataclass(frozen=True)
class ClusterCapacity:
    """Add up what the nodes that can take pods offer, and what is taken there."""

    nodes: tuple[NodeCapacity, ...]
    allocatable: Quantities
    requested: Quantities
    waiting: int
    free: Quantities = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """Say how many pods fit now; when none does, why, and whether one would on empty nodes."""

    count: int
    reason: str = ""
    ever: bool = True
    per_node: Mapping[str, int] = field(default_factory=dict)

    def __int__(self) -> int:
        return self.count


def cluster_capacity(nodes: Iterable[Object], pods: Iterable[Object]) -> ClusterCapacity:
    """Return what the cluster offers; nodes that are not ready or cordoned are listed, and not added up."""
    pods = list(pods)
    listed = node_capacities(nodes, pods)
    usable = [node for node in listed if node.ready and node.schedulable]
    return ClusterCapacity(
        nodes=tuple(listed),
        allocatable=total(node.allocatable for node in usable),
        requested=total(node.requested for node in usable),
        waiting=sum(1 for pod in pods if _waits_for_a_node(pod)),
        free=total(node.free for node in usable),
    )


def node_capacities(nodes: Iterable[Object], pods: Iterable[Object]) -> list[NodeCapacity]:
    """Return each node's capacity, by name."""
    by_node: dict[str, list[Object]] = {}
    for pod in pods:
        if name := _holding_node(pod):
            by_node.setdefault(name, []).append(pod)
    listed = [_node_capacity(node, by_node.get(node["metadata"]["name"], [])) for node in nodes]
    return sorted(listed, key=lambda node: node.name)


def pod_requests(pod: Object) -> Quantities:
    """Return what the scheduler sets aside for a pod (without the pod itself as one of ``pods``)."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    running = add(*(_container_requests(each, status) for each in spec.get("containers") or []))
    sidecars: Quantities = {}
    peak: Quantities = {}
    for container in spec.get("initContainers") or []:
        asks = _container_requests(container, status)
        if container.get("restartPolicy") == "Always":
            sidecars = add(sidecars, asks)
            peak = largest(peak, sidecars)
        else:
            peak = largest(peak, add(sidecars, asks))
    whole = largest(add(running, sidecars), peak)
    whole = {**whole, **_effective_requests(spec.get("resources") or {})}
    return add(whole, parse_resources(spec.get("overhead")))


def shape_requests(shape: Object) -> Quantities:
    """Return the requests of an instance type's spec; a limit without a request counts as one."""
    return _effective_requests(shape.get("resources") or {})


def fits(shape: Object, nodes: Iterable[Object], pods: Iterable[Object], *, extra: Quantities | None = None) -> Fit:
    """Return how many more pods of an instance type's shape the cluster can take now.

    ``shape`` is an InstanceType's spec (``nodeSelector``, ``tolerations``, ``resources``); ``extra`` is what a pod
    asks for beside it (the runner's sidecar).
    """
    return fits_on(shape, node_capacities(nodes, pods), extra=extra)


def fits_on(shape: Object, nodes: Iterable[NodeCapacity], *, extra: Quantities | None = None) -> Fit:
    """Return the same for nodes that were read before: many shapes are asked of the same nodes."""
    asks = add(shape_requests(shape), extra or {})
    # Each pod takes one of the node's places, whatever else it asks for.
    needs = add({name: value for name, value in asks.items() if value > 0}, {"pods": Fraction(1)})
    verdicts = [_verdict(shape, needs, node) for node in nodes]
    per_node = {verdict.node: verdict.count for verdict in verdicts if verdict.count}
    count = min(sum(per_node.values()), ENOUGH)
    ever = any(verdict.ever for verdict in verdicts)
    return Fit(count, "" if count else _explain(verdicts, asks, ever=ever), ever, per_node)


def tolerates(tolerations: Sequence[Object], taint: Object) -> bool:
    """Tell whether one of the tolerations covers a taint."""
    return any(_covers(toleration, taint) for toleration in tolerations)


def is_ready(node: Object) -> bool:
    """Tell whether a node says that it is ready."""
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


@dataclass(frozen=True)
class _Verdict:
    node: str
    count: int
    ever: bool
    why: tuple[str, ...] = ()  # what stands against this node, each in words that can be counted
    short: Mapping[str, Fraction] = field(default_factory=dict)  # resource → what is free of it here


def _node_capacity(node: Object, pods: list[Object]) -> NodeCapacity:
    metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    requested = total(pod_requests(pod) for pod in pods)
    requested["pods"] = Fraction(len(pods))
    return NodeCapacity(
        name=metadata["name"],
        ready=is_ready(node),
        schedulable=not spec.get("unschedulable"),
        labels=labels,
        taints=tuple(spec.get("taints") or ()),
        allocatable=parse_resources(status.get("allocatable") or status.get("capacity")),
        requested=requested,
        pods=len(pods),
        gpu_product=labels.get("nvidia.com/gpu.product") or labels.get("amd.com/gpu.product-name"),
        simulated=annotations.get("kwok.x-k8s.io/node") is not None or labels.get("type") == "kwok",
    )


def _holding_node(pod: Object) -> str | None:
    """Return the node whose room the pod takes: until it has ended, also while it is being deleted."""
    if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
        return None
    return (pod.get("spec") or {}).get("nodeName") or None


def _waits_for_a_node(pod: Object) -> bool:
    phase = (pod.get("status") or {}).get("phase", "Pending")
    return phase == "Pending" and not (pod.get("spec") or {}).get("nodeName")


def _container_requests(container: Object, status: Object) -> Quantities:
    asks = _effective_requests(container.get("resources") or {})
    every = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
    for each in every:
        if each.get("name") == container.get("name"):
            has = parse_resources((each.get("resources") or {}).get("requests"))
            return largest(asks, has, parse_resources(each.get("allocatedResources")))
    return asks


def _effective_requests(resources: Object) -> Quantities:
    return {**parse_resources(resources.get("limits")), **parse_resources(resources.get("requests"))}


def _verdict(shape: Object, needs: Quantities, node: NodeCapacity) -> _Verdict:
    offers = {"pods": Fraction(ENOUGH), **node.allocatable}
    lasting = tuple(reason for check in (_selector, _tainted) if (reason := check(shape, node)))
    ever = not lasting and all(offers.get(name, Fraction(0)) >= value for name, value in needs.items())
    why = tuple(reason for check in (_not_ready, _cordoned) if (reason := check(node))) + lasting
    if why:
        return _Verdict(node.name, 0, ever=ever, why=why)
    free = {name: offers.get(name, Fraction(0)) - node.requested.get(name, Fraction(0)) for name in needs}
    short = {name: max(free[name], Fraction(0)) for name, value in needs.items() if free[name] < value}
    if short:
        return _Verdict(node.name, 0, ever=ever, short=short)
    return _Verdict(node.name, min(int(free[name] // value) for name, value in needs.items()), ever=True)


def _not_ready(node: NodeCapacity) -> str | None:
    return None if node.ready else "is not ready"


def _cordoned(node: NodeCapacity) -> str | None:
    return None if node.schedulable else "is closed for new pods (cordoned)"


def _selector(shape: Object, node: NodeCapacity) -> str | None:
    wanted = shape.get("nodeSelector") or {}
    missing = [f"{key}={value}" for key, value in sorted(wanted.items()) if node.labels.get(key) != str(value)]
    return f"is without the label {', '.join(missing)}" if missing else None


def _tainted(shape: Object, node: NodeCapacity) -> str | None:
    tolerations = shape.get("tolerations") or []
    for taint in node.taints:
        if taint.get("effect") in {"NoSchedule", "NoExecute"} and not tolerates(tolerations, taint):
            return f"is kept off by the taint {taint_text(taint)}, which the instance type does not tolerate"
    return None


def taint_text(taint: Object) -> str:
    """Return a taint as ``kubectl`` writes it: ``key=value:Effect``."""
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint.get('key', '')}{value}:{taint.get('effect', '')}"


def _covers(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    key, operator = toleration.get("key") or "", toleration.get("operator") or "Equal"
    if not key:
        return operator == "Exists"
    if key != taint.get("key"):
        return False
    return operator == "Exists" or str(toleration.get("value") or "") == str(taint.get("value") or "")


def _explain(verdicts: list[_Verdict], asks: Quantities, *, ever: bool) -> str:
    if not verdicts:
        return "The cluster has no nodes."
    # What stands in the way of a node that is otherwise right comes first: that is what can change by waiting.
    reasons: Counter[str] = Counter()
    shortages = [verdict for verdict in verdicts if verdict.short]
    reasons.update(_shortage(name, asks, shortages) for verdict in shortages for name in verdict.short)
    reasons.update(verdict.why[0] for verdict in verdicts if verdict.why)
    parts = ", ".join(_counted(count, reason) for reason, count in reasons.items())
    nodes = "The only node cannot" if len(verdicts) == 1 else f"None of the {len(verdicts)} nodes can"
    sentence = f"{nodes} take it now: {parts}."
    return sentence if ever else sentence + " Waiting will not help: no node could take it even if it were empty."


def _shortage(name: str, asks: Quantities, shortages: list[_Verdict]) -> str:
    if name == "pods":
        return "is at its limit of pods"
    most = max(verdict.short[name] for verdict in shortages if name in verdict.short)
    free = f"at most {display(name, most)} free" if most else "none free"
    return f"is short of {_resource(name)} ({display(name, asks[name])} asked for, {free})"


def _resource(name: str) -> str:
    if name in {"cpu", "memory"}:
        return {"cpu": "CPU", "memory": "memory"}[name]
    return "GPUs" if is_gpu(name) and name.endswith("/gpu") else name


def _counted(count: int, reason: str) -> str:
    return f"1 node {reason}" if count == 1 else f"{count} nodes are {reason.removeprefix('is ')}"
