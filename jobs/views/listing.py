"""The list of a workspace's jobs."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from compute.selectors import computes_of
from jobs import selectors
from jobs.models import Job, Status
from jobs.selectors import Filters
from jobs.views.parts import may_act, menu_of
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.core.pages import keyset_page
from studio.core.tones import word_of

CHIPS = (("all", "All"), ("mine", "Mine"), ("running", "Running"), ("failed", "Failed today"))


@require_GET
@workspace_view("reader")
def job_list(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Show the jobs that pass the filters, newest first; htmx gets the table alone."""
    filters = filters_of(request)
    page = keyset_page(selectors.jobs_like(workspace, filters, request.user), after=request.GET.get("after", ""))
    counts = selectors.counts(workspace, request.user)
    acts = may_act(workspace)
    now = timezone.now()
    context: dict[str, Any] = {
        "page": page,
        "rows": [_row(workspace, job, now, acts=acts) for job in page.rows],
        "longest": max((selectors.seconds_of(job, now) for job in page.rows), default=0),
        "filters": filters,
        "narrows": filters.narrows,
        "nothing": counts["all"] == "0",
        "chips": [_chip(request, key, title, filters.show, counts[key]) for key, title in CHIPS],
        "chosen": _chosen(request, filters),
        "may_act": acts,
        "here": "Jobs",
        "new_url": reverse("jobs:new", args=[workspace.name]),
        "command": f"mooring job create -f job.yml -w {workspace.name} --stream",
    }
    if request.htmx and not request.htmx.boosted:  # type: ignore[attr-defined]
        return render(request, "jobs/list.html#list", context)
    context |= {
        "states": [{"value": value, "title": word_of(value)} for value in Status.values],
        "experiments": selectors.experiments_of(workspace),
        "computes": selectors.computes_used(workspace),
        "has_compute": computes_of(workspace).exists() if context["nothing"] else True,
        "operates": request.user.is_operator or request.user.is_admin,  # type: ignore[union-attr]
        "clusters_url": reverse("compute:cluster-list"),
        "bulk_url": reverse("jobs:bulk", args=[workspace.name]),
        "actions": [{"value": "cancel", "title": "Cancel"}, {"value": "delete", "title": "Delete", "danger": True}],
    }
    return render(request, "jobs/list.html", context)


def filters_of(request: HttpRequest) -> Filters:
    """Return the filters that the address asks for; what is not understood is left out."""
    show = request.GET.get("show", "all")
    return Filters(
        show=show if show in dict(CHIPS) else "all",
        text=request.GET.get("q", "").strip()[:200],
        states=[state for state in request.GET.getlist("state") if state in Status.values],
        experiment=request.GET.get("experiment", ""),
        compute=request.GET.get("compute", ""),
        tags=[tag for tag in request.GET.getlist("tag") if tag][:8],
    )


def _row(workspace: Workspace, job: Job, now: Any, *, acts: bool) -> dict[str, Any]:
    return {
        "job": job,
        "title": job.display_name or job.name,
        "url": reverse("jobs:detail", args=[workspace.name, job.name]),
        "seconds": selectors.seconds_of(job, now),
        "links": menu_of(workspace, job, acts=acts, row=True),
        "tags": [{"key": key, "value": value, "query": f"{key}={value}"} for key, value in list(job.tags.items())[:2]],
    }


def _chip(request: HttpRequest, key: str, title: str, active: str, count: str) -> dict[str, Any]:
    query = request.GET.copy()
    for gone in ("after", "show"):
        query.pop(gone, None)
    if key != "all":
        query["show"] = key
    return {"title": title, "url": f"?{query.urlencode()}", "active": key == active, "count": count}


def _chosen(request: HttpRequest, filters: Filters) -> list[dict[str, str]]:
    """Return the filters that are on, each with the address without it."""
    named = [("State", "state", state, word_of(state)) for state in filters.states]
    named += [("Tag", "tag", tag, tag.replace("=", ": ", 1)) for tag in filters.tags]
    for title, key, value in (("Experiment", "experiment", filters.experiment), ("Compute", "compute", filters.compute)):
        named += [(title, key, value, value)] if value else []
    return [{"name": title, "value": word, "url": _without(request, key, value)} for title, key, value, word in named]


def _without(request: HttpRequest, key: str, value: str) -> str:
    query = request.GET.copy()
    query.setlist(key, [one for one in query.getlist(key) if one != value])
    query.pop("after", None)
    return f"?{query.urlencode()}"
