"""JSON nested so deeply that Python's own reader gives up: from people, from pods, from models."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from compute.routes import _answer
from endpoints.observe import observe as observe_replica
from endpoints.views.sending import mapping
from endpoints.views.trying import EXAMPLE, _example, shown
from jobs.observe import _termination_text
from jobs.views.sending import _mapping
from studio.assets.preview import shown_text
from studio.assets.sent import _paths
from studio.core.texts import in_lines, read_json
from tests.conftest import People
from tests.endpoints.test_observe import NOW, ended, pod
from tests.hostile.readers import bounded

DEEP = "[" * 4000


def test_it_is_no_json_to_whoever_reads_it() -> None:
    with pytest.raises(ValueError, match="too deeply"):
        read_json(DEEP)
    assert mapping(DEEP) == _mapping(DEEP) == {}
    assert shown(DEEP.encode(), {}) == (DEEP, False)
    assert _paths(DEEP, []) == []
    assert _answer(DEEP)["reached"] is False


def test_what_a_container_leaves_at_its_end_stops_nobody_from_looking_at_it() -> None:
    # The kubelet hands on 4,096 bytes of it.
    seen = observe_replica(pod(server=ended(DEEP)), now=NOW)
    assert seen.problem and seen.problem.id == "deployment-crashed"
    assert _termination_text({"message": DEEP, "exitCode": 1}).startswith("[[[")


def test_it_grows_no_page_by_being_set_in_lines() -> None:
    deep = "[" * 900 + "1," * 30_000 + "1" + "]" * 900
    with bounded():
        assert in_lines(read_json(deep), len(deep)) is None
        assert shown(deep.encode(), {}) == (deep, False)
        assert shown_text("a.json", deep.encode(), cut=False).text == deep
    assert in_lines({"a": [1]}, 10) == '{\n  "a": [\n    1\n  ]\n}'


@pytest.mark.parametrize("described", ["[]", '{"paths": []}', '{"paths": {"/": {"post": {"requestBody": [1]}}}}', '{"paths": {"/": {"post": {"parameters": [{"in": "body", "schema": "x"}]}}}}'])
def test_what_a_model_says_of_itself_breaks_no_page(described: str, monkeypatch: pytest.MonkeyPatch, rf: Any) -> None:
    answer = SimpleNamespace(status=200, body=described.encode())
    monkeypatch.setattr("endpoints.views.trying.calling.call_endpoint", lambda *_, **__: answer)
    monkeypatch.setattr("endpoints.views.trying.messages.info", lambda *_: None)
    request = rf.get("/")
    request.user = SimpleNamespace(pk=1)
    assert _example(request, SimpleNamespace(pk=1))["body"] == EXAMPLE  # type: ignore[arg-type]


@pytest.mark.django_db
@pytest.mark.parametrize("depth", [300, 600, 950, 4000])
def test_a_request_with_it_is_refused_or_taken_and_breaks_nothing(depth: int, people: People, client_for: Any) -> None:
    client = client_for(people.contributor, raise_request_exception=False)
    deep = "[" * depth + "]" * depth
    for body in (deep, '{"yaml": ' + deep + "}", '{"tags": ' + '{"a":' * depth + "1" + "}" * depth + "}"):
        answer = client.post("/api/v1/workspaces/team/jobs", body, content_type="application/json")
        assert answer.status_code in (400, 422), (answer.status_code, body[:20])
    form = {"as": "form", "code_paths": deep, "kept": deep}
    assert client.post("/w/team/jobs/-/new/", form).status_code < 500
