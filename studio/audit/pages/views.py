"""The audit: of the whole studio for administrators and IT operations, of a workspace for its owners."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from studio.accounts.http import operator_view, workspace_view
from studio.accounts.models import Workspace
from studio.audit.models import Entry, Result, Via
from studio.audit.pages.export import export
from studio.audit.pages.links import links_of
from studio.audit.pages.shown import changes
from studio.audit.selectors import Wanted, choices, entries_like
from studio.core.errors import ProblemError
from studio.core.pages import keyset_page

_TONES = {Result.DONE.value: "good", Result.REFUSED.value: "look", Result.FAILED.value: "wrong"}
_TITLES = {"person": "Person", "verb": "Did", "kind": "Kind", "object": "Object", "result": "Result", "via": "By", "since": "Since",
           "until": "Until", "workspace": "Workspace"}  # fmt: skip
_SPANS = (("", "All"), ("1h", "Last hour"), ("24h", "Last 24 h"), ("7d", "Last 7 days"), ("30d", "Last 30 days"))


@require_GET
@operator_view
def whole(request: HttpRequest) -> HttpResponseBase:
    """Show what everybody did, or send it as a file."""
    return _answer(request, Wanted.of(request.GET.dict()), Entry.objects.all(), {"here": "Audit", "export_name": "audit"})


@require_GET
@workspace_view("owner", archived=True)
def of_workspace(request: HttpRequest, workspace: Workspace) -> HttpResponseBase:
    """Show an owner what was done in the workspace."""
    wanted = Wanted.of(request.GET.dict() | {"workspace": workspace.name})
    frame = {"here": "Audit", "space": workspace, "export_name": f"audit-{workspace.name}"}
    return _answer(request, wanted, Entry.objects.filter(workspace=workspace.name), frame)


def entry_rows(user: Any, entries: list[Entry]) -> list[dict[str, Any]]:
    """Return entries as the table of the audit shows them (audit/rows.html)."""
    links = links_of(user, entries)
    return [
        {
            "entry": entry,
            "url": links.get(entry.pk, ""),
            "changes": changes(entry.diff),
            "tone": _TONES.get(entry.result, "neutral"),
            "problem_text": entry.problem.replace("-", " "),
        }
        for entry in entries
    ]


def _answer(request: HttpRequest, wanted: Wanted, everything: QuerySet[Entry], frame: dict[str, Any]) -> HttpResponseBase:
    problem = None
    try:
        rows = entries_like(wanted)
    except ProblemError as error:
        problem, rows = error, everything.none()
    if (format := request.GET.get("format")) and problem is None:
        return export(rows, format=format, name=frame["export_name"])
    page = keyset_page(rows, after=request.GET.get("after", ""))
    shown = {name: value for name, value in wanted.chosen.items() if not (name == "workspace" and "space" in frame)}
    context = {
        **frame,
        "page": page,
        "rows": entry_rows(request.user, page.rows),
        "wanted": wanted,
        "problem": problem,
        "choices": choices(everything),
        "results": Result.choices,
        "ways": Via.choices,
        "nothing": not shown and not page.rows,
        "chips": _spans(request, wanted),
        "chosen": [{"name": _TITLES[name], "value": value, "url": _without(request, name)} for name, value in shown.items()
                   if name in _TITLES],
        "exports": [{"title": title, "icon": "download", "url": _with(request, format=format)}
                    for format, title in (("csv", "Export as CSV"), ("jsonl", "Export as JSON Lines"))],
        "crumbs": [(frame["space"].display_name or frame["space"].name, reverse("jobs:list", args=[frame["space"].name]))]
        if "space" in frame else [],
    }  # fmt: skip
    part = "#list" if request.htmx and not request.htmx.boosted else ""  # type: ignore[attr-defined]
    return render(request, f"audit/list.html{part}", context, status=422 if problem else 200)


def _spans(request: HttpRequest, wanted: Wanted) -> list[dict[str, Any]]:
    return [{"title": title, "url": _with(request, since=value), "active": wanted.since == value} for value, title in _SPANS]


def _with(request: HttpRequest, **changed: str) -> str:
    query = request.GET.copy()
    query.pop("after", None)
    for name, value in changed.items():
        query.pop(name, None)
        if value:
            query[name] = value
    return f"?{query.urlencode()}"


def _without(request: HttpRequest, name: str) -> str:
    return _with(request, **{name: ""})
