"""Made by setup/async_client.py from mooring/client/views.py: change that one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mooring.client.aio.transport import Transport, segment
from mooring.client.aio.workspaces import Scope, listed


class Views:
    """The views of lists that the person has: their own and the shared ones.

    Of a workspace's lists (`jobs`, `models`, …), or with `studio=True` of those outside workspaces (`clusters`, `users`, `audit`, …).
    """

    def __init__(self, transport: Transport, scope: Scope) -> None:
        self._transport = transport
        self._scope = scope

    async def list(self, table: str | None = None, *, studio: bool = False, workspace: str | None = None) -> list[Mapping[str, Any]]:
        """Return the views, newest first; of one list, if it is named."""
        path = "views" if studio else await self._scope.path(workspace, "views")
        return [one async for one in listed(self._transport, path, {"table": table})]

    async def save(
        self, table: str, name: str, query: str, *, shared: bool = False, studio: bool = False, workspace: str | None = None
    ) -> Mapping[str, Any]:
        """Keep a query string (`state=Failed&sort=-started`) of a list under a name, in place of one's own view of that name."""
        body = {"table": table, "name": name, "query": query, "shared": shared}
        path = "views" if studio else await self._scope.path(workspace, "views")
        return dict(await self._transport.json("POST", path, json=body) or {})

    async def open_with(
        self, table: str, name: str, *, opens: bool = True, studio: bool = False, workspace: str | None = None
    ) -> Mapping[str, Any]:
        """Begin the person's list with a view, or with all rows again."""
        rest = f"views/{segment(table)}/{segment(name)}/opens"
        path = rest if studio else await self._scope.path(workspace, rest)
        return dict(await self._transport.json("PUT", path, json={"opens": opens}))

    async def delete(self, table: str, name: str, *, studio: bool = False, workspace: str | None = None) -> None:
        """Delete a view."""
        rest = f"views/{segment(table)}/{segment(name)}"
        await self._transport.send("DELETE", rest if studio else await self._scope.path(workspace, rest))
