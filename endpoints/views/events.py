"""What happened to an endpoint: its states and its deployments', and what its cluster says of their pods."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from compute.kube import kinds
from compute.kube.client import event_time
from compute.kube.errors import KubeError
from compute.kube.kubeconfig_parts import KubeconfigRefused
from compute.selectors import kube_client
from endpoints.models import Endpoint
from endpoints.selectors import deployments_of, endpoint_for
from endpoints.tables import CHANGES, change_lines
from endpoints.views.parts import frame_of, head_of
from jobs.views.events import EXPLAINED
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.tables.page import list_page

MOST_EVENTS = 200

MEANS = EXPLAINED | {
    "ScalingReplicaSet": "The Deployment makes or ends pods of a revision.",
    "SuccessfulCreate": "A pod was made.",
    "SuccessfulDelete": "A pod was taken away.",
    "Unhealthy": "A probe of the container failed; with readiness it gets no requests until it passes.",
}


@require_GET
@workspace_view("reader")
def events(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponseBase:
    """List the changes of state; what the cluster says is asked once the page stands (`?part=cluster`)."""
    endpoint = endpoint_for(workspace, name)
    if request.GET.get("part") == "cluster":
        return render(request, "endpoints/cluster_events.html", {**head_of(workspace, endpoint), **cluster_events(endpoint)})
    # Without scripts nothing asks later: the link on the page brings them along.
    asked = "cluster" in request.GET
    context = frame_of(request, workspace, endpoint, "events") | {"asked": asked, **(cluster_events(endpoint) if asked else {})}
    rows, topics = endpoint.changes.all(), f"endpoint:{endpoint.pk}"
    return list_page(
        request, CHANGES, "endpoints/events.html", rows=rows, lines=change_lines, workspace=workspace, topics=topics, context=context
    )


def cluster_events(endpoint: Endpoint) -> dict[str, Any]:
    """Ask the cluster for what it says of the endpoint's objects and pods; one that does not answer is said."""
    if endpoint.compute is None:
        return {"trouble": "The cluster of this endpoint was detached; what it said is gone with it."}
    names = {endpoint.object_name: ""}
    names |= {row.object_name: row.name for row in deployments_of(endpoint)}
    try:
        # One list of the namespace instead of one a pod: pods come and go with every rollout.
        found = kube_client(endpoint.compute.cluster).list(kinds.EVENT, endpoint.namespace)
    except (KubeError, KubeconfigRefused) as error:
        return {"trouble": f"Cluster {endpoint.compute.cluster.name} does not answer: {error}", "seen_at": endpoint.compute.cluster.seen_at}
    rows = [_row(event, names) for event in found if _owner(event, names) is not None]
    rows.sort(key=lambda row: row["sort"], reverse=True)
    return {"cluster_rows": rows[:MOST_EVENTS], "asked_at": timezone.now()}


def _owner(event: dict[str, Any], names: dict[str, str]) -> str | None:
    """Return the object of ours that an event is about: itself, or a pod or ReplicaSet whose name begins with its name."""
    about = str((event.get("involvedObject") or {}).get("name") or "")
    return next((name for name in names if about == name or about.startswith(f"{name}-")), None)


def _row(event: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    about = event.get("involvedObject") or {}
    reason = str(event.get("reason") or "")
    series = event.get("series") or {}
    at = event_time(event)
    return {
        "sort": at,
        "at": _time(at),
        "reason": reason,
        "warning": event.get("type") == "Warning",
        "text": str(event.get("message") or "")[:1000],
        "means": MEANS.get(reason, ""),
        "deployment": names[_owner(event, names) or ""] if _owner(event, names) else "",
        "about": f"{about.get('kind', '')} {about.get('name', '')}".strip(),
        "count": int(event.get("count") or series.get("count") or 1),
    }


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
