"""API operations on saved views of lists: of a workspace's, and of those outside workspaces (clusters, people, the audit, …)."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from studio.accounts.access import workspace_for
from studio.api.bodies import RequestBody
from studio.api.paging import After, Limit, page
from studio.core.errors import ProblemError
from studio.saved.access import may_see, may_see_outside, place_of
from studio.tables import services
from studio.tables.declared import TABLES, Table
from studio.tables.models import SavedView

router = Router(tags=["views"])
_SPACE, _OUTSIDE = "/workspaces/{workspace}/views", "/views"


class ViewIn(RequestBody):
    """A view to save: of which list (`jobs`, `models`, …), its name, and the query string that it keeps."""

    table: str
    name: str
    query: str = ""
    shared: bool = False


class OpensIn(RequestBody):
    """Whether the caller's list begins with the view, or with all rows again."""

    opens: bool


@router.get(_SPACE)
def list_views(request: HttpRequest, workspace: str, table: str = "", limit: Limit = 50, after: After = None) -> dict[str, Any]:
    """List the caller's views of a workspace's lists, and those that are shared; of one list, if it is named."""
    space = workspace_for(request.user, workspace)
    return _listed(request, space, table, [key for key in TABLES if may_see(space, key)], limit, after)


@router.post(_SPACE, response={201: dict[str, Any]})
def save_view(request: HttpRequest, workspace: str, given: ViewIn) -> tuple[int, dict[str, Any]]:
    """Save a view, in place of the caller's own of that name; sharing takes the role contributor."""
    workspace_for(request.user, workspace)
    return 201, _saved(request, workspace, given)


@router.put(_SPACE + "/{table}/{name}/opens")
def open_with_view(request: HttpRequest, workspace: str, table: str, name: str, given: OpensIn) -> dict[str, Any]:
    """Begin the caller's list with a view, their own or a shared one, or with all rows again."""
    found, space = _found(request, workspace, table)
    return _opened(request, found, space, name, given)


@router.delete(_SPACE + "/{table}/{name}", response={204: None})
def delete_view(request: HttpRequest, workspace: str, table: str, name: str) -> tuple[int, None]:
    """Delete a view: one's own, or as an owner of the workspace a shared one."""
    found, space = _found(request, workspace, table)
    services.delete_view(request.user, services.view_named(request.user, found, space, name), workspace=space)
    return 204, None


@router.get(_OUTSIDE)
def list_studio_views(request: HttpRequest, table: str = "", limit: Limit = 50, after: After = None) -> dict[str, Any]:
    """List the caller's views of lists outside workspaces, and those that are shared; of one list, if it is named."""
    return _listed(request, None, table, [key for key in TABLES if may_see_outside(request.user, key)], limit, after)


@router.post(_OUTSIDE, response={201: dict[str, Any]})
def save_studio_view(request: HttpRequest, given: ViewIn) -> tuple[int, dict[str, Any]]:
    """Save a view of a list outside workspaces, in place of the caller's own of that name; a shared one is for all who see the list."""
    return 201, _saved(request, "", given)


@router.put(_OUTSIDE + "/{table}/{name}/opens")
def open_with_studio_view(request: HttpRequest, table: str, name: str, given: OpensIn) -> dict[str, Any]:
    """Begin the caller's list outside workspaces with a view, their own or a shared one, or with all rows again."""
    found = services.table_named(table)
    return _opened(request, found, place_of(request.user, found), name, given)


@router.delete(_OUTSIDE + "/{table}/{name}", response={204: None})
def delete_studio_view(request: HttpRequest, table: str, name: str) -> tuple[int, None]:
    """Delete a view of a list outside workspaces: one's own, or as an administrator a shared one."""
    found = services.table_named(table)
    space = place_of(request.user, found)
    services.delete_view(request.user, services.view_named(request.user, found, space, name), workspace=space)
    return 204, None


def _found(request: HttpRequest, workspace: str, table: str) -> tuple[Table, Any]:
    space = workspace_for(request.user, workspace)
    found = services.table_named(table)
    if not may_see(space, table):
        raise ProblemError("not-found")
    return found, space


def _listed(request: HttpRequest, space: Any, table: str, seen: list[str], limit: int, after: str | None) -> dict[str, Any]:
    rows = services.views_of(request.user, services.table_named(table) if table else None, space)
    return page(rows.filter(table__in=seen), limit=limit, after=after, show=lambda view: _shown(request, view))


def _saved(request: HttpRequest, workspace: str, given: ViewIn) -> dict[str, Any]:
    table = services.table_named(given.table)
    if table.in_workspace != bool(workspace):
        where = "those of a workspace" if table.in_workspace else "those outside workspaces"
        raise ProblemError("request-invalid", field="table", text=f"The list {table.key} is one of {where}: keep its views there.")
    space = place_of(request.user, table, workspace)
    view = services.save_view(request.user, table, name=given.name, query=given.query, workspace=space, shared=given.shared)
    return _shown(request, view)


def _opened(request: HttpRequest, table: Table, space: Any, name: str, given: OpensIn) -> dict[str, Any]:
    services.open_with(request.user, services.view_named(request.user, table, space, name), opens=given.opens)
    return _shown(request, services.view_named(request.user, table, space, name))


def _shown(request: HttpRequest, view: SavedView) -> dict[str, Any]:
    return {
        "table": view.table,
        "name": view.name,
        "query": view.query,
        "shared": view.shared,
        "owner": view.owner.username,
        "opens": bool(getattr(view, "opens", False)),
        "created_at": view.created_at,
    }
