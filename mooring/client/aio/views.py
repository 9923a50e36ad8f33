"""Made by setup/async_client.py from mooring/client/views.py: change that one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mooring.client.aio.transport import Transport, segment
from mooring.client.aio.workspaces import Scope, listed


class Views:
    """The views of a workspace's lists that the person has: their own and the shared ones."""

    def __init__(self, transport: Transport, scope: Scope) -> None:
        self._transport = transport
        self._scope = scope

    async def list(self, table: str | None = None, *, workspace: str | None = None) -> list[Mapping[str, Any]]:
        """Return the views, newest first; of one list (`jobs`, `models`, …), if it is named."""
        return [one async for one in listed(self._transport, await self._scope.path(workspace, "views"), {"table": table})]

    async def save(self, table: str, name: str, query: str, *, shared: bool = False, workspace: str | None = None) -> Mapping[str, Any]:
        """Keep a query string (`state=Failed&sort=-started`) of a list under a name, in place of one's own view of that name."""
        body = {"table": table, "name": name, "query": query, "shared": shared}
        return dict(await self._transport.json("POST", await self._scope.path(workspace, "views"), json=body) or {})

    async def open_with(self, table: str, name: str, *, opens: bool = True, workspace: str | None = None) -> Mapping[str, Any]:
        """Begin the person's list with a view, or with all rows again."""
        path = await self._scope.path(workspace, f"views/{segment(table)}/{segment(name)}/opens")
        return dict(await self._transport.json("PUT", path, json={"opens": opens}))

    async def delete(self, table: str, name: str, *, workspace: str | None = None) -> None:
        """Delete a view."""
        await self._transport.send("DELETE", await self._scope.path(workspace, f"views/{segment(table)}/{segment(name)}"))
