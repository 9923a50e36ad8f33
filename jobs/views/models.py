"""Register a model from what a job left."""

import re
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from jobs import selectors
from jobs.models import Job
from jobs.registering import Place, places_of
from jobs.views.parts import link
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.assets.registry import services
from studio.assets.registry.forms import PlaceForm, tag_rows, tags_from
from studio.assets.registry.given import Given
from studio.assets.registry.selectors import models_of
from studio.core.errors import ProblemError, ProblemList
from studio.core.forms import show_problems
from studio.core.numbers import filesize


@require_http_methods(["GET", "POST"])
@workspace_view("contributor")
def register_model(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Offer the folders and files of a job's outputs, and register the chosen one under a name."""
    job = selectors.job_for(workspace, name)
    places = places_of(job)
    choices = [(place.path, _words(place)) for place in places]
    # `?path=` comes from a file's own page.
    initial = {"name": _proposed(job), "path": request.GET.get("path", "")}
    form = PlaceForm(request.POST if request.method == "POST" else None, initial=initial, places=choices)
    problems: list[ProblemError] = []
    if request.method == "POST" and form.is_valid():
        try:
            given = Given(**form.cleaned_data, tags=tags_from(request.POST))
            version, made = services.register_version(request.user, workspace, given=given)
        except (ProblemError, ProblemList) as error:
            problems = show_problems(form, error)
        else:
            messages.success(request, f"Registered {version.name}." if made else f"{version.name} was there already, with the same files.")
            return redirect("assets:model-version", workspace.name, version.model.name, version.version)
    context: dict[str, Any] = {
        "form": form,
        "problems": problems,
        "job": job,
        "title": job.display_name or job.name,
        "nothing": not places,
        "tags": tag_rows(tags_from(request.POST)) if request.method == "POST" else [],
        "names": models_of(workspace).filter(archived=False).values_list("name", flat=True)[:200],
        "back": link("outputs", workspace, job),
        "crumbs": [("Jobs", reverse("jobs:list", args=[workspace.name])), (job.display_name or job.name, link("detail", workspace, job))],
        "here": "Register model",
    }
    return render(request, "jobs/register_model.html", context, status=422 if request.method == "POST" else 200)


def _words(place: Place) -> str:
    count = "" if place.is_file else f"{place.count} {'file' if place.count == 1 else 'files'}, "
    return f"{place.title}{'' if place.is_file else '/'} ({count}{filesize(place.size)})"


def _proposed(job: Job) -> str:
    """Return a name for the model: that of the experiment or the job, in the signs that a name may have."""
    text = job.display_name if job.experiment in ("", "Default") else job.experiment
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-_.")[:100].lower()
