"""Made by setup/async_client.py from mooring/client/workspaces.py: change that one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from mooring.client.aio.transport import Transport, segment
from mooring.client.models import Member, Workspace
from mooring.errors import MooringError


class Workspaces:
    """The workspaces that the person may see."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self,
        *,
        every: bool = False,
        show: str | None = None,
        since: str | None = None,
        q: str | None = None,
        view: str | None = None,
        sort: str | None = None,
        most: int | None = None,
    ) -> list[Workspace]:
        """Return them by name; with `every`, for operators, also those that the person is no member of.

        `show` is used or archived, `since` when they were made; `view` names a saved view, for operators.
        """
        query = {"every": "true" if every else None, "show": show, "since": since, "q": q, "view": view, "sort": sort}
        return [Workspace.of(one) async for one in listed(self._transport, "workspaces", query, most=most)]

    async def create(self, name: str, *, display_name: str = "", description: str = "") -> Workspace:
        """Make a workspace; for operators and administrators."""
        given = {"name": name, "display_name": display_name, "description": description}
        return Workspace.of(await self._transport.json("POST", "workspaces", json=given))

    async def get(self, name: str) -> Workspace:
        """Return one, with what lives in it."""
        return Workspace.of(await self._transport.json("GET", f"workspaces/{segment(name)}"))

    async def update(self, name: str, *, display_name: str | None = None, description: str | None = None) -> Workspace:
        """Change what it is called and what it is for; what is None stays."""
        given = {"display_name": display_name, "description": description}
        return Workspace.of(await self._transport.json("PATCH", f"workspaces/{segment(name)}", json=given))

    async def archive(self, name: str) -> Workspace:
        """Put it aside: it can be looked at, and nothing in it changes."""
        return Workspace.of(await self._transport.json("POST", f"workspaces/{segment(name)}/archive"))

    async def restore(self, name: str) -> Workspace:
        """Bring it back."""
        return Workspace.of(await self._transport.json("POST", f"workspaces/{segment(name)}/restore"))

    async def delete(self, name: str) -> None:
        """Delete it; refused while anything lives in it."""
        await self._transport.json("DELETE", f"workspaces/{segment(name)}")

    async def members(
        self,
        name: str,
        *,
        role: str | Sequence[str] | None = None,
        state: str | None = None,
        q: str | None = None,
        view: str | None = None,
        sort: str | None = None,
        most: int | None = None,
    ) -> AsyncIterator[Member]:
        """Yield who may do what in it, owners first: of a `role`, in a `state` (active or inactive), that contain `q`."""
        query = {"role": role, "state": state, "q": q, "view": view, "sort": sort}
        async for one in listed(self._transport, f"workspaces/{segment(name)}/members", query, most=most):
            yield Member.of(one)

    async def set_member(self, name: str, username: str, role: str) -> Member:
        """Make a person a member, or change a role: owner, contributor or reader."""
        return Member.of(await self._transport.json("PUT", f"workspaces/{segment(name)}/members/{segment(username)}", json={"role": role}))

    async def remove_member(self, name: str, username: str) -> None:
        """Take a person out, or leave."""
        await self._transport.json("DELETE", f"workspaces/{segment(name)}/members/{segment(username)}")


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
