"""Names, descriptions and tags hold nothing that has them read as something else; words of every script are taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from jobs import spec
from studio.core.errors import ProblemError, ProblemList
from studio.core.texts import misleading, neutral
from studio.core.words import check_words
from tests.access_asked import TYPE, everything
from tests.conftest import People

__all__ = ["everything"]
TURNED = "invoice\u202efdp.exe"


@pytest.mark.parametrize(
    ("text", "number"),
    [(TURNED, "U+202E"), ("a\u2066b", "U+2066"), ("ad\u200bmin", "U+200B"), ("adm\u200din", "U+200D"), ("admin\u200c", "U+200C"), ("a\u200fb", "U+200F"),
     ("a\x1b[2J", "U+001B"), ("a\x9bb", "U+009B"), ("soft\u00adly", "U+00AD"), ("a\U000e0041b", "U+E0041"), ("\ufeffa", "U+FEFF"), ("\n\u200da", "U+200D")],
)  # fmt: skip
def test_a_sign_that_does_not_show_is_named(text: str, number: str) -> None:
    assert number in misleading(text)
    assert "\ufffd" in neutral(text) and not misleading(neutral(text))


@pytest.mark.parametrize(
    "text",
    ["plain", "two\nlines\r\n\tindented", "Größe 5 µm – naïve", "👩‍🔬 and 🏳️‍🌈", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
     "می‌خواهم", "क्‍ष", "שלום \u200e(ok)\u200f", "日本語", ""],
)  # fmt: skip
def test_words_of_every_script_are_taken_as_they_are(text: str) -> None:
    assert misleading(text) == "" and neutral(text) == text


def test_each_text_is_refused_at_its_field() -> None:
    with pytest.raises(ProblemList) as several:
        check_words(display_name=TURNED, description="fine", tags={"stage": "pr\u200bod"})
    assert [(one.problem.id, one.field) for one in several.value.errors] == [("text-misleading", "display_name"), ("text-misleading", "tags")]
    with pytest.raises(ProblemError, match="U\\+202E"):
        check_words(tags={TURNED: None})


@pytest.mark.parametrize(
    ("more", "field", "line"),
    [('display_name: "a\\u202eb"', "display_name", 3), ('description: "a\\u2066b"', "description", 3), ('tags:\n  a: b\n  c: "d\\u200be"', "tags", 5)],
)
def test_a_yaml_is_refused_at_the_line(more: str, field: str, line: int) -> None:
    with pytest.raises(spec.SpecError) as refused:
        spec.load(f"command: echo\nenvironment: {{image: python}}\n{more}\n")
    assert [(one.problem_id, one.path, one.line) for one in refused.value.issues] == [("spec-value-not-allowed", field, line)]


WAYS: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("admin", "POST", "workspaces", {"name": "new", "display_name": TURNED}, "display_name"),
    ("owner", "PATCH", "workspaces/team", {"description": TURNED}, "description"),
    ("operator", "PATCH", "workspaces/team/computes/local", {"description": TURNED}, "description"),
    ("operator", "POST", "clusters/gpu-a/instance-types", {"name": "tiny", "spec": {**TYPE["spec"], "description": TURNED}}, "description"),
    ("contributor", "PATCH", "workspaces/team/models/a_model", {"tags": {"stage": TURNED}}, "tags"),
    ("contributor", "PATCH", "workspaces/team/models/a_model/versions/1", {"description": TURNED}, "description"),
    ("contributor", "PATCH", "workspaces/team/online-endpoints/an-endpoint", {"tags": {TURNED: "x"}}, "tags"),
    ("admin", "POST", "users", {"username": "new", "full_name": TURNED}, "full_name"),
    ("owner", "POST", "me/tokens", {"name": TURNED}, "name"),
]


@pytest.mark.django_db
def test_every_way_in_refuses_them_at_the_field(people: People, everything: dict[str, str], client_for: Callable[..., Client]) -> None:
    for who, method, path, body, field in WAYS:
        answer = client_for(getattr(people, who)).generic(method, f"/api/v1/{path}", json.dumps(body), "application/json")
        told = answer.json()
        assert (answer.status_code, told["id"], told.get("field")) == (422, "text-misleading", field), (path, told)


@pytest.mark.django_db
def test_a_form_says_it_at_the_field_and_loses_nothing(people: People, client_for: Callable[..., Client]) -> None:
    answer = client_for(people.owner).post("/w/team/settings/", {"display_name": TURNED, "description": "kept as it was typed"})
    page = answer.content.decode()
    assert "U+202E" in page and "kept as it was typed" in page
