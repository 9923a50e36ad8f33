"""What every page of one cluster has around it: the row, the tabs, the crumbs, the age of what is shown."""

from typing import Any

from django.db.models import Count, Q, Value
from django.urls import reverse
from django.utils import timezone

from compute.instance_types import IMPLICIT
from compute.models import Cluster, ClusterStatus
from studio.core.errors import ProblemError
from studio.core.numbers import duration

TABS = (
    ("overview", "Overview", "compute:cluster"),
    ("nodes", "Nodes", "compute:cluster-nodes"),
    ("types", "Instance types", "compute:type-list"),
    ("computes", "Computes", "compute:compute-list"),
    ("extension", "Extension", "compute:extension"),
    ("network", "Network", "compute:network"),
    ("connection", "Connection", "compute:cluster-connection"),
    ("events", "Events", "compute:cluster-events"),
    ("audit", "Audit", "compute:cluster-audit"),
)


def cluster_or_404(name: str) -> Cluster:
    """Return a cluster by name with the counts that its tabs show."""
    counts = {
        "node_count": Count("nodes", distinct=True),
        "compute_count": Count("computes", distinct=True),
        # As the list has them: by name, with the implicit one unless a type of that name stands for it.
        "type_count": Count("instance_types__name", distinct=True)
        + Value(1)
        - Count("instance_types__name", filter=Q(instance_types__name=IMPLICIT), distinct=True),
    }
    row = Cluster.objects.annotate(**counts).filter(name=name).first()
    if row is None:
        raise ProblemError("not-found")
    return row


def cluster_frame(cluster: Cluster, tab: str, *, here: str = "") -> dict[str, Any]:
    """Return the context that the template of a cluster's frame takes."""
    counts = {
        "nodes": getattr(cluster, "node_count", None),
        "computes": getattr(cluster, "compute_count", None),
        "types": getattr(cluster, "type_count", None),
    }
    crumbs = [("Clusters", reverse("compute:cluster-list"))]
    if here:
        crumbs.append((cluster.name, reverse("compute:cluster", args=[cluster.name])))
    return {
        "cluster": cluster,
        "tab": tab,
        "tabs": [
            {"title": title, "url": reverse(url, args=[cluster.name]), "active": key == tab, "count": counts.get(key)}
            for key, title, url in TABS
        ],
        "crumbs": crumbs,
        "here": here or cluster.name,
        "stale_text": stale_text(cluster),
        "menu_links": [
            {"title": "Check again", "icon": "refresh", "post": reverse("compute:cluster-probe", args=[cluster.name])},
            {"title": "Rename", "icon": "edit", "url": reverse("compute:cluster-edit", args=[cluster.name])},
            {"title": "Replace credentials", "icon": "key", "url": reverse("compute:cluster-credentials", args=[cluster.name])},
            {"title": "Detach cluster", "icon": "unlink", "url": reverse("compute:cluster-detach", args=[cluster.name])},
        ],
    }


def stale_text(cluster: Cluster) -> str:
    """Return how old what is shown of a cluster is, when it is not live; empty when it is."""
    if cluster.status != ClusterStatus.UNREACHABLE:
        return ""
    if cluster.seen_at is None:
        return f"{cluster.name} was never reached."
    age = duration(int((timezone.now() - cluster.seen_at).total_seconds()))
    return f"{cluster.name} is unreachable. What is shown is {age} old."
