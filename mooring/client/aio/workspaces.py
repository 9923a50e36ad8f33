"""Made by setup/async_client.py from mooring/client/workspaces.py: change that one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from mooring.client.aio.transport import Transport, segment
from mooring.client.models import Workspace
from mooring.errors import MooringError


class Workspaces:
    """The workspaces that the person may see."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> list[Workspace]:
        """Return all of them."""
        return [Workspace.of(one) async for one in listed(self._transport, "workspaces")]

    async def create(self, name: str, *, display_name: str = "") -> Workspace:
        """Make a workspace; for operators and administrators."""
        return Workspace.of(await self._transport.json("POST", "workspaces", json={"name": name, "display_name": display_name}))


class Scope:
    """The workspace that calls use when they name none."""

    def __init__(self, transport: Transport, workspace: str | None) -> None:
        self._transport = transport
        self._workspace = workspace

    async def path(self, workspace: str | None, rest: str) -> str:
        """Return a path below the workspace named, else the client's own, else the only one there is."""
        return f"workspaces/{segment(await self.name(workspace))}/{rest}"

    async def name(self, workspace: str | None) -> str:
        """Return the workspace that a call means."""
        if workspace:
            return workspace
        if not self._workspace:
            names = [str(one["name"]) async for one in listed(self._transport, "workspaces")]
            if len(names) != 1:
                raise _undecided(names)
            self._workspace = names[0]
        return self._workspace


async def listed(
    transport: Transport, path: str, query: Mapping[str, Any] | None = None, *, most: int | None = None
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the rows of a list, page after page, `most` of them at most."""
    left = most
    after: str | None = None
    while left is None or left > 0:
        limit = 100 if left is None else min(left, 100)
        page = await transport.json("GET", path, query={**(query or {}), "limit": limit, "after": after})
        rows, after = (page, None) if isinstance(page, list) else (page["items"], page.get("next"))
        for one in rows if left is None else rows[:left]:
            yield one
        left = None if left is None else left - len(rows)
        if not after:
            return


def _undecided(names: list[str]) -> MooringError:
    if not names:
        return MooringError(
            "workspace-none",
            "There is no workspace for you",
            "You are a member of no workspace.",
            "Ask a workspace's owner or an administrator to add you.",
        )
    return MooringError(
        "workspace-unnamed",
        "Which workspace?",
        f"You have several: {', '.join(names[:10])}.",
        "Name one with --workspace (-w) or MOORING_WORKSPACE.",
    )
