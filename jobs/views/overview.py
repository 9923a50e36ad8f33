"""A job at a glance, and its YAML."""

from pathlib import PurePosixPath
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from jobs import selectors
from jobs.models import Job, Output, Process
from jobs.views.parts import head_of, job_page, link
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.assets.preview import PICTURES
from studio.assets.registry.selectors import versions_of
from studio.core.bytes import download

MOST_PICTURES = 6
MOST_FILES = 8


@require_GET
@workspace_view("reader")
def detail(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Show what a job is, what it was given, what it left, and the end of its log."""
    job = selectors.job_for(workspace, name)
    part = request.GET.get("part")
    context = {} if part == "head" else overview_of(workspace, job)
    if part in {"files", "facts", "tail"}:
        return render(request, f"jobs/{part}.html", {**head_of(workspace, job), **context})
    return job_page(request, "jobs/detail.html", workspace, job, "detail", context)


@require_GET
@workspace_view("reader")
def yaml(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponseBase:
    """Show the YAML as it was given and what became of it; `?download` saves it."""
    job = selectors.job_for(workspace, name)
    if "download" in request.GET:
        return download([job.yaml.encode()], name=f"{job.name}.yml", kind="application/yaml")
    variables = sorted(job.environment_variables.items())
    context = {"variables": [{"name": key, "value": value} for key, value in variables], "outputs": _named_outputs(job)}
    return job_page(request, "jobs/yaml.html", workspace, job, "yaml", {**context, "inputs": inputs_of(workspace, job)})


def overview_of(workspace: Workspace, job: Job) -> dict[str, Any]:
    """Return what the overview shows beside the head."""
    processes = selectors.processes_of(job)
    main = selectors.main_process(processes)
    files = selectors.outputs_of(job, 200)
    pictures = [_picture(workspace, job, one) for one in files if PurePosixPath(one.path).suffix.lower() in PICTURES]
    return {
        "inputs": inputs_of(workspace, job),
        "files": [_file(workspace, job, one) for one in sorted(files, key=lambda one: -one.pk)[:MOST_FILES]],
        "file_count": job.output_files.count(),
        "pictures": pictures[:MOST_PICTURES],
        "process": main,
        "log_bytes_url": log_url("log-bytes", workspace, job, main) if main else "",
        "retries_used": selectors.retries_used(processes),
        "nodes": sorted({process.node for process in processes if process.node}),
        "registered": versions_of(workspace).filter(job_name=job.name)[:MOST_FILES],
        "image_differs": job.image_asked and job.image_asked != job.image,
        "tag_rows": [{"key": key, "value": value, "query": f"{key}={value}"} for key, value in job.tags.items()],
    }


def log_url(view: str, workspace: Workspace, job: Job, process: Process, file: str = "std_log.txt") -> str:
    """Return the address of a log's bytes or download."""
    return reverse(f"jobs:{view}", args=[workspace.name, job.name, process.pk, file])


def inputs_of(workspace: Workspace, job: Job) -> list[dict[str, Any]]:
    """Return the job's inputs: each with its value, or with what files it is and where the command finds them."""
    rows = []
    for name, given in job.inputs.items():
        mount = given.get("mount") or {}
        row: dict[str, Any] = {"name": name, "value": given.get("value"), "path": mount.get("path")}
        row |= {"kind": mount.get("kind") or "value", "given": given.get("given"), "size": given.get("size"), "count": given.get("count")}
        if asset := given.get("asset"):
            model, _, version = asset.removeprefix("azureml:").partition(":")
            row |= {"asset": asset, "asset_url": reverse("assets:model-version", args=[workspace.name, model, version])}
        rows.append(row)
    return rows


def _named_outputs(job: Job) -> list[dict[str, Any]]:
    return [{"name": name, "path": (given.get("mount") or {}).get("path")} for name, given in job.outputs.items()]


def _file(workspace: Workspace, job: Job, row: Output) -> dict[str, Any]:
    shown = row.path if row.root == "artifacts" else f"{row.root}/{row.path}"
    return {"path": shown, "size": row.size, "url": link("outputs", workspace, job, file=f"{row.root}/{row.path}")}


def _picture(workspace: Workspace, job: Job, row: Output) -> dict[str, Any]:
    source = reverse("jobs:output-file", args=[workspace.name, job.name, row.root, row.path], query={"v": row.digest[7:23]})
    return {**_file(workspace, job, row), "source": source, "name": PurePosixPath(row.path).name}
