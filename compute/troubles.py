"""What is wrong across all clusters, in one list, the worst first. Rows only, no calls out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from compute.extension.models import Extension, ExtensionStatus
from compute.models import Cluster, ClusterStatus, Compute, ComputeStatus, Node
from studio.core.problems import CATALOGUE
from studio.core.tones import Tone

_WORST_FIRST: dict[Tone, int] = {"wrong": 0, "look": 1, "moving": 2, "neutral": 3, "good": 4}
# Beyond this many, an operator opens the cluster's own pages.
MOST = 100


@dataclass(frozen=True)
class Trouble:
    """One thing that an operator should look at: where it is, what it is, what to do, since when."""

    tone: Tone
    cluster: str
    where: str
    title: str
    text: str = ""
    todo: str = ""
    problem: str = ""
    url: str = ""
    since: datetime | None = None


def troubles(clusters: Iterable[Cluster] | None = None) -> list[Trouble]:
    """Return what is wrong with clusters, their nodes, extensions, certificates and computes; at most MOST."""
    rows = list(Cluster.objects.order_by("name") if clusters is None else clusters)
    ids = [row.pk for row in rows]
    found: list[Trouble] = []
    for cluster in rows:
        found += _of_cluster(cluster)
    gone = {row.pk for row in rows if row.status == ClusterStatus.UNREACHABLE}
    found += _of_nodes(Node.objects.filter(cluster__in=ids, ready=False).exclude(cluster__in=gone).select_related("cluster")[:MOST])
    broken = (ExtensionStatus.FAILED, ExtensionStatus.DEGRADED)
    found += [_of_extension(row) for row in Extension.objects.filter(cluster__in=ids, status__in=broken).select_related("cluster")]
    degraded = Compute.objects.filter(cluster__in=ids, status=ComputeStatus.DEGRADED).select_related("cluster", "workspace")
    found += [_of_compute(row) for row in degraded[:MOST]]
    return sorted(found, key=lambda one: (_WORST_FIRST[one.tone], one.cluster))[:MOST]


def shown(one: Trouble) -> dict[str, Any]:
    """Return a trouble as the API shows it."""
    return {
        "tone": one.tone,
        "cluster": one.cluster,
        "where": one.where,
        "title": one.title,
        "text": one.text,
        "todo": one.todo,
        "problem": one.problem or None,
        "since": one.since,
    }


def _of_cluster(cluster: Cluster) -> list[Trouble]:
    url = reverse("compute:cluster", args=[cluster.name])
    if cluster.status == ClusterStatus.UNREACHABLE:
        text = f"{cluster.reason.rstrip('.') or 'It does not answer'}."
        seen = f" It was last seen at {cluster.seen_at:%Y-%m-%d %H:%M} UTC." if cluster.seen_at else " It was never reached."
        return [Trouble("wrong", cluster.name, "cluster", "The cluster is lost", text + seen, _todo(cluster.problem_id),
                        cluster.problem_id, url, cluster.status_at)]  # fmt: skip
    found = [
        Trouble("look", cluster.name, _place_of(finding), finding["title"], finding["text"], finding.get("todo", ""), finding["id"],
                reverse(_page_of(finding), args=[cluster.name]), cluster.status_at)
        for finding in cluster.findings
    ]  # fmt: skip
    if cluster.allow_insecure and not any(one.problem == "cluster-insecure" for one in found):
        found.append(Trouble("look", cluster.name, "connection", "Its certificate is not checked",
                             "The studio connects without checking who answers.", "Replace the credentials by ones with a CA.",
                             url=reverse("compute:cluster-connection", args=[cluster.name])))  # fmt: skip
    return found


def _of_nodes(nodes: Iterable[Node]) -> list[Trouble]:
    by_cluster: dict[str, list[Node]] = {}
    for node in nodes:
        by_cluster.setdefault(node.cluster.name, []).append(node)
    found = []
    for name, rows in by_cluster.items():
        named = ", ".join(row.name for row in rows[:5]) + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")
        title = "A node is not ready" if len(rows) == 1 else f"{len(rows)} nodes are not ready"
        why = rows[0].reason
        found.append(Trouble("look", name, "nodes", title, f"{named}{f': {why}' if why else ''}.".replace("..", "."),
                             url=reverse("compute:cluster-nodes", args=[name])))  # fmt: skip
    return found


def _of_extension(row: Extension) -> Trouble:
    failed = row.status == ExtensionStatus.FAILED
    title = "The extension failed" if failed else "The extension is degraded"
    return Trouble("wrong" if failed else "look", row.cluster.name, "extension", title, row.reason, _todo(row.problem_id), row.problem_id,
                   reverse("compute:extension", args=[row.cluster.name]), row.status_at)  # fmt: skip


def _of_compute(row: Compute) -> Trouble:
    where = f"compute {row.workspace.name}/{row.name}"
    url = reverse("compute:compute-change", args=[row.cluster.name, row.workspace.name, row.name])
    title = "A compute is degraded"
    return Trouble("look", row.cluster.name, where, title, row.reason, _todo(row.problem_id), row.problem_id, url, row.status_at)


def _place_of(finding: dict[str, str]) -> str:
    return "network" if finding.get("of") == "network" else "cluster"


def _page_of(finding: dict[str, str]) -> str:
    return "compute:network" if finding.get("of") == "network" else "compute:cluster"


def _todo(problem: str) -> str:
    known = CATALOGUE.get(problem)
    # What to do may name what only the error knew.
    return known.todo if known and "{" not in known.todo else ""
