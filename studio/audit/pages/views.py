"""The audit: of the whole studio for administrators and IT operations, of a workspace for its owners."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_GET

from studio.accounts.http import operator_view, workspace_view
from studio.accounts.models import Workspace
from studio.audit.models import Entry
from studio.audit.pages.export import export
from studio.audit.pages.lists import AUDIT, WORKSPACE_AUDIT, entry_lines, refuse_unreadable
from studio.core.errors import ProblemError
from studio.tables.asked import read
from studio.tables.declared import Table
from studio.tables.narrowing import narrowed
from studio.tables.page import Listing, list_page


@require_GET
@operator_view
def whole(request: HttpRequest) -> HttpResponseBase:
    """Show what everybody did, or send it as a file."""
    return audit_page(request, AUDIT, "audit/list.html", Entry.objects.all(), name="audit", topics="audit", context={"here": "Audit"})


@require_GET
@workspace_view("owner", archived=True)
def of_workspace(request: HttpRequest, workspace: Workspace) -> HttpResponseBase:
    """Show an owner what was done in the workspace."""
    crumbs = [(workspace.display_name or workspace.name, reverse("jobs:list", args=[workspace.name]))]
    return audit_page(
        request,
        WORKSPACE_AUDIT,
        "audit/list.html",
        Entry.objects.filter(workspace=workspace.name),
        name=f"audit-{workspace.name}",
        topics=f"audit:{workspace.name}",
        workspace=workspace,
        context={"here": "Audit", "space": workspace, "crumbs": crumbs},
    )


def audit_page(
    request: HttpRequest,
    table: Table,
    template: str,
    rows: QuerySet[Entry],
    *,
    name: str,
    topics: str,
    workspace: Workspace | None = None,
    context: Mapping[str, Any],
) -> HttpResponseBase:
    """Answer a list of entries: as a page, as its live part, or whole as a file called `name`."""
    pairs = [(key, value) for key, values in request.GET.lists() for value in values]
    problem = None
    try:
        refuse_unreadable(table, pairs)
    except ProblemError as error:
        problem = error
    if (format := request.GET.get("format")) and problem is None:
        return export(narrowed(table, rows, read(table, pairs), request.user), format=format, name=name)

    def more(listing: Listing) -> dict[str, Any]:
        # What cannot be read lets nothing pass; that is not an empty log.
        listing.nothing = listing.nothing and problem is None
        return {**context, "problem": problem}

    wanted = rows.none() if problem else rows
    lines = partial(entry_lines, request.user)
    answer = list_page(request, table, template, rows=wanted, lines=lines, workspace=workspace, topics=topics, context=more)
    if problem:
        answer.status_code = 422
    return answer
