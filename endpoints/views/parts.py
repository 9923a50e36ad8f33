"""What every page of one endpoint has: its head with address, state and actions, its tabs, who may act."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString

from endpoints.figures.series import Recent, recent
from endpoints.models import Endpoint, EndpointStatus
from endpoints.selectors import problem_of, router_for, scoring_uri
from studio.accounts.models import RANK, Workspace
from studio.core.templatetags.mooring import confirm

TABS = (
    ("Details", "detail"), ("Test", "test"), ("Consume", "consume"), ("Monitoring", "monitoring"), ("Logs", "logs"),
    ("Revisions", "revisions"), ("Events", "events"),
)  # fmt: skip


def may_act(workspace: Workspace) -> bool:
    """Tell whether the person at the page may change endpoints here, call them and see their keys."""
    return RANK[getattr(workspace, "held_role", "reader")] >= RANK["contributor"]


def link(view: str, endpoint: Endpoint, *places: str, **query: str) -> str:
    """Return the address of one of an endpoint's pages."""
    kept = {key: value for key, value in query.items() if value}
    return reverse(f"endpoints:{view}", args=[endpoint.workspace.name, endpoint.name, *places], query=kept or None)


def endpoint_page(
    request: HttpRequest, template: str, workspace: Workspace, endpoint: Endpoint, tab: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """Render a page of an endpoint, or only its head when the page asks for that to bring itself up to date."""
    frame = frame_of(request, workspace, endpoint, tab)
    if request.GET.get("part") == "head":
        return render(request, "endpoints/head.html", frame)
    return render(request, template, {**frame, **context}, status=status)


def frame_of(request: HttpRequest, workspace: Workspace, endpoint: Endpoint, tab: str) -> dict[str, Any]:
    """Return what the template of an endpoint's pages takes: the head, the tabs and the crumbs."""
    asked = request.GET.get("tab", tab)
    asked = asked if asked in dict(TABS).values() else tab
    return head_of(workspace, endpoint) | {
        "tab": asked,
        "tabs": [{"title": title, "url": link(view, endpoint), "active": view == asked} for title, view in TABS],
        "crumbs": [("Endpoints", reverse("endpoints:list", args=[workspace.name]))],
        "here": endpoint.name,
    }


def head_of(workspace: Workspace, endpoint: Endpoint) -> dict[str, Any]:
    """Return what the head of an endpoint's pages shows."""
    router = router_for(endpoint)
    acts = may_act(workspace) and endpoint.status != EndpointStatus.DELETING
    return {
        "workspace": workspace,
        "endpoint": endpoint,
        "router": router,
        "address": scoring_uri(endpoint, router),
        "recent": recent([endpoint]).get(endpoint.pk, Recent()),
        "problem": problem_of(endpoint) if endpoint.status == EndpointStatus.FAILED else None,
        "may_act": acts,
        "links": menu_of(endpoint) if acts else [],
    }


def menu_of(endpoint: Endpoint, *, row: bool = False) -> list[dict[str, Any]]:
    """Return the ⋯ menu of an endpoint for somebody who may change it."""
    links: list[dict[str, Any]] = []
    if row:
        links.append({"title": "Test", "icon": "send", "url": link("test", endpoint)})
        links.append({"title": "Logs", "icon": "terminal-2", "url": link("logs", endpoint)})
    links.append({"title": "Add deployment", "icon": "plus", "url": link("new-deployment", endpoint)})
    delete = {"title": "Delete", "icon": "trash", "post": link("delete", endpoint), "danger": True}
    return [*links, {**delete, "confirm": delete_words(endpoint)}]


def delete_words(endpoint: Endpoint) -> SafeString:
    """Return the attributes with which deleting asks first, naming what goes."""
    names = [row.name for row in endpoint.deployments.all()]
    goes = [f"The address {endpoint.score_path}", *(f"Deployment {name} and its pods" for name in names), "Both keys", "Its figures"]
    text = "Callers get 404 from then on. The registered models stay."
    title = f"Delete endpoint {endpoint.name}"
    return confirm(title=title, text=text, verb="Delete endpoint", goes=goes, type=endpoint.name)
