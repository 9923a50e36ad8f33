"""The list of a workspace's models, and one model with its versions."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.assets.registry import selectors
from studio.assets.registry.models import Model, ModelVersion, Type
from studio.assets.registry.tables import origin_of
from studio.assets.registry.views.frame import crumbs, may_act, model_for, model_menu, version_menu
from studio.core.pages import keyset_page


@require_GET
@workspace_view("reader")
def model_list(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Show the models that pass the filters, newest first; htmx gets the table alone."""
    text = request.GET.get("q", "").strip()[:200]
    kind = request.GET.get("type", "")
    kind = kind if kind in Type.values else ""
    archived = request.GET.get("show") == "archived"
    page = keyset_page(selectors.models_like(workspace, text=text, type=kind, archived=archived), after=request.GET.get("after", ""))
    everything = selectors.models_of(workspace)
    latest, counts = selectors.latest_of_each(page.rows), selectors.counts_of_each(page.rows)
    acts = may_act(workspace)
    context: dict[str, Any] = {
        "page": page,
        "rows": [_row(workspace, model, latest.get(model.pk), counts.get(model.pk, 0), acts=acts) for model in page.rows],
        "nothing": not everything.exists(),
        "text": text,
        "type": kind,
        "types": Type.choices,
        "archived": archived,
        "chips": [
            {"title": "In use", "url": "?", "active": not archived, "count": everything.filter(archived=False).count()},
            {"title": "Archived", "url": "?show=archived", "active": archived, "count": everything.filter(archived=True).count()},
        ],
        "may_act": acts,
        "here": "Models",
        "new_url": reverse("assets:model-new", args=[workspace.name]),
        "command": f"mooring model create -n my-model -p ./model -w {workspace.name}",
    }
    if request.htmx and not request.htmx.boosted:  # type: ignore[attr-defined]
        return render(request, "models/list.html#list", context)
    return render(request, "models/list.html", context)


@require_GET
@workspace_view("reader")
def model(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Show a model and its versions, newest first."""
    row = model_for(workspace, name)
    page = keyset_page(selectors.versions_of(workspace).filter(model=row), after=request.GET.get("after", ""))
    acts = may_act(workspace)
    context = {
        "model": row,
        "latest": selectors.latest_of(row),
        "page": page,
        "rows": [_version_row(workspace, version, acts=acts) for version in page.rows],
        "links": model_menu(workspace, row, acts=acts),
        "may_act": acts,
        "crumbs": crumbs(workspace),
        "here": row.name,
        "new_url": reverse("assets:model-new", args=[workspace.name], query={"name": row.name}),
    }
    if request.htmx and not request.htmx.boosted:  # type: ignore[attr-defined]
        return render(request, "models/model.html#list", context)
    return render(request, "models/model.html", context)


def _row(workspace: Workspace, model: Model, latest: ModelVersion | None, count: int, *, acts: bool) -> dict[str, Any]:
    return {
        "model": model,
        "latest": latest,
        "count": count,
        "origin": origin_of(latest) if latest else None,
        "url": reverse("assets:model", args=[workspace.name, model.name]),
        "latest_url": latest and reverse("assets:model-version", args=[workspace.name, model.name, latest.version]),
        "tags": [{"key": key, "value": value} for key, value in list(model.tags.items())[:2]],
        "links": model_menu(workspace, model, acts=acts),
    }


def _version_row(workspace: Workspace, version: ModelVersion, *, acts: bool) -> dict[str, Any]:
    return {
        "version": version,
        "origin": origin_of(version),
        "url": reverse("assets:model-version", args=[workspace.name, version.model.name, version.version]),
        "tags": [{"key": key, "value": value} for key, value in list(version.tags.items())[:2]],
        "links": version_menu(workspace, version, acts=acts),
    }
