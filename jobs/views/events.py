"""What happened to a job: its states, and what its cluster says of its pods."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from compute.kube.client import event_time
from compute.kube.errors import KubeError
from compute.kube.kubeconfig_parts import KubeconfigRefused
from compute.selectors import kube_client
from jobs import selectors
from jobs.models import Job
from jobs.views.parts import head_of, job_page
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace

# Pods that are asked about, newest first: each is one request to the cluster.
MOST_PODS = 8
MOST_EVENTS = 200

EXPLAINED = {
    "Scheduled": "A node was chosen.",
    "FailedScheduling": "No node fits now; the scheduler tries again.",
    "Pulling": "The node fetches the image.",
    "Pulled": "The image is on the node.",
    "Created": "A container was made.",
    "Started": "A container was started.",
    "Killing": "A container is being ended.",
    "BackOff": "The node waits longer before it tries again.",
    "Failed": "The node could not do this step.",
    "FailedMount": "A volume is not there yet; the node tries again.",
    "FailedAttachVolume": "A volume could not be brought to the node; it is tried again.",
    "SuccessfulAttachVolume": "A volume was brought to the node.",
    "FailedCreate": "The cluster refused to make the pod (a quota, a limit or a policy); the Job tries again.",
    "NetworkNotReady": "The node's network is not ready.",
    "Evicted": "The node put the pod out.",
    "Preempted": "A pod with a higher priority took the place.",
    "OOMKilling": "The memory limit was passed.",
    "SuccessfulCreate": "The Job made its pod.",
    "SuccessfulDelete": "The Job took its pod away.",
    "Completed": "The Job is complete.",
    "BackoffLimitExceeded": "No attempts are left.",
    "Unhealthy": "A check of the container failed.",
    "NodeNotReady": "The node does not answer.",
    "TaintManagerEviction": "The node was closed to this pod.",
    "FailedCreatePodSandBox": "The node could not set up the pod's network.",
}


@require_GET
@workspace_view("reader")
def events(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Show the job's states in order; what the cluster says is asked once the page stands (`?part=cluster`)."""
    job = selectors.job_for(workspace, name)
    if request.GET.get("part") == "cluster":
        return render(request, "jobs/cluster_events.html", {**head_of(workspace, job), **cluster_events(job)})
    context: dict[str, Any] = {"moves": list(job.transitions.order_by("-at", "-id"))}
    if request.GET.get("part") == "moves":
        return render(request, "jobs/moves.html", {**head_of(workspace, job), **context})
    # Without scripts nothing asks later: the link on the page brings them along.
    context["asked"] = "cluster" in request.GET
    if context["asked"]:
        context |= cluster_events(job)
    return job_page(request, "jobs/events.html", workspace, job, "events", context)


def cluster_events(job: Job) -> dict[str, Any]:
    """Ask the cluster for the events of the job's object and pods; a cluster that does not answer is said."""
    if job.cluster is None:
        return {"trouble": "The cluster of this job was detached; what it said is gone with it."}
    uids = [job.object_uid] if job.object_uid else []
    uids += [process.pod_uid for process in job.processes.order_by("-pk")[:MOST_PODS]]
    found: list[dict[str, Any]] = []
    try:
        client = kube_client(job.cluster)
        for uid in uids:
            found += [_row(event) for event in client.events_for(job.namespace, uid)]
    except (KubeError, KubeconfigRefused) as error:
        return {"trouble": f"Cluster {job.cluster.name} does not answer: {error}", "seen_at": job.cluster.seen_at}
    found.sort(key=lambda row: row["sort"], reverse=True)
    return {"cluster_rows": found[:MOST_EVENTS], "asked_at": timezone.now()}


def _row(event: dict[str, Any]) -> dict[str, Any]:
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
        "means": EXPLAINED.get(reason, ""),
        "about": f"{about.get('kind', '')} {about.get('name', '')}".strip(),
        "count": int(event.get("count") or series.get("count") or 1),
    }


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
