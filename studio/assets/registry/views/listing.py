"""The list of a workspace's models, and one model with its versions."""

from collections.abc import Sequence
from functools import partial

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_GET

from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.assets.registry import selectors
from studio.assets.registry.lists import MODELS, VERSIONS
from studio.assets.registry.models import Model, ModelVersion
from studio.assets.registry.tables import origin_of
from studio.assets.registry.views.frame import crumbs, may_act, model_for, model_menu, version_menu
from studio.tables.declared import Line
from studio.tables.page import list_page


@require_GET
@workspace_view("reader")
def model_list(request: HttpRequest, workspace: Workspace) -> HttpResponseBase:
    """Show the models that pass the filters, newest first; htmx gets the table alone."""
    acts = may_act(workspace)
    context = {
        "may_act": acts,
        "here": "Models",
        "new_url": reverse("assets:model-new", args=[workspace.name]),
        "command": f"mooring model create -n my-model -p ./model -w {workspace.name}",
    }
    return list_page(
        request,
        MODELS,
        "models/list.html",
        rows=selectors.models_of(workspace),
        lines=partial(_lines, workspace, acts),
        workspace=workspace,
        topics=f"models:{workspace.name}",
        context=context,
    )


@require_GET
@workspace_view("reader")
def model(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponseBase:
    """Show a model and its versions that pass the filters, newest first; htmx gets the table alone."""
    row = model_for(workspace, name)
    acts = may_act(workspace)
    latest = selectors.latest_of(row)
    context = {
        "model": row,
        "links": model_menu(workspace, row, acts=acts),
        "may_act": acts,
        "crumbs": crumbs(workspace),
        "here": row.name,
        "new_url": reverse("assets:model-new", args=[workspace.name], query={"name": row.name}),
    }
    return list_page(
        request,
        VERSIONS,
        "models/model.html",
        rows=selectors.versions_of(workspace).filter(model=row),
        lines=partial(_version_lines, workspace, acts, latest.pk if latest else None),
        workspace=workspace,
        topics=f"models:{workspace.name}",
        context=context,
    )


def _lines(workspace: Workspace, acts: bool, models: Sequence[Model]) -> list[Line]:
    newest, counts = selectors.latest_of_each(models), selectors.counts_of_each(models)
    found = []
    for model in models:
        latest = newest.get(model.pk)
        extra = {
            "latest": latest,
            "count": counts.get(model.pk, 0),
            "origin": origin_of(latest) if latest else None,
            "latest_url": latest and reverse("assets:model-version", args=[workspace.name, model.name, latest.version]),
            "tags": [{"key": key, "value": value} for key, value in list(model.tags.items())[:2]],
        }
        href = reverse("assets:model", args=[workspace.name, model.name])
        links = model_menu(workspace, model, acts=acts)
        found.append(Line(row=model, id=f"model-{model.pk}", title=model.name, href=href, links=links, extra=extra))
    return found


def _version_lines(workspace: Workspace, acts: bool, latest: int | None, versions: Sequence[ModelVersion]) -> list[Line]:
    return [
        Line(
            row=version,
            id=f"version-{version.pk}",
            title=f"version {version.version}",
            href=reverse("assets:model-version", args=[workspace.name, version.model.name, version.version]),
            links=version_menu(workspace, version, acts=acts),
            extra={
                "origin": origin_of(version),
                "is_latest": version.pk == latest,
                "tags": [{"key": key, "value": value} for key, value in list(version.tags.items())[:2]],
            },
        )
        for version in versions
    ]
