"""Made by setup/async_client.py from mooring/client/people.py: change that one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from mooring.client.aio.transport import Transport, segment
from mooring.client.aio.workspaces import listed
from mooring.client.models import Invitation, Person, Token

Values = str | Sequence[str] | None


class Users:
    """The people of the studio; for administrators."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self,
        *,
        show: str | None = None,
        role: Values = None,
        workspace: Values = None,
        factor: str | None = None,
        idle: str | None = None,
        since: str | None = None,
        q: str | None = None,
        view: str | None = None,
        sort: str | None = None,
        most: int | None = None,
    ) -> AsyncIterator[Person]:
        """Yield people, newest first: `show` is active, new, inactive or deleted; all but the deleted without it.

        `role` is operator, administrator or none, `workspace` one that they are in, `factor` set or none, `idle` for how
        many days they have not signed in (30, 90 or 365), `since` when they were made. `view` names a saved view; what is
        given beside it stands in the view's stead. `sort` is a column as `-last_login`.
        """
        query = {
            "show": show,
            "role": role,
            "workspace": workspace,
            "factor": factor,
            "idle": idle,
            "since": since,
            "q": q,
            "view": view,
            "sort": sort,
        }
        async for one in listed(self._transport, "users", query, most=most):
            yield Person.of(one)

    async def get(self, username: str) -> Person:
        """Return one person with their workspaces."""
        return Person.of(await self._transport.json("GET", f"users/{segment(username)}"))

    async def create(
        self,
        username: str,
        *,
        full_name: str = "",
        email: str = "",
        operator: bool = False,
        administrator: bool = False,
        password: str = "",
    ) -> Person:
        """Make a person; without a password `link` of the answer is the address over which they set one."""
        given = {
            "username": username,
            "full_name": full_name,
            "email": email,
            "operator": operator,
            "administrator": administrator,
            "password": password,
        }
        return Person.of(await self._transport.json("POST", "users", json=given))

    async def update(
        self,
        username: str,
        *,
        full_name: str | None = None,
        email: str | None = None,
        operator: bool | None = None,
        administrator: bool | None = None,
    ) -> Person:
        """Change a person; what is None stays."""
        given = {"full_name": full_name, "email": email, "operator": operator, "administrator": administrator}
        return Person.of(await self._transport.json("PATCH", f"users/{segment(username)}", json=given))

    async def deactivate(self, username: str) -> Person:
        """Let a person in no more; sessions and tokens end at once."""
        return Person.of(await self._transport.json("POST", f"users/{segment(username)}/deactivate"))

    async def reactivate(self, username: str) -> Person:
        """Let a person in again."""
        return Person.of(await self._transport.json("POST", f"users/{segment(username)}/reactivate"))

    async def end_sessions(self, username: str) -> None:
        """Sign a person out of every browser."""
        await self._transport.json("POST", f"users/{segment(username)}/end-sessions")

    async def password_link(self, username: str, *, days: int = 1) -> Invitation:
        """Make a link over which a person sets a new password; it is in this answer alone."""
        return Invitation.of(await self._transport.json("POST", f"users/{segment(username)}/password-link", json={"days": days}))

    async def delete(self, username: str) -> None:
        """Delete a person for good; the name is kept for the audit."""
        await self._transport.json("DELETE", f"users/{segment(username)}")


class Invitations:
    """Links that let new people in; for administrators."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self,
        *,
        show: str | None = None,
        kind: Values = None,
        by: Values = None,
        since: str | None = None,
        q: str | None = None,
        view: str | None = None,
        sort: str | None = None,
        most: int | None = None,
    ) -> AsyncIterator[Invitation]:
        """Yield invitations and password links, newest first: `show` is open, accepted or over, `kind` roles or password."""
        query = {"show": show, "kind": kind, "by": by, "since": since, "q": q, "view": view, "sort": sort}
        async for one in listed(self._transport, "invitations", query, most=most):
            yield Invitation.of(one)

    async def create(
        self,
        name: str = "",
        *,
        email: str = "",
        operator: bool = False,
        administrator: bool = False,
        workspaces: Mapping[str, str] | None = None,
        days: int = 7,
    ) -> Invitation:
        """Invite a person with roles by workspace; `link` is in this answer alone."""
        given = {
            "name": name,
            "email": email,
            "operator": operator,
            "administrator": administrator,
            "workspaces": dict(workspaces or {}),
            "days": days,
        }
        return Invitation.of(await self._transport.json("POST", "invitations", json=given))

    async def accept(self, secret: str, password: str, *, username: str = "", full_name: str = "") -> Mapping[str, Any]:
        """Take an invitation up, or set the password of a password link: `secret` is the last part of the link; takes no token.

        Return `username`, and as `kind` invitation or password.
        """
        given = {"secret": secret, "password": password, "username": username, "full_name": full_name}
        return dict(await self._transport.json("PUT", "invitations/accepted", json=given))

    async def withdraw(self, id: int) -> None:
        """Make a link worthless."""
        await self._transport.json("DELETE", f"invitations/{segment(str(id))}")


class Tokens:
    """Tokens of programs: the caller's own, and everyone's for administrators."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self,
        *,
        everyone: bool = False,
        user: Values = None,
        show: str = "all",
        scope: Values = None,
        workspace: Values = None,
        since: str | None = None,
        q: str | None = None,
        view: str | None = None,
        sort: str | None = None,
        most: int | None = None,
    ) -> AsyncIterator[Token]:
        """Yield tokens, newest first, that may do `scope`; `show` is active, ended or all.

        For administrators also everyone's, or those of a `user`, or those that reach a `workspace`.
        """
        query: dict[str, Any] = {"show": show, "scope": scope, "since": since, "q": q, "view": view, "sort": sort}
        whole = everyone or user or workspace
        if whole:
            query |= {"user": user, "workspace": workspace}
        async for one in listed(self._transport, "tokens" if whole else "me/tokens", query, most=most):
            yield Token.of(one)

    async def create(
        self, name: str, *, scopes: Sequence[str] | None = None, workspaces: Sequence[str] = (), days: int | None = None
    ) -> Token:
        """Make a token; `token` is in this answer alone. With a token this takes the scope account, and gives no more than it has."""
        given = {"name": name, "scopes": None if scopes is None else [*scopes], "workspaces": [*workspaces], "days": days}
        return Token.of(await self._transport.json("POST", "me/tokens", json=given))

    async def revoke(self, id: int, *, anybodys: bool = False) -> None:
        """Revoke one of the caller's own tokens, or as an administrator anybody's."""
        await self._transport.json("DELETE", f"{('tokens' if anybodys else 'me/tokens')}/{segment(str(id))}")
