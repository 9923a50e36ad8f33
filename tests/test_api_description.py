"""The API's description is true and whole: an example for each operation, verbs and calls that exist."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import typer
from django.db import transaction
from django.test import Client

import mooring
from mooring.cli.app import app
from studio.api import description
from studio.api.root import api
from tests import access_asked
from tests.conftest import People

everything = access_asked.everything
RECORDED = Path(description.__file__).parent / "answers.json"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(json.dumps(api.get_openapi_schema()))


def test_it_is_openapi_3_1_and_every_operation_has_a_name_of_its_own(schema: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in description.operations(schema)]
    assert schema["openapi"].startswith("3.1") and len(ids) == len(set(ids))


def test_every_operation_has_its_line(schema: dict[str, Any]) -> None:
    ids = {operation["operationId"] for _, _, operation in description.operations(schema)}
    assert ids == set(description.ways()), "write a line for each in studio/api/ways.yaml: verb, call, body (docs/contributors/ways.md)"


def test_every_body_has_an_example_that_is_right(schema: dict[str, Any]) -> None:
    for path, method, operation in description.operations(schema):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is not None:
            assert "example" in body, f"give {operation['operationId']} ({method} {path}) a request in studio/api/ways.yaml"
            whole = {**body["schema"], "components": schema["components"]}
            jsonschema_rs.validate(whole, body["example"])


def test_every_operation_shows_an_answer(schema: dict[str, Any]) -> None:
    silent = []
    for path, method, operation in description.operations(schema):
        shown = [one for status, each in operation["responses"].items() if status.startswith("2") for one in each.get("content", {}).items()]
        json_answers = [one for kind, one in shown if kind == "application/json"]
        told = description.ways()[operation["operationId"]]
        nothing = "204" in operation["responses"] or told.get("nothing") or "kind" in told
        of_nothing = any(isinstance(one.get("example"), dict) and one["example"].get("items") == [] for one in json_answers)
        if not nothing and not shown or of_nothing or any("example" not in one for one in json_answers):
            silent.append(f"{operation['operationId']} ({method} {path})")
    assert silent == [], "record an answer, or say it in studio/api/ways.yaml (docs/contributors/ways.md)"


@pytest.mark.django_db
def test_the_yaml_of_every_example_is_taken_as_it_is(people: People, everything: dict[str, str], client_for: Callable[..., Client]) -> None:
    kinds = {"_job": "command-job", "_endpoint": "online-endpoint", "_deployment": "online-deployment"}
    client, wrong, looked_at = client_for(people.contributor), [], 0
    for id, told in description.ways().items():
        text = (told.get("request") or {}).get("yaml")
        kind = next((kind for word, kind in kinds.items() if id.endswith(word)), None)
        if text and kind:
            answer = client.post("/api/v1/workspaces/team/yaml/check", {"kind": kind, "yaml": text}, content_type="application/json").json()
            looked_at += 1
            wrong += [f"{id}: {one['text']}" for one in answer["problems"]]
    assert wrong == [] and looked_at == 8


# The few operations that nobody types, and why.
NO_VERB = {
    "put_blob": "`job create`, `model create` and `online-deployment create` send files by it",
    "has_blob": "these ask by it which files the studio has already",
    "post_tree": "these say by it how the files lie in their folder",
    "get_zip": "`model download` fetches file by file, checks each and goes on where it was",
    "get_outputs_zip": "`job download` does so with outputs",
    "check_yaml": "the editor asks it while one writes; `validate` of each kind says the same of a file",
}


def test_every_operation_names_its_verb_or_why_it_has_none() -> None:
    assert {id for id, told in description.ways().items() if not told.get("mooring")} == NO_VERB.keys()


def verb_of(line: str) -> Any:
    """Return the command that a line types."""
    command: Any = typer.main.get_command(app)
    for word in shlex.split(line):
        if not hasattr(command, "commands"):
            break
        command = command.commands[word]
    return command


# What is called otherwise where it is typed, or chosen by another option.
TYPED = {
    "q": "--search", "limit": "--max-results", "state": "--status", "list_models.show": "--archived-only", "list_versions.show": "--archived-only",
    "list_models.archived": "--archived-only", "list_versions.archived": "--archived-only",
    "list_instance_types.show": "--fits", "list_jobs.show": "--mine", "list_notifications.show": "--unread", "list_my_tokens.show": "--ended",
    "list_tokens.show": "--ended", "list_users.show": "--state", "list_invitations.show": "--state", "list_workspaces.show": "--state",
    "list_workspaces.every": "--all", "list_members.state": "--state", "list_versions.type": "--type", "list_view.table": "--table",
}  # fmt: skip
# Not typed: keys of pages, which the command follows by itself, and other names of the same.
FOLLOWED = {"after", "before", "list_jobs.status", "list_jobs.mine", "list_online_endpoints.status"}


def test_what_narrows_a_list_can_be_typed(schema: dict[str, Any]) -> None:
    lacking = []
    for _, method, operation in description.operations(schema):
        id = operation["operationId"]
        asked = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
        if method != "get" or "sort" not in asked:
            continue
        options = {name for param in verb_of(description.ways()[id]["mooring"]).params for name in param.opts}
        for name in sorted(asked):
            typed = TYPED.get(f"{id}.{name}") or TYPED.get(name) or f"--{name.replace('_', '-')}"
            if not {name, f"{id}.{name}"} & FOLLOWED and typed not in options:
                lacking.append(f"{id}: {typed}")
    assert lacking == []


def test_every_verb_and_call_that_is_named_exists() -> None:
    top = typer.main.get_command(app)
    with mooring.Client("http://127.0.0.1:8080", "token") as studio:
        for id, told in description.ways().items():
            if told.get("python"):
                place: Any = studio
                for name in re.match(r"[\w.]+", told["python"])[0].split("."):  # type: ignore[index]
                    place = getattr(place, name, None)
                assert inspect.ismethod(place), f"{id}: studio.{told['python']}"
            command: Any = top
            for word in shlex.split(told.get("mooring", "")):
                if not hasattr(command, "commands"):
                    break
                command = command.commands.get(word)
                assert command is not None, f"{id}: mooring {told['mooring']}"


@pytest.mark.django_db
def test_every_answer_of_the_examples_is_of_the_kind_that_is_given(
    people: People, everything: dict[str, str], client_for: Callable[..., Client], schema: dict[str, Any]
) -> None:
    """With MOORING_RECORD_ANSWERS=1 the answers are written down instead."""
    client = client_for(people.admin)
    seen: dict[str, Any] = {}
    for path, method, operation in description.operations(schema):
        pattern = path.removeprefix("/").replace("{", "<").replace("}", ">").replace("<path>", "<path:path>")
        key = (method.upper(), pattern)
        with transaction.atomic():
            answer = access_asked.asked(client, method.upper(), access_asked.filled(pattern, everything), access_asked.BODIES.get(key, {}))
            transaction.set_rollback(True)
        if answer.status_code >= 300 or answer.streaming or method == "head":
            continue
        kind = answer.headers.get("Content-Type", "")
        is_json = kind.startswith("application/json") and answer.content
        body = json.loads(answer.content) if is_json else None
        seen[operation["operationId"]] = {"status": answer.status_code, "kind": kind, "body": body}
    if os.environ.get("MOORING_RECORD_ANSWERS"):
        whole = {**description.answers(), **seen}
        RECORDED.write_text(json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
        description.answers.cache_clear()
    for id, answer in seen.items():
        recorded = description.answers().get(id, answer)
        assert _names(recorded["body"]) == _names(answer["body"]), f"{id} answers otherwise than studio/api/answers.json: record anew"


def _names(body: Any) -> Any:
    if isinstance(body, dict) and {"items", "next"} <= body.keys():
        return sorted(body), _names(body["items"][0]) if body["items"] else None
    return sorted(body) if isinstance(body, dict) else None
