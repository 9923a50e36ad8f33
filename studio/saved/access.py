"""Who may keep views of which list: whoever may see it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse

from studio.accounts.access import require_admin, require_operator, workspace_for
from studio.core.errors import ProblemError
from studio.tables.declared import Table
from studio.tables.services import table_named


def place_of(person: Any, table: Table, workspace: str = "") -> Any:
    """Return the workspace that a list's views belong to, or None for a list outside workspaces; raise for who may not see it."""
    if table.whose == "workspace":
        if not workspace:
            raise ProblemError("not-found")
        return workspace_for(person, workspace)
    if workspace:
        raise ProblemError("not-found")
    checks = {"operator": require_operator, "admin": require_admin}
    if table.whose in checks:
        checks[table.whose](person)
    return None


def list_view(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Give the view its list and the list's workspace (or None), after checking that the person may see the list."""

    @wraps(view)
    def guarded(request: HttpRequest, table: str, workspace: str = "", **kwargs: Any) -> HttpResponse:
        # The workspace first: a stranger learns nothing of what else is wrong.
        space = workspace_for(request.user, workspace) if workspace else None
        found = table_named(table)
        if (space is None) == (found.whose == "workspace"):
            raise ProblemError("not-found")
        return view(request, found, space or place_of(request.user, found), **kwargs)

    guarded.access = "as the list"  # type: ignore[attr-defined]
    return guarded
