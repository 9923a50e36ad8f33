"""The code that a job ran with: browse it, see a file, take it all."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_GET

from jobs import selectors
from jobs.models import Job
from jobs.views.parts import job_page, link
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.assets.browsing import nested
from studio.assets.preview import preview_of, send_file
from studio.assets.services import store
from studio.assets.store import StoreError
from studio.assets.trees import Tree, TreeFile, load_tree, zip_stream
from studio.core.bytes import download
from studio.core.errors import ProblemError

MOST_LISTED = selectors.LISTED_FILES


@require_GET
@workspace_view("reader")
def code(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Show the code snapshot's tree, and the file that the address names."""
    job = selectors.job_for(workspace, name)
    tree = _tree(job)
    context: dict[str, Any] = {"tree": None, "shown": None, "lost": bool(job.code_digest) and tree is None}
    if tree is not None:
        asked = request.GET.get("file", "")
        found = _file(tree, asked) if asked else None
        listed = tree.files[:MOST_LISTED]
        context |= {
            "tree": nested([(file.path, file.size) for file in listed], link("code", workspace, job), asked),
            "total": len(tree.files),
            "hidden": len(tree.files) - len(listed),
            "size": tree.size,
            "shown": found and _shown(workspace, job, found),
        }
    return job_page(request, "jobs/code.html", workspace, job, "code", context)


@require_GET
@workspace_view("reader")
def code_file(request: HttpRequest, workspace: Workspace, name: str, file: str) -> HttpResponseBase:
    """Send one file of the code."""
    tree = _tree(selectors.job_for(workspace, name))
    if tree is None:
        raise ProblemError("not-found")
    found = _file(tree, file)
    return send_file(request, found.path, found.digest, found.size, save="download" in request.GET)


@require_GET
@workspace_view("reader")
def code_zip(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponseBase:
    """Send the whole code as a zip."""
    job = selectors.job_for(workspace, name)
    tree = _tree(job)
    if tree is None:
        raise ProblemError("not-found")
    return download(zip_stream(tree, store()), name=f"{job.name}-code.zip", kind="application/zip")


def _tree(job: Job) -> Tree | None:
    try:
        return load_tree(job.code_digest, store()) if job.code_digest else None
    except StoreError:
        return None


def _file(tree: Tree, path: str) -> TreeFile:
    found = tree.file(path)
    if found is None:
        raise ProblemError("not-found")
    return found


def _shown(workspace: Workspace, job: Job, file: TreeFile) -> dict[str, Any]:
    place = [workspace.name, job.name, file.path]
    return {
        "path": file.path,
        "name": file.name,
        "size": file.size,
        "digest": file.digest,
        "preview": preview_of(file.path, file.digest, file.size),
        "source": reverse("jobs:code-file", args=place, query={"v": file.digest[7:23]}),
        "download_url": reverse("jobs:code-file", args=place, query={"download": "1"}),
    }
