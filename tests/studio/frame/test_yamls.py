"""YAML as it is written: its schema, what is wrong with it by line and column, and the YAML beside a form."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from studio.frame.yamls import LOADERS, SCHEMAS


def checked(client: Client, kind: str, text: str) -> Any:
    path = "/api/v1/workspaces/team/yaml/check"
    return client.post(path, json.dumps({"kind": kind, "yaml": text}), content_type="application/json").json()


def test_every_kind_that_is_read_has_a_schema() -> None:
    assert SCHEMAS.keys() == LOADERS.keys()


def test_a_schema_tells_fields_and_values(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    client = client_for(studio_full.reader)
    job = client.get("/api/v1/schemas/command-job").json()
    assert "command" in job["required"]
    assert "compute" in client.get("/api/v1/schemas/online-endpoint").json()["properties"]
    assert client.get("/api/v1/schemas/secret").status_code == 404


def test_what_is_wrong_is_told_by_line_and_column(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    client = client_for(studio_full.contributor)
    answer = checked(client, "command-job", "command: echo\nenvironment:\n  image: python:3.11\ncompute: azureml:gpuu\nimputs: {}\n")
    places = {(one["path"], one["line"], one["column"]) for one in answer["problems"]}
    assert not answer["valid"]
    assert ("imputs", 5, 1) in places
    assert checked(client, "command-job", "a: [")["problems"][0]["line"] == 2


def test_a_compute_that_the_workspace_lacks_is_told(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    text = "command: echo\nenvironment:\n  image: python:3.11\ncompute: azureml:gpuu\n"
    answer = checked(client_for(studio_full.contributor), "command-job", text)
    assert [(one["line"], "Did you mean `gpu`?" in one["todo"]) for one in answer["problems"]] == [(4, True)]


@pytest.mark.parametrize(
    ("kind", "text"),
    [("online-endpoint", "name: flowers\ncompute: azureml:gpu\nauth_mode: key\n"), ("model", "name: flowers\npath: ./model\n")],
)
def test_a_whole_yaml_is_valid(kind: str, text: str, studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    assert checked(client_for(studio_full.contributor), kind, text) == {"valid": True, "problems": [], "warnings": []}


def test_a_reader_checks_nothing_and_a_kind_must_be_known(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    assert checked(client_for(studio_full.reader), "command-job", "")["status"] == 403
    assert checked(client_for(studio_full.contributor), "secret", "")["status"] == 422


def test_the_yaml_beside_a_form_is_what_the_form_would_submit(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    client = client_for(studio_full.contributor)
    form = {"as": "form", "command": "python train.py", "image": "python:3.11", "compute": "gpu", "env_key": ["RATE"], "env_value": ["0.1"]}
    answer = client.post("/w/team/jobs/-/new/?part=yaml", form).content.decode()
    assert "command: python train.py\nenvironment:\n  image: python:3.11" in answer
    assert "RATE: &#x27;0.1&#x27;" in answer and "<html" not in answer
    wizard = {"as": "form", "name": "flowers", "compute": "gpu", "deployment": "blue", "model": "azureml:flowers:1", "count": "1"}
    answer = client.post("/w/team/endpoints/-/new/?part=yaml", wizard).content.decode()
    assert "name: flowers" in answer and "endpoint_name: flowers" in answer


def test_a_form_that_is_not_filled_in_yet_has_a_yaml_too(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    client = client_for(studio_full.contributor)
    for path in ("/w/team/jobs/-/new/", "/w/team/endpoints/-/new/", "/w/team/endpoints/flowers/deployments/-/new/"):
        assert client.post(f"{path}?part=yaml", {"as": "form", "count": "many"}).status_code == 200, path
