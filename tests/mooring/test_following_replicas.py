"""What a replica prints is followed across broken connections, by the plain client and by the asynchronous one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mooring.client import endpoints
from mooring.client.endpoints import Deployments
from mooring.errors import MooringProblem

LOG = b"one\ntwo\nthree\n"


class Breaking:
    """A studio whose connections break after so many bytes each; after them it answers whole, then that the replica is gone."""

    url = "http://studio"

    def __init__(self, *breaks: int) -> None:
        self.breaks = [*breaks]
        self.asked: list[dict[str, Any]] = []
        self.whole = False

    @contextlib.contextmanager
    def stream(self, path: str, *, query: dict[str, Any]) -> Iterator[Any]:
        assert path == "w/online-endpoints/flowers/deployments/blue/logs"
        self.asked.append(dict(query))
        if self.whole:
            raise MooringProblem("not-found", "Not found", "", "", status=404)
        begins = int(query.get("offset", 4))
        yield Answer(self, begins)


class Answer:
    """One connection."""

    def __init__(self, studio: Breaking, begins: int) -> None:
        self.studio, self.begins = studio, begins
        self.headers = {"X-Log-Pod": "md-1-a", "X-Log-Offset": str(begins), "X-Log-Ended": "false", "X-Log-Said": "waiting"}

    def iter_raw(self) -> Iterator[bytes]:
        rest = LOG[self.begins :]
        if self.studio.breaks:
            part = rest[: self.studio.breaks.pop(0)]
            if part:
                yield part
            raise httpx.ReadError("broken")
        yield rest
        self.studio.whole = True


class Space:
    """A workspace's place."""

    def path(self, workspace: str | None, rest: str) -> str:
        return f"w/{rest}"


def test_it_goes_on_from_the_byte_after_the_last_one_at_the_same_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints.time, "sleep", lambda _: None)
    studio, said = Breaking(2, 0, 3), []
    found = Deployments(studio, Space(), None).follow("blue", endpoint="flowers", lines=2, said=said.append)  # type: ignore[arg-type]
    assert b"".join(found) == LOG[4:]
    assert [(one.get("offset"), one["pod"]) for one in studio.asked] == [
        (None, ""), (6, "md-1-a"), (6, "md-1-a"), (9, "md-1-a"), (len(LOG), "md-1-a"),
    ]  # fmt: skip
    assert set(said) == {"waiting"}


def test_a_deployment_that_there_is_not_is_said_at_once() -> None:
    studio = Breaking()
    studio.whole = True
    with pytest.raises(MooringProblem):
        list(Deployments(studio, Space(), None).follow("blue", endpoint="flowers"))  # type: ignore[arg-type]
