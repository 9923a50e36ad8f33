"""First steps of operators and of data scientists: a list that ticks itself from what there is, put away and brought back at will."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from compute.models import Cluster, ClusterStatus, Compute, InstanceType
from endpoints.models import Endpoint
from jobs.examples import EXAMPLES
from jobs.models import Job, Status
from studio.accounts.http import person_view
from studio.accounts.models import Workspace
from studio.assets.models import Model
from studio.core.errors import ProblemError
from studio.frame.models import PutAway

GUIDES = ("operators", "science")


@dataclass(frozen=True)
class Step:
    """One step: what it is for, whether it is done, where it is done, and the command that does the same."""

    title: str
    text: str
    done: bool
    url: str = ""
    action: str = ""
    command: str = ""
    # Further ways in, as (title, address).
    examples: tuple[tuple[str, str], ...] = ()


def operators(user: Any) -> dict[str, Any] | None:
    """Return the first steps of IT operations; nothing once all are done, or while they are put away."""
    cluster = Cluster.objects.exclude(status=ClusterStatus.DETACHING).order_by("pk").first()
    at = reverse("compute:type-list", args=[cluster.name]) if cluster else ""
    computes = reverse("compute:compute-attach", args=[cluster.name]) if cluster else ""
    named = cluster.name if cluster else "CLUSTER"
    steps = [
        Step("Attach a cluster", "Any conformant Kubernetes: paste a kubeconfig, or make the identity with the least rights first.",
             cluster is not None and cluster.seen_at is not None, reverse("compute:cluster-attach"), "Attach cluster",
             "mooring cluster attach gpu-a --kubeconfig ~/.kube/config"),
        Step("Make an instance type", "What a job asks for: cores, memory, GPUs, and on which nodes.",
             InstanceType.objects.exists(), at, "Instance types", f"mooring instance-type list --cluster {named}"),
        Step("Make a workspace", "What a team works in; its members see nothing of others.",
             Workspace.objects.exists(), "", "", "mooring workspace create vision"),
        Step("Give the workspace a compute", "A namespace of the cluster, made for it and isolated.",
             Compute.objects.exists(), computes, "Attach compute", f"mooring compute attach gpu -w vision --cluster {named}"),
    ]  # fmt: skip
    return _guide(user, "operators", "First steps of IT operations", steps)


def science(user: Any, workspace: Workspace, *, acts: bool) -> dict[str, Any] | None:
    """Return the first steps of a data scientist in a workspace; nothing for readers, and none that stand in the way of each other."""
    if not acts:
        return None
    at = [workspace.name]
    own = Job.objects.filter(workspace=workspace, submitted_by=user, deleted_at=None)
    new = reverse("jobs:new", args=at)
    examples = tuple((one.title, f"{new}?example={one.name}") for one in EXAMPLES.values())
    steps = [
        Step("A compute to run on", "IT operations attach a namespace of a cluster to this workspace.",
             Compute.objects.filter(workspace=workspace).exists(), reverse("compute:browse", args=at), "Computes",
             f"mooring compute list -w {workspace.name}"),
        Step("Submit a first job", "It takes a minute: each of these examples runs as it is.",
             own.exists(), new, "Submit job", f"mooring job create -f job.yml -w {workspace.name} --stream", examples),
        Step("See one complete", "Follow its log while it runs; its outputs stay when it has ended.",
             own.filter(status=Status.COMPLETED).exists(), reverse("jobs:list", args=at) + "?show=mine", "Your jobs"),
        Step("Register a model", "Name what a job left, so that others find it and endpoints serve it.",
             Model.objects.filter(workspace=workspace).exists(), reverse("assets:model-new", args=at), "Register model"),
        Step("Create an endpoint", "An address over HTTPS at which the model answers.",
             Endpoint.objects.filter(workspace=workspace).exists(), reverse("endpoints:new", args=at), "Create endpoint"),
    ]  # fmt: skip
    return _guide(user, "science", "First steps", steps)


@require_POST
@person_view
def put(request: HttpRequest, guide: str) -> HttpResponse:
    """Put a guide away, or bring it back."""
    if guide not in GUIDES:
        raise ProblemError("not-found")
    user: Any = request.user
    if "back" in request.POST:
        PutAway.objects.filter(user=user, guide=guide).delete()
    else:
        PutAway.objects.get_or_create(user=user, guide=guide)
        messages.info(request, "First steps are put away. A link at the foot of this page brings them back.")
    return redirect("operators-home" if guide == "operators" else "home")


def _guide(user: Any, name: str, title: str, steps: list[Step]) -> dict[str, Any] | None:
    done = sum(step.done for step in steps)
    if done == len(steps):
        return None
    away = PutAway.objects.filter(user=user, guide=name).exists()
    following = next(step for step in steps if not step.done)
    return {"name": name, "title": title, "steps": steps, "done": done, "total": len(steps), "next": following, "away": away}
