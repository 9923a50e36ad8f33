"""What a job left behind: its tree, one file shown in place, downloads."""

from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from jobs import selectors
from jobs.models import Job, Output
from jobs.views.parts import head_of, job_page, link
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.assets.browsing import nested
from studio.assets.preview import preview_of, send_file
from studio.assets.services import store
from studio.assets.trees import Tree, TreeFile, zip_stream
from studio.core.bytes import download

ROOT_TITLES = {"artifacts": "Files of the job"}


@require_GET
@workspace_view("reader")
def outputs(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Show the tree of what the job left, and the file that the address names."""
    job = selectors.job_for(workspace, name)
    rows = selectors.outputs_of(job)
    shown = _asked(job, rows, request.GET.get("file", ""))
    total = job.output_files.count()
    context: dict[str, Any] = {
        "roots": _roots(workspace, job, rows, shown),
        "total": total,
        "hidden": max(total - len(rows), 0),
        "shown": shown and _shown(workspace, job, shown),
        "named": [name for name in job.outputs if name not in {row.root for row in rows}],
    }
    if request.GET.get("part") == "tree":
        return render(request, "jobs/output_tree.html", {**head_of(workspace, job), **context})
    return job_page(request, "jobs/outputs.html", workspace, job, "outputs", context)


@require_GET
@workspace_view("reader")
def output_file(request: HttpRequest, workspace: Workspace, name: str, root: str, file: str) -> HttpResponseBase:
    """Send one file: pictures in place, sandboxed; everything else (and `?download`) to be saved."""
    row = selectors.output_for(selectors.job_for(workspace, name), root, file)
    return send_file(request, row.path, row.digest, row.size, save="download" in request.GET)


@require_GET
@workspace_view("reader")
def outputs_zip(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponseBase:
    """Send everything that the job left as one zip, made while it is sent."""
    job = selectors.job_for(workspace, name)
    files = [
        TreeFile(row.path if row.root == "artifacts" else f"{row.root}/{row.path}", row.size, row.digest)
        for row in Output.objects.filter(job=job).order_by("root", "path")
    ]
    # A job may leave `A.txt` beside `a.txt`, which a tree that comes from people may not hold: only its files are used.
    tree = cast(Tree, SimpleNamespace(files=files))
    return download(zip_stream(tree, store(), root=job.name), name=f"{job.name}-outputs.zip", kind="application/zip")


def _asked(job: Job, rows: list[Output], asked: str) -> Output | None:
    root, _, path = asked.partition("/")
    if path:
        return selectors.output_for(job, root, path)
    return None


def _roots(workspace: Workspace, job: Job, rows: list[Output], shown: Output | None) -> list[dict[str, Any]]:
    roots: list[dict[str, Any]] = []
    page = link("outputs", workspace, job)
    for root in dict.fromkeys(row.root for row in rows):
        files = [(row.path, row.size) for row in rows if row.root == root]
        tree = nested(files, page, shown.path if shown and shown.root == root else "", within=root)
        roots.append({"title": ROOT_TITLES.get(root, root), "named": root not in ROOT_TITLES, "tree": tree})
    return roots


def _shown(workspace: Workspace, job: Job, row: Output) -> dict[str, Any]:
    place = [workspace.name, job.name, row.root, row.path]
    return {
        "path": row.path if row.root == "artifacts" else f"{row.root}/{row.path}",
        "name": PurePosixPath(row.path).name,
        "size": row.size,
        "digest": row.digest,
        "preview": preview_of(row.path, row.digest, row.size),
        "source": reverse("jobs:output-file", args=place, query={"v": row.digest[7:23]}),
        "download_url": reverse("jobs:output-file", args=place, query={"download": "1"}),
    }
