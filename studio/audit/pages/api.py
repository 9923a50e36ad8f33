"""API operations on the audit: read it, take it away as a file. Nothing changes it."""

from typing import Any, Literal

from django.http import HttpRequest, HttpResponseBase
from ninja import Query, Router

from studio.accounts.access import require_operator, workspace_for
from studio.audit.models import Entry
from studio.audit.pages.export import export
from studio.audit.pages.lists import AUDIT, WORKSPACE_AUDIT
from studio.audit.pages.shown import as_dict
from studio.audit.selectors import moment
from studio.tables.operations import filter_query, list_query, listed_rows, narrowed_rows

router = Router(tags=["audit"])
Answer = dict[str, Any]
Format = Literal["csv", "jsonl"]

AuditQuery: Any = list_query(AUDIT)
AuditFilters: Any = filter_query(AUDIT)
WorkspaceAuditQuery: Any = list_query(WORKSPACE_AUDIT)
WorkspaceAuditFilters: Any = filter_query(WORKSPACE_AUDIT)


@router.get("/audit")
def list_audit(request: HttpRequest, given: Query[AuditQuery]) -> Answer:
    """List what people did in the whole studio, newest first; for operators and administrators."""
    require_operator(request.user)
    return listed_rows(request, AUDIT, Entry.objects.all(), _timely(given), show=as_dict)


@router.get("/audit/export")
def export_audit(request: HttpRequest, given: Query[AuditFilters], format: Format = "csv") -> HttpResponseBase:
    """Send all entries that pass the filters as CSV or JSON Lines."""
    require_operator(request.user)
    return export(narrowed_rows(request, AUDIT, Entry.objects.all(), _timely(given)), format=format)


@router.get("/workspaces/{workspace}/audit")
def list_workspace_audit(request: HttpRequest, workspace: str, given: Query[WorkspaceAuditQuery]) -> Answer:
    """List what people did in a workspace, newest first; for its owners."""
    space = workspace_for(request.user, workspace, "owner")
    rows = Entry.objects.filter(workspace=space.name)
    return listed_rows(request, WORKSPACE_AUDIT, rows, _timely(given), show=as_dict, workspace=space)


@router.get("/workspaces/{workspace}/audit/export")
def export_workspace_audit(
    request: HttpRequest, workspace: str, given: Query[WorkspaceAuditFilters], format: Format = "csv"
) -> HttpResponseBase:
    """Send all entries of a workspace that pass the filters as CSV or JSON Lines; for its owners."""
    space = workspace_for(request.user, workspace, "owner")
    rows = narrowed_rows(request, WORKSPACE_AUDIT, Entry.objects.filter(workspace=space.name), _timely(given), workspace=space)
    return export(rows, format=format, name=f"audit-{space.name}")


def _timely(given: Any) -> Any:
    """Return what is given, once its times were understood."""
    for field in ("since", "until"):
        for value in getattr(given, field):
            moment(value, field=field)
    return given
