"""The list of a workspace's endpoints."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_GET

from compute.router import Router, router_of
from compute.selectors import computes_of
from endpoints.figures.series import recent
from endpoints.models import Endpoint, EndpointStatus
from endpoints.selectors import scoring_uri
from endpoints.tables import ENDPOINTS
from endpoints.views.parts import may_act, menu_of
from endpoints.views.traffic import bar_of
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.tables.declared import Line
from studio.tables.page import Listing, list_page


@require_GET
@workspace_view("reader")
def endpoint_list(request: HttpRequest, workspace: Workspace) -> HttpResponseBase:
    """Show the endpoints that pass the filters, newest first; htmx gets the table alone."""
    acts = may_act(workspace)
    person: Any = request.user
    operates = person.is_operator or person.is_admin

    def context(listing: Listing) -> dict[str, Any]:
        first = {"first": _first(workspace, acts=acts, operates=operates)} if listing.nothing else {}
        return first | {"may_act": acts, "here": "Endpoints", "new_url": reverse("endpoints:new", args=[workspace.name])}

    rows = Endpoint.objects.filter(workspace=workspace).select_related("workspace", "cluster", "created_by")
    return list_page(
        request,
        ENDPOINTS,
        "endpoints/list.html",
        rows=rows.prefetch_related("deployments"),
        lines=partial(_lines, acts=acts),
        workspace=workspace,
        topics=f"endpoints:{workspace.name}",
        triggers="live:changed, live:figures, live:resync",
        context=context,
    )


def _lines(endpoints: Sequence[Endpoint], *, acts: bool) -> list[Line]:
    figures = recent(list(endpoints))
    routers: dict[int | None, Router] = {None: Router()}
    for endpoint in endpoints:
        if endpoint.cluster is not None and endpoint.cluster_id not in routers:
            routers[endpoint.cluster_id] = router_of(endpoint.cluster)
    return [
        Line(
            row=endpoint,
            id=f"endpoint-{endpoint.pk}",
            title=endpoint.name,
            href=reverse("endpoints:detail", args=[endpoint.workspace.name, endpoint.name]),
            links=menu_of(endpoint, row=True) if acts and endpoint.status != EndpointStatus.DELETING else [],
            extra={
                "router": routers[endpoint.cluster_id],
                "address": scoring_uri(endpoint, routers[endpoint.cluster_id]),
                "bar": bar_of(endpoint, list(endpoint.deployments.all())),
                "recent": figures[endpoint.pk],
            },
        )
        for endpoint in endpoints
    ]


def _first(workspace: Workspace, *, acts: bool, operates: bool) -> dict[str, str]:
    """Return what an empty list says: what stands in the way of a first endpoint and who can take it away, or how to make it."""
    computes = list(computes_of(workspace))
    if not computes:
        what = "Endpoints run on a compute: a namespace of a cluster"
        if operates:
            return {
                "title": "No compute yet",
                "text": f"{what}. Open a cluster whose extension has inference on, and give this workspace a compute on it.",
                "url": reverse("compute:cluster-list"),
                "action": "Open clusters",
            }
        return {
            "title": "No compute yet",
            "text": f"{what} that IT operations attached to this workspace. "
            "Ask an operator for one on a cluster whose extension has inference on.",
            "command": f"mooring compute list -w {workspace.name}",
        }
    routers = {compute.cluster_id: router_of(compute.cluster) for compute in computes}
    if not any(router.installed for router in routers.values()):
        names = sorted({compute.cluster.name for compute in computes})
        why = next(iter(routers.values())).reason
        brings = "it brings the router that endpoints answer behind."
        title = "No cluster can take requests yet"
        if operates:
            text = f"{why} Install the extension with inference on ({', '.join(names)}): {brings}"
            return {"title": title, "text": text, "url": reverse("compute:extension", args=[names[0]]), "action": "Open the extension"}
        text = f"{why} Ask IT operations to install the extension with inference on ({', '.join(names)}): {brings}"
        return {"title": title, "text": text}
    text = "An endpoint is an HTTPS address behind which your model answers. A registered model and a scoring script are all it takes."
    if not acts:
        return {"title": "No endpoint yet", "text": "The HTTPS addresses of this workspace's models will be listed here.", "command": ""}
    command = f"mooring online-endpoint create -f endpoint.yml -w {workspace.name}"
    return {"title": "No endpoint yet", "text": text, "command": command, "action": "Create an endpoint", "creates": "yes"}
