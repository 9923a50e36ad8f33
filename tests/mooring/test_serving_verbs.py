"""Verbs that change a deployment end with 0 only when the revision that was asked for serves."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from mooring.cli import session
from mooring.cli.app import app
from mooring.client import Deployment

ASKED = {"name": "blue", "endpoint_name": "flowers", "status": "updating", "revision": 1, "wanted_revision": 2}
PROBLEM = {"id": "user-script-init-failed", "title": "init() failed", "detail": "It raised.", "todo": "Read the log."}


class Studio:
    """A studio whose deployment is asked to change, and ends as it is told to."""

    def __init__(self, **ended: Any) -> None:
        self.ended = Deployment.of(ASKED | {"status": "ready", "revision": 2} | ended)
        self.asked: list[tuple[str, Any]] = []
        self.deployments = self

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self, name: str, *, endpoint: str, seen: Any) -> Deployment:
        assert (name, endpoint) == ("blue", "flowers")
        return self.ended

    def __getattr__(self, change: str) -> Any:
        def ask(name: str, *given: Any, endpoint: str, **more: Any) -> Deployment:
            self.asked.append((change, (name, endpoint, *given, *more.values())))
            return Deployment.of(ASKED)

        return ask


CHANGES = {
    "scale": (["-c", "3"], ("scale", ("blue", "flowers", 3))),
    "rollback": (["--revision", "2"], ("roll_back", ("blue", "flowers", 2))),
    "retry": ([], ("retry", ("blue", "flowers"))),
    "rollout": ([], ("roll_out", ("blue", "flowers"))),
}


@pytest.mark.parametrize("verb", CHANGES)
@pytest.mark.parametrize(
    ("ended", "code"),
    [({}, 0), ({"revision": 1}, 3), ({"status": "failed", "problem": PROBLEM}, 3), ({"status": "degraded", "problem": PROBLEM}, 3)],
    ids=["serves", "went back", "failed", "lacks replicas"],
)
def test_a_change_ends_with_3_unless_what_was_asked_for_serves(
    verb: str, ended: dict[str, Any], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(**ended)
    monkeypatch.setattr(session, "connect", lambda workspace: studio)
    options, asked = CHANGES[verb]
    done = CliRunner().invoke(app, ["online-deployment", verb, "-n", "blue", "-e", "flowers", *options])
    assert done.exit_code == code, done.output
    assert studio.asked == [asked]
    assert ("user-script-init-failed" in done.stderr) is ("problem" in ended)
    assert CliRunner().invoke(app, ["online-deployment", verb, "-n", "blue", "-e", "flowers", *options, "--no-wait"]).exit_code == 0
