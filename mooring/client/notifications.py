"""What the person was told, and what they want to be told of."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any

from mooring.client.transport import Transport
from mooring.client.workspaces import listed


class Notifications:
    """The notifications of whoever the token belongs to."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        unread: bool = False,
        kind: str | Sequence[str] | None = None,
        workspace: str | Sequence[str] | None = None,
        since: str | None = None,
        q: str | None = None,
        view: str | None = None,
        sort: str | None = None,
        most: int | None = None,
    ) -> builtins.list[Mapping[str, Any]]:
        """Return them, the newest first: `id`, `kind`, `title`, `text`, `url`, `workspace`, `at`, `read_at`."""
        query = {"show": "unread" if unread else None, "kind": kind, "workspace": workspace, "since": since, "q": q,
                 "view": view, "sort": sort}  # fmt: skip
        return [*listed(self._transport, "notifications", query, most=most)]

    def read(self, ids: Sequence[int] | None = None, *, read: bool = True) -> int:
        """Mark those of these ids, or all, as read (or unread again); return how many changed."""
        given = {"ids": None if ids is None else [*ids], "read": read}
        return int(self._transport.json("POST", "notifications/read", json=given)["changed"])

    def preferences(self) -> builtins.list[Mapping[str, Any]]:
        """Return for each `kind` whether the person is told of it: `page`, `browser`."""
        return [*self._transport.json("GET", "notifications/preferences")["items"]]

    def choose(self, kind: str, *, page: bool | None = None, browser: bool | None = None) -> None:
        """Choose where the person is told of a kind; what is None stays as it is."""
        self._transport.json("PATCH", "notifications/preferences", json={kind: {"page": page, "browser": browser}})
