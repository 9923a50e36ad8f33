"""What is known of the extension of a cluster: rows only, no calls out."""

import difflib
from typing import Any

from compute.extension.models import Extension, ExtensionOperation, ExtensionRevision, ExtensionStatus
from compute.extension.wanted import read
from compute.models import Cluster
from compute.router import router_of
from studio.core.errors import ProblemError


def extension_of(cluster: Cluster) -> Extension:
    """Return a cluster's extension; one that was never installed is not kept."""
    return Extension.objects.filter(cluster=cluster).first() or Extension(cluster=cluster)


def workload_placement(cluster: Cluster) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return the node selector and tolerations that every workload of a cluster gets: nodeSelector and workLoadToleration."""
    row = Extension.objects.filter(cluster=cluster).first()
    if row is None or not row.settings:
        return {}, []
    wanted, _ = read(row.settings)
    return wanted.node_selector, wanted.tolerations


def takes_jobs(cluster: Cluster) -> bool:
    """Tell whether jobs may run: not where the extension says no to training; a cluster without extension takes them."""
    row = Extension.objects.filter(cluster=cluster).first()
    return row is None or not row.settings or bool(row.settings.get("enableTraining"))


def check_takes_endpoints(cluster: Cluster, *, field: str | None = None) -> None:
    """Refuse endpoints where there is no router for them."""
    row = Extension.objects.filter(cluster=cluster).first()
    if row is None or row.status == ExtensionStatus.ABSENT or not row.settings:
        raise ProblemError("extension-absent", field=field, cluster=cluster.name)
    if not row.settings.get("enableInference"):
        raise ProblemError("extension-no-inference", field=field, cluster=cluster.name)


def last_operation(row: Extension) -> ExtensionOperation | None:
    """Return what is being done to an extension, or was done last."""
    return row.operations.select_related("actor").first() if row.pk else None


def revision_of(cluster: Cluster, number: int) -> ExtensionRevision:
    """Return one revision."""
    found = ExtensionRevision.objects.filter(extension__cluster=cluster, number=number).select_related("actor").first()
    if found is None:
        raise ProblemError("extension-revision-none", cluster=cluster.name, number=number)
    return found


def manifest_difference(old: ExtensionRevision, new: ExtensionRevision) -> str:
    """Return how the rendered objects of two revisions differ, as a unified diff."""
    lines = difflib.unified_diff(
        old.manifest.splitlines(), new.manifest.splitlines(), f"revision {old.number}", f"revision {new.number}", lineterm="", n=3
    )
    return "\n".join(lines)


def shown(cluster: Cluster) -> dict[str, Any]:
    """Return the extension as the API shows it."""
    row = extension_of(cluster)
    operation = last_operation(row)
    router = router_of(cluster)
    return {
        "cluster": cluster.name,
        "status": row.status,
        "reason": row.reason,
        "problem": row.problem_id or None,
        "status_at": row.status_at,
        "settings": row.settings,
        "revision": row.revision or None,
        "router": {
            "ready": router.ready,
            "base_url": router.base_url or None,
            "address": router.address or None,
            "in_cluster": router.in_cluster,
            "insecure": router.insecure,
            "plain_http": router.insecure or router.plain_too,
            "reason": router.reason,
        },
        "objects": row.health,
        "seen_at": row.seen_at,
        "operation": shown_operation(operation) if operation else None,
    }


def shown_operation(row: ExtensionOperation) -> dict[str, Any]:
    """Return one operation as the API shows it."""
    return {
        "id": row.pk,
        "kind": row.kind,
        "status": row.status,
        "reason": row.reason,
        "problem": row.problem or None,
        "settings": row.settings,
        "target": row.target,
        "steps": row.steps,
        "objects": row.objects_seen,
        "output": row.output,
        "by": row.actor.username if row.actor else None,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }


def shown_revision(row: ExtensionRevision, *, current: int, whole: bool = False) -> dict[str, Any]:
    """Return one revision as the API shows it."""
    answer = {
        "number": row.number,
        "current": row.number == current,
        "kind": row.kind,
        "of": row.of,
        "kept": row.kept,
        "settings": row.settings,
        "charts": row.charts,
        "digest": row.digest,
        "helm_revision": row.helm_revision,
        "by": row.actor.username if row.actor else None,
        "made_at": row.made_at,
    }
    return answer | ({"manifest": row.manifest} if whole else {})
