"""Texts that not every database keeps are refused where they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DataError
from django.test import Client, RequestFactory

from jobs.spec.errors import SpecError
from jobs.spec.yamltext import read
from studio.core.middleware import problem_response
from studio.core.texts import keepable
from tests.conftest import People


def test_what_a_program_wrote_is_mended_wherever_it_stands() -> None:
    assert keepable({"a\0": ["\ud800", 1, None, {"b": "fine é 🙂"}]}) == {"a\ufffd": ["\ufffd", 1, None, {"b": "fine é 🙂"}]}


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["\\u0000", "\\ud800"])
def test_the_api_refuses_them(people: People, client_for: Callable[..., Client], text: str) -> None:
    body = f'{{"name": "vision", "display_name": "a{text}b"}}'
    answer = client_for(people.admin).post("/api/v1/workspaces", body, content_type="application/json")
    assert (answer.status_code, answer.json()["id"]) == (422, "request-invalid")
    assert "cannot be kept" in answer.json()["detail"]


@pytest.mark.django_db
def test_an_address_with_one_breaks_nothing(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.admin)
    for path in ("/api/v1/users?q=%00", "/ops/access/users/?q=%00", "/w/%00/", "/api/v1/workspaces/%00", "/w/team/jobs/?experiment=%00"):
        assert client.get(path).status_code < 500, path


@pytest.mark.parametrize("text", ['a: "b\\0"', '"a\\0": b', 'a: ["\\ud800"]'])
def test_a_yaml_is_refused_with_the_place(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(f"ok: 1\n{text}\n")
    issue = caught.value.issues[0]
    assert (issue.problem_id, issue.line) == ("spec-not-yaml", 2)


def test_what_only_the_database_finds_is_told_as_a_bad_request(rf: RequestFactory) -> None:
    request: Any = rf.get("/api/v1/jobs")
    answer = problem_response(request, DataError("value too long for type character varying(64)"))
    assert answer is not None and answer.status_code == 422
