"""An endpoint at a glance: how its requests are shared, its deployments and their replicas."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from endpoints.figures.series import Recent, recent_by_deployment
from endpoints.models import ROLLING, Deployment, DeploymentStatus, Endpoint, Revision, RevisionStatus
from endpoints.selectors import deployments_of, endpoint_for, problem_of
from endpoints.surroundings import changed_since, settings_now
from endpoints.views.parts import endpoint_page, head_of, link, may_act
from endpoints.views.traffic import bar_of, parts_of
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.core.errors import ProblemError
from studio.core.templatetags.mooring import confirm

PARTS = {"traffic": "endpoints/traffic.html", "cards": "endpoints/cards.html"}


@require_GET
@workspace_view("reader")
def detail(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Show what an endpoint is, its traffic and its deployments."""
    endpoint = endpoint_for(workspace, name)
    part = request.GET.get("part", "")
    if part == "head":
        return endpoint_page(request, "endpoints/detail.html", workspace, endpoint, "detail", {})
    head = head_of(workspace, endpoint)
    context = details_of(endpoint, acts=head["may_act"])
    if part in PARTS:
        return render(request, PARTS[part], {**head, **context})
    return endpoint_page(request, "endpoints/detail.html", workspace, endpoint, "detail", context)


def refused_traffic(request: HttpRequest, workspace: Workspace, endpoint: Endpoint, error: ProblemError) -> HttpResponse:
    """Show the Details tab again with the shares as they were typed, and what is wrong with them."""
    context = details_of(endpoint, acts=may_act(workspace))
    for part in context["parts"]:
        part["typed"] = request.POST.get(f"percent_{part['name']}", part["percent"])
    context |= {"mirror": (request.POST.get("mirror_name", ""), request.POST.get("mirror_percent", "")), "traffic_problem": error}
    return endpoint_page(request, "endpoints/detail.html", workspace, endpoint, "detail", context, 422)


def details_of(endpoint: Endpoint, *, acts: bool) -> dict[str, Any]:
    """Return what the Details tab shows beside the head."""
    rows = deployments_of(endpoint)
    figures = recent_by_deployment(endpoint)
    replicas = {row.pk: list(row.replicas.all()) for row in rows}
    now = settings_now(endpoint.compute) if endpoint.compute and any(row.applied for row in rows) else None
    changed = {row.pk: changed_since(row, now) for row in rows}
    return {
        "parts": parts_of(endpoint, rows),
        "bar": bar_of(endpoint, rows),
        "mirror": next(((name, percent) for name, percent in endpoint.mirror_traffic.items() if percent), ("", "")),
        "applying": endpoint.applied_generation < endpoint.generation,
        "cards": [_card(endpoint, row, replicas[row.pk], figures.get(row.name) or {}, changed[row.pk], acts=acts) for row in rows],
        "tag_rows": [{"key": key, "value": value} for key, value in endpoint.tags.items()],
        "warnings": [_words(one) for one in endpoint.warnings],
    }


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if names[1:] else "") + names[-1] if names else ""


def _words(warning: Any) -> str:
    return str(warning.get("text") or warning) if isinstance(warning, dict) else str(warning)


def _card(
    endpoint: Endpoint, row: Deployment, replicas: list[Any], figures: dict[str, Any], changed: list[str], *, acts: bool
) -> dict[str, Any]:
    shown: Revision | None = row.current or row.wanted
    spec = shown.spec if shown else {}
    model = spec.get("model") or {}
    latest: Recent = figures.get("recent") or Recent()
    rolling = row.status in ROLLING and row.wanted is not None and row.wanted_id != row.good_id
    return {
        "row": row,
        "revision": shown,
        "coming": row.wanted if rolling and row.wanted_id != (shown.pk if shown else None) else None,
        "model": f"{model['name']}:{model['version']}" if model.get("name") else "",
        "model_url": _model_url(endpoint, model),
        "image": str(spec.get("image") or ""),
        "image_asked": str(spec.get("image_asked") or ""),
        "script": str(spec.get("scoring_script") or ""),
        "instance_type": str(spec.get("instance_type") or ""),
        "ready": int(row.observed.get("ready") or 0),
        "percent": row.traffic,
        "mirror": int(endpoint.mirror_traffic.get(row.name, 0)),
        "points": figures.get("points") or [],
        "recent": latest,
        "replicas": replicas,
        "problem": problem_of(row) if row.status in (DeploymentStatus.FAILED, DeploymentStatus.DEGRADED) else None,
        "deadline": row.rollout_deadline_seconds if row.status in ROLLING else None,
        "warnings": [_words(one) for one in row.warnings],
        "settings_changed": _listed(changed) if row.status not in ROLLING else "",
        "roll_out_url": link("roll-out", endpoint, row.name),
        "logs_url": link("logs", endpoint, deployment=row.name),
        "links": _menu(endpoint, row) if acts and row.status != DeploymentStatus.DELETING else [],
        "may_scale": acts and row.status != DeploymentStatus.DELETING,
        "scale_url": link("scale", endpoint, row.name),
    }


def _model_url(endpoint: Endpoint, model: dict[str, Any]) -> str:
    """Return the page of a registered version; files that came with the YAML alone have none."""
    if not model.get("reference"):
        return ""
    return reverse("assets:model-version", args=[endpoint.workspace.name, model["name"], model["version"]])


def _menu(endpoint: Endpoint, row: Deployment) -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = [
        {"title": "Logs", "icon": "terminal-2", "url": link("logs", endpoint, deployment=row.name)},
        {"title": "Test", "icon": "send", "url": link("test", endpoint, deployment=row.name)},
        {"title": "New revision", "icon": "edit", "url": link("new-deployment", endpoint, of=row.name)},
        {"title": "Revisions", "icon": "history", "url": link("revisions", endpoint, deployment=row.name)},
    ]
    if row.status == DeploymentStatus.FAILED:
        links.append({"title": "Roll out again", "icon": "rotate", "post": link("roll-out", endpoint, row.name)})
    else:
        text = "New pods of the same revision take the place of those that serve, one after the other; requests move when they are ready."
        words = confirm(title=f"Replace all pods of {row.name}", text=text, verb="Roll out")
        links.append({"title": "Roll out", "icon": "rotate", "post": link("roll-out", endpoint, row.name), "confirm": words})
    if any(one.status == RevisionStatus.GOOD and one.pk != row.wanted_id for one in row.revisions.all()):
        text = "Its pods are started beside those that serve now; requests move when they are ready."
        words = confirm(title=f"Roll back {row.name} to its last good revision", text=text, verb="Roll back")
        links.append({"title": "Roll back", "icon": "arrow-back-up", "post": link("roll-back", endpoint, row.name), "confirm": words})
    turn = {"title": f"Turn retries {'off' if row.retry else 'on'}", "icon": "refresh"}
    links.append({**turn, "post": link("set-retry", endpoint, row.name, to="off" if row.retry else "on")})
    delete = {"title": "Delete", "icon": "trash", "post": link("delete-deployment", endpoint, row.name), "danger": True}
    goes = [f"Deployment {row.name}", f"Its {row.instance_count} replica{'' if row.instance_count == 1 else 's'}", "Its revisions"]
    if row.traffic:
        goes.append(f"{row.traffic} % of the traffic goes to it now: move that first")
    text = "The registered model and the figures so far stay."
    return [*links, {**delete, "confirm": confirm(title=f"Delete deployment {row.name}", text=text, verb="Delete deployment", goes=goes)}]
