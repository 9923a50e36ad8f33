"""What people do to jobs from the pages: cancel, resubmit, delete, and both of the former to several at once."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from jobs import selectors, services
from jobs.models import UNFINISHED, Job
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.core.errors import ProblemError, ProblemList

MOST_AT_ONCE = 500


@require_POST
@workspace_view("contributor")
def cancel(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Ask a job to end."""
    job = selectors.job_for(workspace, name)
    try:
        services.cancel_job(request.user, job)
        messages.success(request, f"{_title(job)} is being canceled.")
    except ProblemError as error:
        _tell(request, error)
    return redirect("jobs:detail", workspace.name, name)


@require_POST
@workspace_view("contributor")
def resubmit(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Submit the same job once more and show it."""
    job = selectors.job_for(workspace, name)
    try:
        made = services.resubmit_job(request.user, job)
    except (ProblemError, ProblemList) as error:
        _tell(request, error)
        return redirect("jobs:detail", workspace.name, name)
    messages.success(request, f"Submitted again as {made.name}.")
    return redirect("jobs:detail", workspace.name, made.name)


@require_POST
@workspace_view("contributor")
def delete(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Delete an ended job with all it left."""
    job = selectors.job_for(workspace, name)
    try:
        services.delete_job(request.user, job)
    except ProblemError as error:
        _tell(request, error)
        return redirect("jobs:detail", workspace.name, name)
    messages.success(request, f"{_title(job)} was deleted.")
    return redirect("jobs:list", workspace.name)


@require_POST
@workspace_view("contributor")
def bulk(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Cancel or delete several jobs: first name those that it concerns, then, once sure, do it."""
    action = request.POST.get("action", "")
    names = request.POST.getlist("chosen")[:MOST_AT_ONCE]
    chosen = list(selectors.jobs_of(workspace).filter(name__in=names))
    if action not in {"cancel", "delete"} or not chosen:
        messages.info(request, "No job was chosen.")
        return redirect("jobs:list", workspace.name)
    fit = [job for job in chosen if (job.status in UNFINISHED) == (action == "cancel")]
    others = [job for job in chosen if job not in fit]
    if not fit or "sure" not in request.POST:
        context = {"action": action, "fit": fit, "others": others, "workspace": workspace, "here": action.capitalize()}
        context["crumbs"] = [("Jobs", reverse("jobs:list", args=[workspace.name]))]
        return render(request, "jobs/bulk.html", context)
    done = [job for job in fit if _done(request, action, job)]
    if done:
        verb = {"cancel": "being canceled", "delete": "deleted"}[action]
        messages.success(request, f"{len(done)} {'job is' if len(done) == 1 else 'jobs are'} {verb}.")
    return redirect("jobs:list", workspace.name)


def _done(request: HttpRequest, action: str, job: Job) -> bool:
    act: Callable[[Any, Job], Any] = {"cancel": services.cancel_job, "delete": services.delete_job}[action]
    try:
        act(request.user, job)
    except ProblemError as error:
        _tell(request, error)
        return False
    return True


def _tell(request: HttpRequest, error: ProblemError | ProblemList) -> None:
    for one in error.errors if isinstance(error, ProblemList) else [error]:
        messages.error(request, f"{one.title}: {one.text} {one.todo}")


def _title(job: Job) -> str:
    return job.display_name or job.name
