"""The audit: who did what to what, from where, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from mooring.client.transport import Transport, lost, segment
from mooring.client.workspaces import listed

FILTERS = ("person", "verb", "kind", "object", "result", "via", "since", "until", "q", "view")
Given = str | Sequence[str] | None


class Audit:
    """Read what people did: in the whole studio for operators, in a workspace for its owners.

    Filters are exact, each by one value or several, but `q`, whose words are looked for anywhere; `view` names a saved view.
    `since` and `until` take a day, a time (ISO 8601), or how long ago (`30m`, `24h`, `7d`).
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self, *, workspace: str | None = None, sort: str | None = None, most: int | None = None, **filters: Given
    ) -> list[Mapping[str, Any]]:
        """Return entries, newest first or sorted by a column as `-person`, `most` of them at most."""
        return list(listed(self._transport, _path(workspace), _checked(filters) | {"sort": sort}, most=most))

    def export(self, *, format: str = "csv", workspace: str | None = None, **filters: Given) -> Iterator[bytes]:
        """Yield all entries as CSV or JSON Lines (`csv`, `jsonl`), piece by piece."""
        query = {**_checked(filters), "format": format}
        try:
            with self._transport.stream(f"{_path(workspace)}/export", query=query) as response:
                yield from response.iter_bytes()
        except httpx.TransportError as error:
            raise lost(self._transport.url, error) from error


def _path(workspace: str | None) -> str:
    return f"workspaces/{segment(workspace)}/audit" if workspace else "audit"


def _checked(filters: Mapping[str, Given]) -> dict[str, Any]:
    if unknown := filters.keys() - set(FILTERS):
        raise TypeError(f"the audit has no filter {', '.join(sorted(unknown))}")
    return {name: value for name, value in filters.items() if value}
