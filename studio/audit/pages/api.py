"""API operations on the audit: read it, take it away as a file. Nothing changes it."""

from typing import Any, Literal

from django.http import HttpRequest, HttpResponseBase
from ninja import Query, Router, Schema

from studio.accounts.access import require_operator, workspace_for
from studio.api.paging import page
from studio.audit.pages.export import export
from studio.audit.pages.shown import as_dict
from studio.audit.selectors import Wanted, entries_like

router = Router(tags=["audit"])
Answer = dict[str, Any]
Format = Literal["csv", "jsonl"]


class Filters(Schema):
    """Which entries: each filter is exact but `q`, which is looked for anywhere. Times: a day, ISO 8601, or 30m, 24h, 7d ago."""

    person: str = ""
    verb: str = ""
    kind: str = ""
    object: str = ""
    result: str = ""
    via: str = ""
    since: str = ""
    until: str = ""
    q: str = ""


class AllFilters(Filters):
    """Also those of one workspace."""

    workspace: str = ""


@router.get("/audit")
def list_audit(request: HttpRequest, filters: Query[AllFilters], limit: int = 50, after: str | None = None) -> Answer:
    """List what people did in the whole studio, newest first; for operators and administrators."""
    require_operator(request.user)
    return page(entries_like(Wanted(**filters.dict())), limit=limit, after=after, show=as_dict)


@router.get("/audit/export")
def export_audit(request: HttpRequest, filters: Query[AllFilters], format: Format = "csv") -> HttpResponseBase:
    """Send all entries that pass the filters as CSV or JSON Lines."""
    require_operator(request.user)
    return export(entries_like(Wanted(**filters.dict())), format=format)


@router.get("/workspaces/{workspace}/audit")
def list_workspace_audit(
    request: HttpRequest, workspace: str, filters: Query[Filters], limit: int = 50, after: str | None = None
) -> Answer:
    """List what people did in a workspace, newest first; for its owners."""
    space = workspace_for(request.user, workspace, "owner")
    wanted = Wanted(**filters.dict(), workspace=space.name)
    return page(entries_like(wanted), limit=limit, after=after, show=as_dict)


@router.get("/workspaces/{workspace}/audit/export")
def export_workspace_audit(request: HttpRequest, workspace: str, filters: Query[Filters], format: Format = "csv") -> HttpResponseBase:
    """Send all entries of a workspace that pass the filters as CSV or JSON Lines; for its owners."""
    space = workspace_for(request.user, workspace, "owner")
    return export(entries_like(Wanted(**filters.dict(), workspace=space.name)), format=format, name=f"audit-{space.name}")
