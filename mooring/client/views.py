"""Saved views of lists: a search with filters, sort and columns under a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mooring.client.transport import Transport, segment
from mooring.client.workspaces import Scope, listed


class Views:
    """The views of a workspace's lists that the person has: their own and the shared ones."""

    def __init__(self, transport: Transport, scope: Scope) -> None:
        self._transport = transport
        self._scope = scope

    def list(self, table: str | None = None, *, workspace: str | None = None) -> list[Mapping[str, Any]]:
        """Return the views, newest first; of one list (`jobs`, `models`, …), if it is named."""
        return list(listed(self._transport, self._scope.path(workspace, "views"), {"table": table}))

    def save(self, table: str, name: str, query: str, *, shared: bool = False, workspace: str | None = None) -> Mapping[str, Any]:
        """Keep a query string (`state=Failed&sort=-started`) of a list under a name, in place of one's own view of that name."""
        body = {"table": table, "name": name, "query": query, "shared": shared}
        return dict(self._transport.json("POST", self._scope.path(workspace, "views"), json=body) or {})

    def open_with(self, table: str, name: str, *, opens: bool = True, workspace: str | None = None) -> Mapping[str, Any]:
        """Begin the person's list with a view, or with all rows again."""
        path = self._scope.path(workspace, f"views/{segment(table)}/{segment(name)}/opens")
        return dict(self._transport.json("PUT", path, json={"opens": opens}))

    def delete(self, table: str, name: str, *, workspace: str | None = None) -> None:
        """Delete a view."""
        self._transport.send("DELETE", self._scope.path(workspace, f"views/{segment(table)}/{segment(name)}"))
