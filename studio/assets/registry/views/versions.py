"""One version of a model: details, files, lineage; and what is sent of its files."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.assets.browsing import nested
from studio.assets.preview import preview_of, send_file
from studio.assets.registry.api import zip_of
from studio.assets.registry.models import ModelVersion
from studio.assets.registry.tables import origin_of, uses_of
from studio.assets.registry.views.frame import version_for, version_frame
from studio.assets.services import store
from studio.assets.store import StoreError
from studio.assets.trees import Tree, TreeFile, load_tree
from studio.core.errors import ProblemError

MOST_LISTED = 2_000


@require_GET
@workspace_view("reader")
def details(request: HttpRequest, workspace: Workspace, name: str, version: str) -> HttpResponse:
    """Show what a version is: facts, flavors, signature, and how it is named elsewhere."""
    row = version_for(workspace, name, version)
    context = {
        "origin": origin_of(row),
        "tag_rows": [{"key": key, "value": value} for key, value in row.tags.items()],
        "property_rows": [{"key": key, "value": value} for key, value in row.properties.items()],
        "flavors": [{"name": key, "facts": _facts(value)} for key, value in row.flavors.items()],
        "signature": [{"name": key, "columns": _columns(value)} for key, value in row.signature.items()],
        "as_input": f"inputs:\n  model:\n    type: {row.model.type}\n    path: {row.reference}\n",
        "download": f"mooring model download --name {row.model.name} --version {row.version} -w {workspace.name}",
    }
    return render(request, "models/details.html", version_frame(workspace, row, "model-version") | context)


@require_GET
@workspace_view("reader")
def files(request: HttpRequest, workspace: Workspace, name: str, version: str) -> HttpResponse:
    """Show the tree of a version's files, and the file that the address names."""
    row = version_for(workspace, name, version)
    tree = _tree(row)
    context: dict[str, Any] = {"tree": None, "shown": None}
    if tree is not None:
        asked = request.GET.get("file", "")
        found = _file(tree, asked) if asked else None
        base = reverse("assets:model-files", args=[workspace.name, name, version])
        listed = tree.files[:MOST_LISTED]
        context |= {
            "tree": nested([(file.path, file.size) for file in listed], base, asked),
            "base": base,
            "hidden": len(tree.files) - len(listed),
            "shown": found and _shown(workspace, row, found),
        }
    return render(request, "models/files.html", version_frame(workspace, row, "model-files") | context)


@require_GET
@workspace_view("reader")
def lineage(request: HttpRequest, workspace: Workspace, name: str, version: str) -> HttpResponse:
    """Show where a version came from and what uses it."""
    row = version_for(workspace, name, version)
    uses = uses_of(row)
    context = {"origin": origin_of(row), "uses": uses, "kinds": list(dict.fromkeys(use.kind for use in uses))}
    return render(request, "models/lineage.html", version_frame(workspace, row, "model-lineage") | context)


@require_GET
@workspace_view("reader")
def model_file(request: HttpRequest, workspace: Workspace, name: str, version: str, file: str) -> HttpResponseBase:
    """Send one file: pictures in place, sandboxed; everything else (and `?download`) to be saved."""
    tree = _tree(version_for(workspace, name, version))
    if tree is None:
        raise ProblemError("not-found")
    found = _file(tree, file)
    return send_file(request, found.path, found.digest, found.size, save="download" in request.GET)


@require_GET
@workspace_view("reader")
def model_zip(request: HttpRequest, workspace: Workspace, name: str, version: str) -> HttpResponseBase:
    """Send all files of a version as a zip, made while it is sent."""
    return zip_of(version_for(workspace, name, version))


def _tree(version: ModelVersion) -> Tree | None:
    try:
        return load_tree(version.digest, store())
    except StoreError:
        return None


def _file(tree: Tree, path: str) -> TreeFile:
    found = tree.file(path)
    if found is None:
        raise ProblemError("not-found")
    return found


def _shown(workspace: Workspace, version: ModelVersion, file: TreeFile) -> dict[str, Any]:
    place = [workspace.name, version.model.name, version.version, file.path]
    return {
        "path": file.path,
        "name": file.name,
        "size": file.size,
        "digest": file.digest,
        "preview": preview_of(file.path, file.digest, file.size),
        "source": reverse("assets:model-file", args=place, query={"v": file.digest[7:23]}),
        "download_url": reverse("assets:model-file", args=place, query={"download": "1"}),
    }


def _facts(value: Any) -> list[dict[str, str]]:
    """Return a flavor's fields as rows: what is nested, in one line."""
    if not isinstance(value, dict):
        return [{"key": "", "value": str(value)}] if value not in (None, "") else []
    return [
        {"key": key, "value": inner if isinstance(inner, str) else str(inner)}
        for key, inner in value.items()
        if inner not in (None, "", {}, [])
    ]


def _columns(value: Any) -> list[dict[str, str]]:
    """Return the columns of a signature: name and type, and for tensors the shape."""
    rows = value if isinstance(value, list) else [value]
    return [_column(row) if isinstance(row, dict) else {"name": "", "type": str(row)} for row in rows[:200]]


def _column(row: dict[str, Any]) -> dict[str, str]:
    tensor = row.get("tensor-spec") if isinstance(row.get("tensor-spec"), dict) else {}
    kind = f"{tensor.get('dtype')} {tensor.get('shape')}" if tensor else str(row.get("type", ""))
    return {"name": str(row.get("name", "")), "type": kind + (" (optional)" if row.get("required") is False else "")}
