"""Numbers of thousands of digits: Python refuses to read or to write them out, and YAML's base sixty takes minutes to read."""

from __future__ import annotations

from typing import Any

import pytest

from studio.assets.registry.mlmodel import read
from tests import access_asked
from tests.conftest import People
from tests.hostile.readers import bounded

pytestmark = pytest.mark.django_db
everything = access_asked.everything
LONG = "9" * 5000
END = "/w/team/endpoints/an-endpoint/"
JOB = {"as": "form", "command": "echo", "image": "x", "compute": "local"}


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/w/team/jobs/-/new/", {**JOB, "count": LONG}, 422),
        ("/w/team/jobs/-/new/", {**JOB, "retries": LONG}, 422),
        ("/w/team/jobs/-/new/", {**JOB, "time_limit": f"{LONG} h"}, 422),
        ("/w/team/jobs/-/new/", {**JOB, "count": LONG, "to": "yaml"}, 200),
        (f"{END}traffic/", {"percent_blue": LONG}, 422),
        (f"{END}deployments/blue/scale/", {"instance_count": LONG}, 302),
        (f"{END}deployments/blue/roll-back/", {"revision": LONG}, 302),
        ("/ops/images/", {"pattern": "x:*", "image": "y", "position": LONG}, 302),
        ("/ops/clusters/gpu-a/instance-types/new/", {"name": "x", "gpus": LONG, "limits_cpu": LONG, "requests_cpu": "1"}, 422),
        ("/ops/clusters/gpu-a/extension/revisions/1/?to=" + LONG, None, 200),
    ],
)
def test_a_form_says_so_and_keeps_what_was_typed(
    path: str, form: dict[str, str] | None, status: int, people: People, everything: dict[str, str], client_for: Any
) -> None:
    client = client_for(people.admin, raise_request_exception=False)
    with bounded():
        answer = client.get(path) if form is None else client.post(path, form)
    assert answer.status_code == status, answer.content[:500]
    if status == 422:
        assert b"<form" in answer.content


@pytest.mark.parametrize("number", ["1" + ":1" * 100_000, "0x" + "f" * 5000, "1" + ":1" * 100_000 + ".5", "!!int '" + LONG + "'"])
def test_a_model_with_one_is_served_as_any_other_files_are(number: str) -> None:
    with bounded():
        assert read(f"flavors: {{a: {number}}}".encode()) is None
    assert read(b"flavors: {a: 12:30}") is not None
