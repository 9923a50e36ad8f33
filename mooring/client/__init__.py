"""Typed access to the studio over HTTP.

    with Client("https://studio.example", token="mrg_…", workspace="demo") as studio:
        studio.jobs.create("job.yml", overrides=["compute=local"])

    studio.me()                 who the token belongs to
    studio.search(text)         anything by a part of its name
    studio.schema(kind)         what a YAML may say, as a JSON schema
    studio.fleet()              what all clusters have free, and what is wrong
    studio.notifications        list, read, preferences, choose
    studio.sessions             list, end, end all: where the person is signed in with a browser; a lost second factor reset
    studio.second_factor        get, begin_app, confirm_app, new_codes, remove: one's own
    studio.workspaces           list, get, create, update, archive, restore, delete, members, set_member, remove_member
    studio.users                list, get, create, update, deactivate, reactivate, end_sessions, password_link, delete
    studio.invitations          list, create, accept, withdraw
    studio.tokens               list, create, revoke
    studio.clusters             attach, list, get, update, detach, manifest, replace_credentials, instance types
    studio.extensions           install, change, roll back, remove, get, revisions, wait
    studio.image_rules          list, set, delete
    studio.network              certificate of a cluster's router, proxy and authorities of its pods, check
    studio.computes             attach, list, get, update, detach
    studio.jobs                 create, validate, list, get, cancel, delete, resubmit, stream, outputs, download
    studio.models               register, list, get, versions, update, archive, restore, delete, download
    studio.endpoints            create, update, set_traffic, list, get, keys, regenerate_key, invoke, delete, wait
    studio.deployments          create, update, scale, roll_back, retry, list, get, logs, delete, wait
    studio.audit                list, export
    studio.system               get, clear_failed_tasks
    studio.views                saved views of lists: list, save, open_with, delete
    studio.content              folders and files by content

Every call has a time-out; what may be repeated is repeated for a while when the connection breaks. Raises
`mooring.errors.MooringProblem` for what the studio refuses and `ConnectionLost` when it cannot be reached.
A client may be used from several threads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from mooring.client.audit import Audit
from mooring.client.clusters import Clusters, Computes
from mooring.client.content import Content
from mooring.client.endpoints import Deployments, Endpoints
from mooring.client.extension import Extensions
from mooring.client.images import ImageRules
from mooring.client.jobs import Jobs
from mooring.client.models import (
    BrowserSession,
    Called,
    Cluster,
    Compute,
    Deployment,
    Endpoint,
    InstanceType,
    Invitation,
    Job,
    LogFile,
    Me,
    Member,
    Model,
    ModelVersion,
    OutputFile,
    Person,
    Token,
    Workspace,
)
from mooring.client.network import Network
from mooring.client.notifications import Notifications
from mooring.client.people import Invitations, Tokens, Users
from mooring.client.registry import Models
from mooring.client.sessions import SecondFactor, Sessions
from mooring.client.system import System
from mooring.client.transport import Transport, segment
from mooring.client.views import Views
from mooring.client.workspaces import Scope, Workspaces

__all__ = [
    "BrowserSession",
    "Called",
    "Client",
    "Cluster",
    "Compute",
    "Deployment",
    "Endpoint",
    "InstanceType",
    "Invitation",
    "Job",
    "LogFile",
    "Me",
    "Member",
    "Model",
    "ModelVersion",
    "OutputFile",
    "Person",
    "Token",
    "Workspace",
]


class Client:
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

    def me(self) -> Me:
        """Return who the token belongs to, with roles and workspaces."""
        return Me.of(self.transport.json("GET", "me"))

    def change_me(self, *, full_name: str | None = None, time_zone: str | None = None, theme: str | None = None) -> Me:
        """Change how the person is called and how pages look to them; what is None stays. `theme` is auto, light or dark."""
        return Me.of(self.transport.json("PATCH", "me", json={"full_name": full_name, "time_zone": time_zone, "theme": theme}))

    def change_password(self, current: str, new: str) -> None:
        """Change the person's own password; all their sessions in browsers end, tokens stay as they are."""
        self.transport.json("PUT", "me/password", json={"current_password": current, "new_password": new})

    def search(
        self, text: str, *, kinds: Sequence[str] = (), workspace: str | None = None, limit: int = 6
    ) -> list[Mapping[str, Any]]:
        """Return what is called like `text`: `kind`, `name`, `title`, `workspace`, `state`, `url`; `limit` of each kind."""
        query = {"q": text, "kind": list(kinds), "workspace": workspace or "", "limit": limit}
        return list(self.transport.json("GET", "search", query=query)["items"])

    def schema(self, kind: str) -> Mapping[str, Any]:
        """Return the JSON schema of a kind of YAML: command-job, model, online-endpoint or online-deployment."""
        return dict(self.transport.json("GET", f"schemas/{segment(kind)}"))

    def fleet(self) -> Mapping[str, Any]:
        """Return `clusters` by state, the `capacity` of all, and `troubles`; for operators."""
        return dict(self.transport.json("GET", "fleet"))

    def close(self) -> None:
        """Close all connections."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
