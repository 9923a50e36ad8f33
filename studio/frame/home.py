"""Home for each role: a data scientist's own work and where there is room; an operator's fleet and what is wrong."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from compute import selectors as computing
from compute.kube.capacity import Fit
from compute.models import Change, Cluster, ClusterStatus, Compute
from compute.troubles import troubles
from endpoints.models import Endpoint
from jobs import selectors as jobs
from jobs.models import UNFINISHED, Job
from studio.accounts.access import workspaces_of
from studio.accounts.http import operator_view, workspace_view
from studio.accounts.models import RANK, Workspace
from studio.frame import guide

JOBS_SHOWN = 8
ENDPOINTS_SHOWN = 6
COMPUTES_SHOWN = 4
CLUSTERS_SHOWN = 20
TROUBLES_SHOWN = 8
CHANGES_SHOWN = 8


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Bring the person to where their work is: the face and the workspace they used last."""
    user: Any = request.user
    operates = user.is_operator or user.is_admin
    mine = workspaces_of(user)
    if operates and request.session.get("face") == "ops":
        return redirect("operators-home")
    workspace = mine.filter(name=request.session.get("workspace", "")).first() or mine.first()
    if workspace:
        return redirect("workspace-home", workspace=workspace.name)
    return redirect("operators-home") if operates else render(request, "home/nowhere.html")


@require_GET
@workspace_view("reader")
def workspace_home(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Show a data scientist their own jobs, the computes with room, the endpoints, and where to start."""
    user: Any = request.user
    acts = RANK[getattr(workspace, "held_role", "reader")] >= RANK["contributor"]
    all_jobs = jobs.jobs_of(workspace)
    own = _newest(all_jobs.filter(submitted_by=user))
    shown = own or _newest(all_jobs)
    context = {
        "rows": [_job(job) for job in shown],
        "own": bool(own),
        "running": all_jobs.filter(status__in=UNFINISHED, submitted_by=user).count(),
        "cards": _with_room(workspace),
        "endpoints": _endpoints(workspace),
        "may_act": acts,
        "guide": guide.science(user, workspace, acts=acts),
        "may_attach": user.is_operator or user.is_admin,
        "here": "Home",
    }
    part = "#live" if request.htmx and not request.htmx.boosted else ""  # type: ignore[attr-defined]
    return render(request, f"home/workspace.html{part}", context)


@require_GET
@operator_view
def operators_home(request: HttpRequest) -> HttpResponse:
    """Show IT operations all clusters, what they have free, and what is wrong anywhere."""
    clusters = list(computing.clusters().prefetch_related("nodes").select_related("extension", "certificate"))
    nodes = [node for cluster in clusters if cluster.status != ClusterStatus.UNREACHABLE for node in cluster.nodes.all()]
    # Of very many those that ask for somebody come first; the list has them all.
    first = sorted(clusters, key=lambda cluster: (cluster.status == ClusterStatus.READY, cluster.name))[:CLUSTERS_SHOWN]
    shown = clusters if len(clusters) <= CLUSTERS_SHOWN else first
    wrong = troubles(clusters)
    guiding = guide.operators(request.user)
    context = {
        "rows": [{"cluster": cluster, "capacity": computing.capacity_of(cluster.nodes.all())} | _parts(cluster) for cluster in shown],
        "cluster_count": len(clusters),
        "capacity": computing.capacity_of(nodes),
        "troubles": wrong if "wrong" in request.GET else wrong[:TROUBLES_SHOWN],
        "trouble_count": len(wrong),
        "guide": guiding,
        "changes": Change.objects.select_related("cluster")[:CHANGES_SHOWN],
        "here": "Fleet",
    }
    part = "#live" if request.htmx and not request.htmx.boosted else ""  # type: ignore[attr-defined]
    return render(request, f"home/operators.html{part}", context)


def _newest(rows: Any) -> list[Job]:
    """Return what still runs, then what ended last."""
    running = list(rows.filter(status__in=UNFINISHED).order_by("-pk")[:JOBS_SHOWN])
    rest = JOBS_SHOWN - len(running)
    return running + (list(rows.exclude(status__in=UNFINISHED).order_by("-pk")[:rest]) if rest else [])


def _job(job: Job) -> dict[str, Any]:
    return {"job": job, "title": job.display_name or job.name, "seconds": jobs.seconds_of(job, timezone.now())}


def _with_room(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the workspace's computes, those that can take most first."""
    rows = list(computing.computes_of(workspace).prefetch_related("cluster__nodes", "cluster__instance_types"))
    fits = computing.fits_of(rows)
    cards = [_card(compute, fits[compute.pk]) for compute in rows]
    cards.sort(key=lambda card: (not (card["there"] and card["compute"].usable), -card["fits"], card["compute"].name))
    cards = cards[:COMPUTES_SHOWN]
    for card in cards:
        card["capacity"] = computing.capacity_of(card["compute"].cluster.nodes.all())
    return cards


def _card(compute: Compute, fits: dict[str, Fit]) -> dict[str, Any]:
    default = computing.default_type(compute)
    fit = fits.get(default)
    return {
        "compute": compute,
        # What cannot be reached has no room, whatever was seen of it before.
        "there": compute.cluster.status != ClusterStatus.UNREACHABLE,
        "default": default,
        "fits": fit.count if fit else 0,
        "why_not": fit.reason if fit else "",
    }


def _endpoints(workspace: Workspace) -> list[dict[str, Any]]:
    rows = Endpoint.objects.filter(workspace=workspace).select_related("cluster").prefetch_related("deployments")
    found = []
    for endpoint in rows.order_by("name")[:ENDPOINTS_SHOWN]:
        deployments = list(endpoint.deployments.all())
        ready = sum(1 for one in deployments if one.status == "ready")
        found.append({"endpoint": endpoint, "deployments": len(deployments), "ready": ready})
    return found


def _parts(cluster: Cluster) -> dict[str, Any]:
    return {"extension": getattr(cluster, "extension", None), "certificate": getattr(cluster, "certificate", None)}
