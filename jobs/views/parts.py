"""What every page of one job has: its head with state and actions, its tabs, who may act."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from jobs import selectors
from jobs.models import UNFINISHED, Job, Status
from studio.accounts.models import RANK, Workspace
from studio.core.templatetags.mooring import confirm

TABS = (("Overview", "detail"), ("Log", "log"), ("Outputs", "outputs"), ("Code", "code"), ("Events", "events"), ("YAML", "yaml"))


def may_act(workspace: Workspace) -> bool:
    """Tell whether the person at the page may submit, cancel and delete here."""
    return RANK[getattr(workspace, "held_role", "reader")] >= RANK["contributor"]


def link(view: str, workspace: Workspace, job: Job, **query: str) -> str:
    """Return the address of one of a job's pages."""
    kept = {key: value for key, value in query.items() if value}
    return reverse(f"jobs:{view}", args=[workspace.name, job.name], query=kept or None)


def job_page(
    request: HttpRequest, template: str, workspace: Workspace, job: Job, tab: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """Render a page of a job, or only its head when the page asks for that to bring itself up to date."""
    head = head_of(workspace, job)
    asked = request.GET.get("tab", tab)
    count = job.output_files.count()
    tabs = [
        {
            "title": title,
            "url": link(view, workspace, job),
            "active": view == asked,
            "count": count or None if view == "outputs" else None,
        }
        for title, view in TABS
    ]
    head |= {"tab": asked if asked in dict(TABS).values() else tab, "tabs": tabs, "output_count": count}
    if request.GET.get("part") == "head":
        return render(request, "jobs/head.html", {**head, "compact": "compact" in request.GET, "alone": True})
    crumbs = [("Jobs", reverse("jobs:list", args=[workspace.name]))]
    frame = {"crumbs": crumbs, "here": job.display_name or job.name}
    return render(request, template, {**head, **frame, **context}, status=status)


def head_of(workspace: Workspace, job: Job) -> dict[str, Any]:
    """Return what the head of a job's pages shows."""
    acts = may_act(workspace)
    return {
        "workspace": workspace,
        "job": job,
        "title": job.display_name or job.name,
        "phases": selectors.phases_of(job),
        "problem": selectors.problem_of(job) if job.status == Status.FAILED else None,
        "evidence": selectors.evidence_of(job) if job.status == Status.FAILED else "",
        "may_act": acts,
        "may_cancel": acts and job.status in UNFINISHED and job.status != Status.CANCEL_REQUESTED,
        "cancel_confirm": cancel_words(job),
        "links": menu_of(workspace, job, acts=acts),
    }


def menu_of(workspace: Workspace, job: Job, *, acts: bool, row: bool = False) -> list[dict[str, Any]]:
    """Return the ⋯ menu of a job: what may be done with it by this person, now."""
    links: list[dict[str, Any]] = []
    if row:
        links.append({"title": "Log", "icon": "terminal-2", "url": link("log", workspace, job)})
    if not row:
        links.append({"title": "Download outputs", "icon": "download", "url": link("outputs-zip", workspace, job)})
    if not acts:
        return links
    if job.is_final:
        links.append({"title": "Register model", "icon": "cube", "url": link("register-model", workspace, job)})
    links.append({"title": "Resubmit", "icon": "rotate", "post": link("resubmit", workspace, job)})
    new = reverse("jobs:new", args=[workspace.name], query={"from": job.name})
    links.append({"title": "Clone into the form", "icon": "copy", "url": new})
    if row and job.status in UNFINISHED and job.status != Status.CANCEL_REQUESTED:
        cancel = {"title": "Cancel", "icon": "player-stop", "post": link("cancel", workspace, job)}
        links.append({**cancel, "danger": True, "confirm": cancel_words(job)})
    if job.is_final:
        delete = {"title": "Delete", "icon": "trash", "post": link("delete", workspace, job), "danger": True}
        links.append({**delete, "confirm": delete_words(job)})
    return links


def cancel_words(job: Job) -> str:
    """Return the attributes with which canceling asks first."""
    text = f"The command of {job.name} gets SIGTERM now and is killed after 30 s. Log and outputs so far are kept."
    return confirm(title=f"Cancel {job.display_name or job.name}", text=text, verb="Cancel job")


def delete_words(job: Job) -> str:
    """Return the attributes with which deleting asks first, naming what goes."""
    goes = [f"Job {job.name}", "Its log", "Its outputs", "Its timeline"]
    return confirm(title=f"Delete {job.display_name or job.name}", text="This cannot be undone.", verb="Delete job", goes=goes)
