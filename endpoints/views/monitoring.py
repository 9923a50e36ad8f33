"""Figures of an endpoint over time: pictures, the same as a table, and as JSON for what draws them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from endpoints.figures.series import RANGES, Range, over_time, range_named, trouble_of
from endpoints.models import Endpoint
from endpoints.selectors import deployments_of, endpoint_for
from endpoints.views.parts import endpoint_page, link
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace

TABLE_ROWS = 15


@require_GET
@workspace_view("reader")
def monitoring(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Show requests, times, answers by class and replicas; `?part=table` brings the table up to date."""
    endpoint = endpoint_for(workspace, name)
    chosen = range_named(request.GET.get("range", ""))
    one = request.GET.get("deployment", "")
    names = [row.name for row in deployments_of(endpoint)]
    one = one if one in names else ""
    trouble, read_at = trouble_of(endpoint)
    table = table_of(endpoint, chosen, one)
    context: dict[str, Any] = {
        "range": chosen,
        "one": one,
        "figures_url": link("figures", endpoint, range=chosen.key, deployment=one),
        "table_url": link("monitoring", endpoint, range=chosen.key, deployment=one, part="table"),
        "ranges": [
            {"title": each.title, "url": link("monitoring", endpoint, range=each.key, deployment=one), "active": each == chosen}
            for each in RANGES
        ],
        "which": [
            {"title": title, "url": link("monitoring", endpoint, range=chosen.key, deployment=key), "active": key == one}
            for title, key in [("All", ""), *((each, each) for each in names)]
        ],
        "trouble": trouble,
        "read_at": read_at,
        "table": table,
        "nothing": not table["known"],
        "has_deployments": bool(names),
    }
    if request.GET.get("part") == "table":
        return render(request, "endpoints/figures_table.html", {"endpoint": endpoint, "workspace": workspace, **context})
    return endpoint_page(request, "endpoints/monitoring.html", workspace, endpoint, "monitoring", context)


@require_GET
@workspace_view("reader")
def figures(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Answer with the figures as columns beside their times."""
    endpoint = endpoint_for(workspace, name)
    answer = JsonResponse(over_time(endpoint, range_named(request.GET.get("range", ""))))
    answer.headers["Cache-Control"] = "no-store"
    return answer


def table_of(endpoint: Endpoint, chosen: Range, one: str) -> dict[str, Any]:
    """Return the figures as a few rows, newest first: what the pictures show, to be read."""
    length = int(chosen.length.total_seconds())
    found = over_time(endpoint, replace(chosen, step=length // TABLE_ROWS))
    column = found["deployments"].get(one) if one else found["all"]
    total = found["totals"]["deployments"].get(one) if one else found["totals"]["all"]
    rows = []
    for index, at in enumerate(found["at"]):
        if column is None or column["rate"][index] is None:
            continue
        rows.append(
            {
                "at": datetime.fromtimestamp(at, UTC),
                **{key: column[key][index] for key in ("rate", "p50", "p95", "p99", "ready")},
                "classes": [column["classes"][name][index] for name in found["classes"]],
            }
        )
    return {
        "rows": rows[::-1],
        "classes": found["classes"],
        "codes": total["codes"] if total else [],
        "requests": total["requests"] if total else 0,
        "refused": found["refused"],
        "known": bool(rows),
        "mirrored": list(found["mirrored"]),
        "minutes": length // TABLE_ROWS / 60,
    }
