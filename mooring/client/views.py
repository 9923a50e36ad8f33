"""Saved views of lists: a search with filters, sort and columns under a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mooring.client.transport import Transport, segment
from mooring.client.workspaces import Scope, listed


class Views:
    """The views of lists that the person has: their own and the shared ones.

    Of a workspace's lists (`jobs`, `models`, …), or with `studio=True` of those outside workspaces (`clusters`, `users`, `audit`, …).
    """

    def __init__(self, transport: Transport, scope: Scope) -> None:
        self._transport = transport
        self._scope = scope

    def list(self, table: str | None = None, *, studio: bool = False, workspace: str | None = None) -> list[Mapping[str, Any]]:
        """Return the views, newest first; of one list, if it is named."""
        path = "views" if studio else self._scope.path(workspace, "views")
        return list(listed(self._transport, path, {"table": table}))

    def save(
        self, table: str, name: str, query: str, *, shared: bool = False, studio: bool = False, workspace: str | None = None
    ) -> Mapping[str, Any]:
        """Keep a query string (`state=Failed&sort=-started`) of a list under a name, in place of one's own view of that name."""
        body = {"table": table, "name": name, "query": query, "shared": shared}
        path = "views" if studio else self._scope.path(workspace, "views")
        return dict(self._transport.json("POST", path, json=body) or {})

    def open_with(
        self, table: str, name: str, *, opens: bool = True, studio: bool = False, workspace: str | None = None
    ) -> Mapping[str, Any]:
        """Begin the person's list with a view, or with all rows again."""
        rest = f"views/{segment(table)}/{segment(name)}/opens"
        path = rest if studio else self._scope.path(workspace, rest)
        return dict(self._transport.json("PUT", path, json={"opens": opens}))

    def delete(self, table: str, name: str, *, studio: bool = False, workspace: str | None = None) -> None:
        """Delete a view."""
        rest = f"views/{segment(table)}/{segment(name)}"
        self._transport.send("DELETE", rest if studio else self._scope.path(workspace, rest))
