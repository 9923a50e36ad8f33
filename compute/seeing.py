"""Note what the watch sees: called in the stream leg's executor, each safe to run twice."""

from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from compute.findings import with_sources
from compute.kube.errors import KubeError
from compute.kube.quotas import observe_quota
from compute.models import Cluster, ClusterStatus, Compute
from compute.observe import observe_nodes, observe_type
from compute.probing import NODE_FINDINGS, lost, node_findings, settle
from compute.records import keep_instance_types, keep_nodes, node_facts
from studio.core.states import touch

Object = dict[str, Any]
TELL_SECONDS = 30
SETTLED = (ClusterStatus.READY, ClusterStatus.DEGRADED, ClusterStatus.UNREACHABLE)


def write_nodes(cluster_id: int, nodes: list[Object], pods: list[Object], there: set[str] | None = None) -> None:
    """Make a cluster's node rows as seen, and its state as they say; of others that are `there` the rows stay as they are."""
    cluster = Cluster.objects.filter(pk=cluster_id).first()
    if cluster is None:
        return
    changed = keep_nodes(cluster, observe_nodes(nodes, pods), there=there)
    if not changed and there is not None:
        return
    facts = node_facts(cluster)
    if facts != cluster.facts:
        Cluster.objects.filter(pk=cluster_id).update(facts=facts)
    if not _judged(cluster) and changed:
        touch(cluster, seen_at=timezone.now())
        cluster.announce()


def write_types(cluster_id: int, objects: list[Object], group: str) -> None:
    """Make the rows of one group's instance types as seen."""
    cluster = Cluster.objects.filter(pk=cluster_id).first()
    if cluster and keep_instance_types(cluster, [observe_type(each, group) for each in objects], group):
        touch(cluster)
        cluster.announce()


def write_quotas(cluster_id: int, quotas: list[Object]) -> None:
    """Note what the ResourceQuotas of each compute's namespace leave."""
    for compute in Compute.objects.filter(cluster=cluster_id).select_related("workspace"):
        own = (each for each in quotas if each["metadata"]["namespace"] == compute.namespace)
        seen = sorted((kept for each in own if (kept := observe_quota(each))), key=lambda kept: str(kept["name"]))
        if seen != compute.quotas:
            Compute.objects.filter(pk=compute.pk).update(quotas=seen)
            compute.announce()


def still_there(cluster_id: int) -> None:
    """Note that the cluster answered just now: what is shown is that young."""
    now = timezone.now()
    cluster = Cluster.objects.filter(pk=cluster_id, status__in=[ClusterStatus.READY, ClusterStatus.DEGRADED]).first()
    if cluster is None:
        return
    before = cluster.seen_at
    Cluster.objects.filter(pk=cluster_id).update(seen_at=now)
    # Pages count the age up by themselves; now and then they are told that it is young.
    if before is None or int(before.timestamp() / TELL_SECONDS) != int(now.timestamp() / TELL_SECONDS):
        cluster.announce()


def lost_since(cluster_id: int, error: KubeError, since: float) -> None:
    """Say that a cluster is lost, and until when what is shown was true."""
    cluster = Cluster.objects.filter(pk=cluster_id).first()
    if cluster is None:
        return
    heard = datetime.fromtimestamp(since, UTC)
    if cluster.seen_at and heard > cluster.seen_at:
        Cluster.objects.filter(pk=cluster_id).update(seen_at=heard)
    lost(cluster, error)


def seen_again(cluster_id: int) -> None:
    """Say that a lost cluster is back."""
    cluster = Cluster.objects.filter(pk=cluster_id, status=ClusterStatus.UNREACHABLE).first()
    if cluster:
        settle(cluster, _findings(cluster))


def _judged(cluster: Cluster) -> bool:
    """Settle the cluster anew when what its nodes say is not what its state says; True when this was done."""
    if cluster.status not in SETTLED:
        return False
    findings = _findings(cluster)
    if findings == cluster.findings and cluster.status != ClusterStatus.UNREACHABLE:
        return False
    settle(cluster, findings)
    return True


def _findings(cluster: Cluster) -> list[dict[str, str]]:
    kept = [each for each in cluster.findings if each["id"] not in NODE_FINDINGS]
    return with_sources(cluster, kept + node_findings(cluster))
