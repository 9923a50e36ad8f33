"""What there is: clusters, computes, their instance types, and what fits on them now. Rows only, no calls out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Count, QuerySet

from compute import instance_types
from compute.connections import connection_of, kube_client
from compute.extension.selectors import workload_placement
from compute.instance_types import TypeSpec
from compute.kube.capacity import Fit, fits_on, node_capacities
from compute.kube.quantities import add, format_quantity, parse_resources
from compute.kube.quotas import room
from compute.models import Cluster, Compute, Node
from studio.accounts.models import Workspace
from studio.core.errors import ProblemError

__all__ = [
    "Capacity",
    "capacity_of",
    "cluster_named",
    "clusters",
    "compute_for",
    "computes_of",
    "connection_of",
    "default_type",
    "fits",
    "fits_of",
    "instance_type",
    "kube_client",
    "sets_user_ids",
    "types_of",
]

# What the runner asks for beside the job's own container (jobs.manifests): so much less fits.
BESIDE = {"cpu": "10m", "memory": "32Mi"}
BESIDE_LIMITS = {"memory": "256Mi"}


def clusters() -> QuerySet[Cluster]:
    """Return all clusters with how many computes each has."""
    return Cluster.objects.annotate(compute_count=Count("computes")).order_by("name")


def cluster_named(name: str) -> Cluster:
    """Return a cluster by name; there is nothing when there is none."""
    found = clusters().filter(name=name).first()
    if found is None:
        raise ProblemError("not-found")
    return found


def computes_of(workspace: Workspace) -> QuerySet[Compute]:
    """Return the computes of a workspace with their clusters."""
    return Compute.objects.filter(workspace=workspace).select_related("cluster", "workspace").order_by("name")


def compute_for(workspace: Workspace, name: str) -> Compute:
    """Return a workspace's compute by name; raises ProblemError `compute-none`."""
    found = computes_of(workspace).filter(name=name).first()
    if found is None:
        raise ProblemError("compute-none", field="compute", name=name)
    return found


def types_of(cluster: Cluster) -> dict[str, TypeSpec]:
    """Return a cluster's instance types by name, the implicit one included; unusable ones carry their problem."""
    rows = [
        TypeSpec(row.name, row.group, row.spec, row.description, row.is_default, row.problem, row=row)
        for row in cluster.instance_types.all()
    ]
    return instance_types.effective(rows)


def default_type(compute: Compute, types: dict[str, TypeSpec] | None = None) -> str:
    """Return the name of the instance type for jobs that name none."""
    return instance_types.default_name(types or types_of(compute.cluster), compute.default_instance_type)


def instance_type(compute: Compute, name: str | None = None) -> dict[str, Any]:
    """Return an instance type's spec (`nodeSelector`, `tolerations`, `resources`) with its `name`.

    Without a name the default counts. Raises `instance-type-none` or `instance-type-invalid`.
    """
    types = types_of(compute.cluster)
    chosen = types.get(name or default_type(compute, types))
    if chosen is None:
        raise ProblemError("instance-type-none", field="instance_type", compute=compute.name, name=name,
                           names=", ".join(types))  # fmt: skip
    if chosen.problem:
        raise ProblemError("instance-type-invalid", field="instance_type", text=f"{chosen.name}: {chosen.problem}")
    return {
        "name": chosen.name,
        "nodeSelector": chosen.node_selector,
        "tolerations": chosen.tolerations,
        "resources": {"requests": chosen.requests, "limits": chosen.limits},
    }


def fits(compute: Compute, nodes: Iterable[Node] | None = None) -> dict[str, Fit]:
    """Return for each instance type how many processes of it fit now (`count`), and why none does (`reason`)."""
    types = types_of(compute.cluster)
    on_nodes = _fits_on_nodes(compute.cluster, types, compute.cluster.nodes.all() if nodes is None else nodes)
    return _within_all_quotas(compute, types, on_nodes)


def fits_of(computes: Iterable[Compute]) -> dict[int, dict[str, Fit]]:
    """Return the same for many computes, by their id: those of one cluster have the same nodes, which are counted once."""
    by_cluster: dict[int, tuple[dict[str, TypeSpec], dict[str, Fit]]] = {}
    found = {}
    for compute in computes:
        if compute.cluster_id not in by_cluster:
            types = types_of(compute.cluster)
            by_cluster[compute.cluster_id] = types, _fits_on_nodes(compute.cluster, types, compute.cluster.nodes.all())
        found[compute.pk] = _within_all_quotas(compute, *by_cluster[compute.cluster_id])
    return found


def _fits_on_nodes(cluster: Cluster, types: dict[str, TypeSpec], nodes: Iterable[Node]) -> dict[str, Fit]:
    """Return how many processes of each instance type the nodes of a cluster take."""
    # What runs is already in the rows: one pod a node that asks for what all of its pods do.
    pairs = [_as_pods(_as_node(node)) for node in nodes]
    capacities = node_capacities([node for node, _ in pairs], [pod for _, pod in pairs])
    placement = workload_placement(cluster)
    return {
        name: Fit(0, each.problem, ever=False) if each.problem else fits_on(_as_run(each, *placement), capacities)
        for name, each in types.items()
    }


def _within_all_quotas(compute: Compute, types: dict[str, TypeSpec], on_nodes: dict[str, Fit]) -> dict[str, Fit]:
    return {name: fit if types[name].problem else _within_quotas(compute, types[name], fit) for name, fit in on_nodes.items()}


def _within_quotas(compute: Compute, each: TypeSpec, fit: Fit) -> Fit:
    """Return no more than the quotas of the compute's namespace let in: free room on the nodes is not all that counts."""
    requests = add(parse_resources({**each.limits, **each.requests}), parse_resources(BESIDE))
    limits = add(parse_resources(each.limits), parse_resources(BESIDE_LIMITS))
    least, why = room(compute.quotas, requests, limits)
    if least is None or least >= fit.count:
        return fit
    return replace(fit, count=least, reason=fit.reason or ("" if least else why))


def sets_user_ids(compute: Compute) -> bool:
    """Tell whether the cluster gives each namespace its own range of user ids (OpenShift): pods then name none."""
    return compute.cluster.distribution == "OpenShift"


@dataclass(frozen=True)
class Capacity:
    """Add up what a cluster's usable nodes offer and what is asked for of it (cores, bytes, GPUs, pods)."""

    nodes: int
    ready: int
    cpu: float
    cpu_requested: float
    memory: float
    memory_requested: float
    gpu: float
    gpu_requested: float
    pods: float
    pods_running: float

    @property
    def has_gpus(self) -> bool:
        return self.gpu > 0


def capacity_of(nodes: Iterable[Node]) -> Capacity:
    """Return the sum over nodes; those that are not ready or cordoned are counted and not added up."""
    listed = list(nodes)
    usable = [node for node in listed if node.ready and node.schedulable]

    def summed(side: str, key: str) -> float:
        return sum(getattr(node, side).get(key, 0) for node in usable)

    return Capacity(
        nodes=len(listed),
        ready=sum(1 for node in listed if node.ready),
        cpu=summed("allocatable", "cpu"),
        cpu_requested=summed("requested", "cpu"),
        memory=summed("allocatable", "memory"),
        memory_requested=summed("requested", "memory"),
        gpu=summed("allocatable", "gpu"),
        gpu_requested=summed("requested", "gpu"),
        pods=summed("allocatable", "pods"),
        pods_running=sum(node.pods for node in usable),
    )


def _as_run(each: TypeSpec, selector: dict[str, str], tolerations: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the spec as its pods have it: with what runs beside the command, and where all workloads of the cluster run."""
    asks = parse_resources({**each.limits, **each.requests})
    whole = {name: format_quantity(value) for name, value in add(asks, parse_resources(BESIDE)).items()}
    return {
        "nodeSelector": {**selector, **each.node_selector},
        "tolerations": [*each.tolerations, *tolerations],
        "resources": {"requests": whole},
    }


def _as_node(node: Node) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True" if node.ready else "False"}
    return {
        "metadata": {"name": node.name, "labels": node.labels},
        "spec": {"unschedulable": not node.schedulable, "taints": node.taints},
        "status": {"conditions": [ready], "allocatable": node.allocatable.get("exact") or {}},
        "_requested": node.requested.get("exact") or {},
        "_pods": node.pods,
    }


def _as_pods(node: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    requested, count = node.pop("_requested"), node.pop("_pods")
    name = node["metadata"]["name"]
    allocatable = dict(node["status"]["allocatable"])
    if "pods" in allocatable and count:
        # The one stand-in pod takes one place; the others are taken off what the node offers.
        allocatable["pods"] = str(max(int(float(allocatable["pods"])) - count + 1, 0))
        node["status"]["allocatable"] = allocatable
    asks = {key: value for key, value in requested.items() if key != "pods"}
    pod = {
        "metadata": {"name": f"all-of-{name}"},
        "spec": {"nodeName": name, "containers": [{"name": "all", "resources": {"requests": asks}}]},
        "status": {"phase": "Running"},
    }
    return node, pod if count else {**pod, "status": {"phase": "Succeeded"}}
