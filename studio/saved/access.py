"""Who may keep views of which list: whoever may see it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse

from studio.accounts.access import require_admin, require_operator, workspace_for
from studio.core.errors import ProblemError
from studio.tables.declared import TABLES, Table
from studio.tables.services import table_named


def place_of(person: Any, table: Table, workspace: str = "") -> Any:
    """Return the workspace that a list's views belong to, or None for a list outside workspaces; raise for who may not see it."""
    if table.in_workspace:
        if not workspace:
            raise ProblemError("not-found")
        return _space(person, workspace, table)
    if workspace:
        raise ProblemError("not-found")
    checks = {"operator": require_operator, "admin": require_admin}
    if table.whose in checks:
        checks[table.whose](person)
    return None


def may_see(workspace: Any, table_key: str) -> bool:
    """Tell whether who holds a role in a workspace sees one of its lists; a list that is gone is nobody's."""
    table = TABLES.get(table_key)
    return table is not None and (table.whose == "workspace" or (table.whose == "owner" and workspace.held_role == "owner"))


def may_see_outside(person: Any, table_key: str) -> bool:
    """Tell whether a person sees a list outside workspaces."""
    table = TABLES.get(table_key)
    if table is None or table.in_workspace:
        return False
    try:
        place_of(person, table)
    except ProblemError:
        return False
    return True


def _space(person: Any, name: str, table: Table) -> Any:
    owners = table.whose == "owner"
    # An owner sees these lists of a workspace that is put aside, too.
    return workspace_for(person, name, "owner" if owners else "reader", archived=owners)


def list_view(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Give the view its list and the list's workspace (or None), after checking that the person may see the list."""

    @wraps(view)
    def guarded(request: HttpRequest, table: str, workspace: str = "", **kwargs: Any) -> HttpResponse:
        # The workspace first: a stranger learns nothing of what else is wrong.
        space = workspace_for(request.user, workspace) if workspace else None
        found = table_named(table)
        if (space is None) == found.in_workspace:
            raise ProblemError("not-found")
        return view(request, found, place_of(request.user, found, workspace), **kwargs)

    guarded.access = "as the list"  # type: ignore[attr-defined]
    return guarded
