"""Made by setup/async_client.py from mooring/client/__init__.py: change that one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from mooring.client.aio.audit import Audit
from mooring.client.aio.clusters import Clusters, Computes
from mooring.client.aio.content import Content
from mooring.client.aio.endpoints import Deployments, Endpoints
from mooring.client.aio.extension import Extensions
from mooring.client.aio.images import ImageRules
from mooring.client.aio.jobs import Jobs
from mooring.client.aio.network import Network
from mooring.client.aio.notifications import Notifications
from mooring.client.aio.people import Invitations, Tokens, Users
from mooring.client.aio.registry import Models
from mooring.client.aio.sessions import SecondFactor, Sessions
from mooring.client.aio.system import System
from mooring.client.aio.transport import Transport, segment
from mooring.client.aio.views import Views
from mooring.client.aio.workspaces import Scope, Workspaces
from mooring.client.models import (
    Me,
)


class AsyncClient:
    """One studio, as one person sees it.

    `workspace` is the one that calls use when they name none; without it, the only one that the person has.
    `timeout_seconds` bounds each answer, `patience_seconds` the repeating of what got lost. `verify` is False only
    for tests, or the path of a CA bundle. `agent` is how the program names itself to the studio.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        workspace: str | None = None,
        timeout_seconds: float = 30,
        patience_seconds: float = 20,
        verify: bool | str = True,
        agent: str = "",
    ) -> None:
        address = url or os.environ.get("MOORING_URL") or "http://127.0.0.1:8080"
        self.transport = Transport(
            address,
            token or os.environ.get("MOORING_TOKEN"),
            timeout_seconds=timeout_seconds,
            patience_seconds=patience_seconds,
            verify=verify,
            agent=agent,
        )
        scope = Scope(self.transport, workspace or os.environ.get("MOORING_WORKSPACE"))
        self.audit = Audit(self.transport)
        self.sessions = Sessions(self.transport)
        self.second_factor = SecondFactor(self.transport)
        self.system = System(self.transport)
        self.workspaces = Workspaces(self.transport)
        self.users = Users(self.transport)
        self.invitations = Invitations(self.transport)
        self.tokens = Tokens(self.transport)
        self.notifications = Notifications(self.transport)
        self.clusters = Clusters(self.transport)
        self.image_rules = ImageRules(self.transport)
        self.network = Network(self.transport)
        self.extensions = Extensions(self.transport)
        self.computes = Computes(self.transport, scope)
        self.views = Views(self.transport, scope)
        self.content = Content(self.transport, scope)
        self.models = Models(self.transport, scope, self.content)
        self.jobs = Jobs(self.transport, scope, self.content)
        self.endpoints = Endpoints(self.transport, scope)
        self.deployments = Deployments(self.transport, scope, self.content)

    @property
    def url(self) -> str:
        """Return the studio's address."""
        return self.transport.url

    async def me(self) -> Me:
        """Return who the token belongs to, with roles and workspaces."""
        return Me.of(await self.transport.json("GET", "me"))

    async def change_me(self, *, full_name: str | None = None, time_zone: str | None = None, theme: str | None = None) -> Me:
        """Change how the person is called and how pages look to them; what is None stays. `theme` is auto, light or dark."""
        return Me.of(await self.transport.json("PATCH", "me", json={"full_name": full_name, "time_zone": time_zone, "theme": theme}))

    async def change_password(self, current: str, new: str) -> None:
        """Change the person's own password; all their sessions in browsers end, tokens stay as they are."""
        await self.transport.json("PUT", "me/password", json={"current_password": current, "new_password": new})

    async def search(
        self, text: str, *, kinds: Sequence[str] = (), workspace: str | None = None, limit: int = 6
    ) -> list[Mapping[str, Any]]:
        """Return what is called like `text`: `kind`, `name`, `title`, `workspace`, `state`, `url`; `limit` of each kind."""
        query = {"q": text, "kind": list(kinds), "workspace": workspace or "", "limit": limit}
        return list((await self.transport.json("GET", "search", query=query))["items"])

    async def schema(self, kind: str) -> Mapping[str, Any]:
        """Return the JSON schema of a kind of YAML: command-job, model, online-endpoint or online-deployment."""
        return dict(await self.transport.json("GET", f"schemas/{segment(kind)}"))

    async def fleet(self) -> Mapping[str, Any]:
        """Return `clusters` by state, the `capacity` of all, and `troubles`; for operators."""
        return dict(await self.transport.json("GET", "fleet"))

    async def close(self) -> None:
        """Close all connections."""
        await self.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()
