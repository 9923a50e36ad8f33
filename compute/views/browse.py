"""Data scientists: the computes of a workspace, what they offer, and what fits now."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from compute import selectors
from compute.kube.capacity import Fit
from compute.models import Compute
from compute.selectors import capacity_of
from compute.views.frame import stale_text
from studio.accounts.access import role_in
from studio.accounts.http import workspace_view
from studio.accounts.models import RANK, Workspace


@workspace_view("reader")
def browse(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Show the workspace's computes as cards."""
    role = role_in(request.user, workspace)  # type: ignore[arg-type]
    computes = list(selectors.computes_of(workspace).prefetch_related("cluster__nodes", "cluster__instance_types"))
    fits = selectors.fits_of(computes)
    user: Any = request.user
    context = {
        "workspace": workspace,
        "cards": [_card(compute, fits[compute.pk]) for compute in computes],
        "may_submit": role is not None and RANK[role] >= RANK["contributor"],
        "may_attach": user.is_operator or user.is_admin,
        "crumbs": [],
        "here": "Computes",
    }
    part = "#live" if request.htmx and not request.htmx.boosted else ""  # type: ignore[attr-defined]
    return render(request, f"compute/browse.html{part}", context)


def _card(compute: Compute, fits: dict[str, Fit]) -> dict[str, Any]:
    nodes = list(compute.cluster.nodes.all())
    types = selectors.types_of(compute.cluster)
    default = selectors.default_type(compute, types)
    rows: list[dict[str, Any]] = [
        {"type": each, "fit": fits[name], "is_default": name == default} for name, each in types.items() if not each.problem
    ]
    # The default first: the shortest way to a running job.
    rows.sort(key=lambda row: (not row["is_default"], row["type"].name))
    return {
        "compute": compute,
        "capacity": capacity_of(nodes),
        "types": rows,
        "stale_text": stale_text(compute.cluster),
    }
