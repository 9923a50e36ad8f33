"""The extension of a cluster: what makes models answer over HTTPS, installed and changed by the studio."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from mooring.client.transport import Transport
from mooring.client.workspaces import listed
from mooring.errors import MooringProblem, wait_over

FINAL = ("done", "failed")


class Extensions:
    """Install, change, roll back and remove the extension of clusters; each begins an operation that can be followed."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, cluster: str) -> dict[str, Any]:
        """Return the extension of a cluster: `status`, `settings`, `router`, `objects`, `revision`, `operation`."""
        return dict(self._transport.json("GET", _path(cluster)))

    def install(self, cluster: str, settings: Mapping[str, Any], *, take_over: bool = False) -> dict[str, Any]:
        """Begin to install; returns the operation. With `take_over` another studio's release becomes this one's."""
        return dict(self._transport.json("POST", _path(cluster), json={"settings": dict(settings), "take_over": take_over}))

    def change(self, cluster: str, settings: Mapping[str, Any], *, take_over: bool = False) -> dict[str, Any]:
        """Begin to change some settings; an empty value takes one out. Returns the operation."""
        return dict(self._transport.json("PATCH", _path(cluster), json={"settings": dict(settings), "take_over": take_over}))

    def check(self, cluster: str, settings: Mapping[str, Any], *, take_over: bool = False) -> dict[str, Any]:
        """Check settings against the cluster; returns them whole under `settings` and the `difference`."""
        return dict(self._transport.json("POST", f"{_path(cluster)}/check", json={"settings": dict(settings), "take_over": take_over}))

    def rollback(self, cluster: str, revision: int) -> dict[str, Any]:
        """Begin to bring a revision back; returns the operation."""
        return dict(self._transport.json("POST", f"{_path(cluster)}/rollback", json={"revision": revision}))

    def remove(self, cluster: str, *, force: bool = False) -> dict[str, Any]:
        """Begin to remove; returns the operation."""
        return dict(self._transport.json("DELETE", _path(cluster), query={"force": "true"} if force else None))

    def revisions(self, cluster: str) -> list[dict[str, Any]]:
        """Return the revisions, the newest first."""
        return list(self._transport.json("GET", f"{_path(cluster)}/revisions")["items"])

    def difference(self, cluster: str, number: int, to: int | None = None) -> str:
        """Return how the objects of two revisions differ, as a unified diff; `to` is the one in force by default."""
        path = f"{_path(cluster)}/revisions/{number}/difference"
        return self._transport.send("GET", path, query={"to": to} if to else None, headers={"Accept": "*/*"}).text

    def revision(self, cluster: str, number: int) -> dict[str, Any]:
        """Return one revision with its rendered objects, as YAML in `manifest`."""
        return dict(self._transport.json("GET", f"{_path(cluster)}/revisions/{number}"))

    def operations(self, cluster: str, *, most: int | None = None) -> list[dict[str, Any]]:
        """Return what was done to the extension, the newest first, `most` of them at most."""
        return [dict(one) for one in listed(self._transport, f"{_path(cluster)}/operations", most=most)]

    def operation(self, cluster: str, id: int) -> dict[str, Any]:
        """Return one operation: `status`, `steps`, `objects`, `problem`."""
        return dict(self._transport.json("GET", f"{_path(cluster)}/operations/{id}"))

    def wait(self, cluster: str, id: int, *, seconds: float = 1800, each: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        """Follow an operation to its end and return it; raises MooringProblem when it failed.

        `each` is called with the operation about once a second.
        """
        deadline = time.monotonic() + seconds
        while True:
            found = self.operation(cluster, id)
            if each:
                each(found)
            if found["status"] in FINAL:
                break
            if time.monotonic() > deadline:
                text = f"The operation {id} has not ended within {seconds:.0f} s."
                raise wait_over(text, "It goes on in the studio; look at it with `mooring extension show`.")
            time.sleep(1)
        problem = found.get("problem")
        if found["status"] == "failed" and problem:
            raise MooringProblem(problem["id"], problem["title"], problem["text"], problem["todo"], status=200)
        return found


def _path(cluster: str) -> str:
    return f"clusters/{cluster}/extension"
