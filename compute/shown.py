"""Clusters, computes and instance types as the API shows them; no secret is among it."""

from typing import Any

from compute import selectors
from compute.instance_types import TypeSpec
from compute.kube.capacity import Fit
from compute.models import Cluster, Compute
from compute.selectors import Capacity, capacity_of


def cluster(row: Cluster, *, whole: bool = False) -> dict[str, Any]:
    """Return a cluster; `whole` adds its nodes and what its last probe found."""
    nodes = list(row.nodes.all())
    answer: dict[str, Any] = {
        "name": row.name,
        "server": row.server,
        "context": row.context,
        "in_cluster": row.in_cluster,
        "insecure": row.allow_insecure,
        "status": row.status,
        "reason": row.reason,
        "problem": row.problem_id or None,
        "status_at": row.status_at,
        "seen_at": row.seen_at,
        "kubernetes_version": row.kubernetes_version,
        "distribution": row.distribution,
        "simulated": row.simulated,
        "log_route": row.log_route,
        "pods_reach_studio": row.pods_reach_studio,
        "capacity": capacity(capacity_of(nodes)),
        "created_at": row.created_at,
    }
    if whole:
        answer["probed_at"] = row.probed_at
        answer["findings"] = row.findings
        answer["log_route_detail"] = row.log_route_detail
        answer["pods_reach_studio_detail"] = row.pods_reach_studio_detail
        answer["nodes"] = [
            {
                "name": node.name,
                "ready": node.ready,
                "schedulable": node.schedulable,
                "kubelet_version": node.kubelet_version,
                "allocatable": node.allocatable.get("exact") or {},
                "requested": node.requested.get("exact") or {},
                "pods": node.pods,
                "labels": node.labels,
                "taints": node.taints,
            }
            for node in nodes
        ]
        computes = row.computes.select_related("workspace", "cluster")
        answer["computes"] = [
            {"workspace": each.workspace.name, "name": each.name, "namespace": each.namespace, "status": each.shown_status}
            for each in computes
        ]
    return answer


def capacity(of: Capacity) -> dict[str, Any]:
    """Return what there is and what is asked for of it: cores, bytes, GPUs."""
    return {
        "nodes": of.nodes,
        "nodes_ready": of.ready,
        "cpu": {"total": of.cpu, "requested": of.cpu_requested},
        "memory": {"total": of.memory, "requested": of.memory_requested},
        "gpu": {"total": of.gpu, "requested": of.gpu_requested},
        "pods": {"total": of.pods, "requested": of.pods_running},
    }


def compute(row: Compute, *, whole: bool = False) -> dict[str, Any]:
    """Return a compute; `whole` adds its capacity and what fits on it now."""
    answer: dict[str, Any] = {
        "name": row.name,
        "workspace": row.workspace.name,
        "cluster": row.cluster.name,
        "namespace": row.namespace,
        "namespace_made": row.namespace_made,
        "status": row.shown_status,
        "reason": row.shown_reason,
        "seen_at": row.cluster.seen_at,
        "simulated": row.cluster.simulated,
        "default_instance_type": selectors.default_type(row),
        "run_as_root": row.run_as_root,
        "description": row.description,
        "created_at": row.created_at,
    }
    if whole:
        nodes = list(row.cluster.nodes.all())
        fits = selectors.fits(row, nodes)
        answer["capacity"] = capacity(capacity_of(nodes))
        answer["instance_types"] = [instance_type(each, fits.get(name)) for name, each in selectors.types_of(row.cluster).items()]
    return answer


def instance_type(each: TypeSpec, fit: Fit | None = None) -> dict[str, Any]:
    """Return an instance type, with what fits now where that is known."""
    answer: dict[str, Any] = {
        "name": each.name,
        "group": each.group or None,
        "implicit": each.implicit,
        "default": each.is_default,
        "description": each.description,
        "size": each.size,
        "spec": dict(each.spec),
        "problem": each.problem or None,
        "resource_version": each.row.resource_version if each.row else None,
    }
    if fit is not None:
        answer |= {"fits_now": fit.count, "why_not": fit.reason, "fits_when_empty": fit.ever}
    return answer
