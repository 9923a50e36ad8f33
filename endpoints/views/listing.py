"""The list of a workspace's endpoints."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from compute.router import Router, router_of
from compute.selectors import computes_of
from endpoints.figures.series import recent
from endpoints.models import Endpoint, EndpointStatus
from endpoints.selectors import scoring_uri
from endpoints.views.parts import may_act, menu_of
from endpoints.views.traffic import bar_of
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.core.pages import keyset_page
from studio.core.tones import word_of


@require_GET
@workspace_view("reader")
def endpoint_list(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Show the endpoints that pass the filters, newest first; htmx gets the table alone."""
    text = request.GET.get("q", "").strip()[:200]
    state = request.GET.get("state", "")
    compute = request.GET.get("compute", "")
    state = state if state in EndpointStatus.values else ""
    page = keyset_page(_like(workspace, text, state, compute), after=request.GET.get("after", ""))
    acts = may_act(workspace)
    context: dict[str, Any] = {
        "page": page,
        "rows": _rows(page.rows, acts=acts),
        "text": text,
        "state": state,
        "compute": compute,
        "nothing": not page.rows and not (text or state or compute or request.GET.get("after")),
        "chosen": _chosen(request, state, compute),
        "may_act": acts,
        "here": "Endpoints",
        "new_url": reverse("endpoints:new", args=[workspace.name]),
        "command": f"mooring online-endpoint create -f endpoint.yml -w {workspace.name}",
    }
    if request.htmx and not request.htmx.boosted:  # type: ignore[attr-defined]
        return render(request, "endpoints/list.html#list", context)
    context["states"] = [{"value": value, "title": word_of(value)} for value in EndpointStatus.values]
    context["computes"] = list(
        Endpoint.objects.filter(workspace=workspace).order_by("compute_name").values_list("compute_name", flat=True).distinct()
    )
    if context["nothing"]:
        context["first"] = _first(workspace, acts=acts)
    return render(request, "endpoints/list.html", context)


def _like(workspace: Workspace, text: str, state: str, compute: str) -> QuerySet[Endpoint]:
    rows = Endpoint.objects.filter(workspace=workspace).select_related("workspace", "cluster").prefetch_related("deployments")
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(description__icontains=text) | Q(deployments__name__icontains=text)).distinct()
    if state:
        rows = rows.filter(status=state)
    return rows.filter(compute_name=compute) if compute else rows


def _rows(endpoints: list[Endpoint], *, acts: bool) -> list[dict[str, Any]]:
    figures = recent(endpoints)
    routers: dict[int | None, Router] = {None: Router()}
    for endpoint in endpoints:
        if endpoint.cluster is not None and endpoint.cluster_id not in routers:
            routers[endpoint.cluster_id] = router_of(endpoint.cluster)
    return [
        {
            "endpoint": endpoint,
            "url": reverse("endpoints:detail", args=[endpoint.workspace.name, endpoint.name]),
            "router": routers[endpoint.cluster_id],
            "address": scoring_uri(endpoint, routers[endpoint.cluster_id]),
            "bar": bar_of(endpoint, list(endpoint.deployments.all())),
            "recent": figures[endpoint.pk],
            "links": menu_of(endpoint, row=True) if acts and endpoint.status != EndpointStatus.DELETING else [],
        }
        for endpoint in endpoints
    ]


def _first(workspace: Workspace, *, acts: bool) -> dict[str, str]:
    """Return what an empty list says: what stands in the way of a first endpoint, or how to make it."""
    computes = list(computes_of(workspace))
    if not computes:
        return {
            "title": "No compute yet",
            "text": "Endpoints run on a compute: a namespace of a cluster that IT operations attached to this workspace. "
            "Ask an operator for one on a cluster whose extension has inference on.",
            "command": f"mooring compute list -w {workspace.name}",
        }
    routers = {compute.cluster_id: router_of(compute.cluster) for compute in computes}
    if not any(router.installed for router in routers.values()):
        clusters = ", ".join(sorted({compute.cluster.name for compute in computes}))
        why = next(iter(routers.values())).reason
        return {
            "title": "No cluster can take requests yet",
            "text": f"{why} Ask IT operations to install the extension with inference on ({clusters}): it brings the router that "
            "endpoints answer behind.",
            "command": "",
        }
    text = "An endpoint is an HTTPS address behind which your model answers. A registered model and a scoring script are all it takes."
    if not acts:
        return {"title": "No endpoint yet", "text": "The HTTPS addresses of this workspace's models will be listed here.", "command": ""}
    command = f"mooring online-endpoint create -f endpoint.yml -w {workspace.name}"
    return {"title": "No endpoint yet", "text": text, "command": command, "action": "Create an endpoint"}


def _chosen(request: HttpRequest, state: str, compute: str) -> list[dict[str, str]]:
    """Return the filters that are on, each with the address without it."""
    found = []
    for title, key, value, word in (("State", "state", state, word_of(state)), ("Compute", "compute", compute, compute)):
        if value:
            query = request.GET.copy()
            for gone in (key, "after"):
                query.pop(gone, None)
            found.append({"name": title, "value": word, "url": f"?{query.urlencode()}"})
    return found
