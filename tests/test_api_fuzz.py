"""Schemathesis asks every operation of the API what its description allows: no 500, and answers as described."""

from __future__ import annotations

import pytest
import requests
import schemathesis
import urllib3
from asgiref.sync import async_to_sync
from django.db import transaction
from django.test import AsyncClient
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from studio.accounts.models import ApiToken
from studio.api.root import api
from tests import access_asked
from tests.conftest import People

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

everything = access_asked.everything
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
# Followed for as long as it is written, and asked of clusters that are not there.
NOT_ASKED = {"get_log"}


@pytest.fixture
def token(people: People, everything: dict[str, str]) -> str:
    return ApiToken.issue(people.admin, name="fuzz")[1]


schema = schemathesis.openapi.from_dict(api.get_openapi_schema())


@schema.exclude(operation_id=NOT_ASKED).parametrize()
@settings(
    max_examples=6, derandomize=True, database=None, deadline=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_it_breaks_nowhere_and_answers_as_described(case: schemathesis.Case, token: str, everything: dict[str, str]) -> None:
    pattern = case.operation.path.removeprefix("/").replace("{", "<").replace("}", ">")
    known = dict(zip(_names(pattern), _values(pattern, everything), strict=True))
    # What is invented was seen by nobody, and would be all that is looked at.
    (case.headers or {}).pop("If-Match", None)
    # Half of the time what there is, so that more is reached than that there is nothing.
    if case.path_parameters and sum(map(len, map(str, case.path_parameters.values()))) % 2:
        case.path_parameters.update(known)
    with transaction.atomic():
        response = _send(case, token)
        transaction.set_rollback(True)
    case.validate_response(response, checks=CHECKS)


def _send(case: schemathesis.Case, token: str) -> requests.Response:
    """Ask the studio's ASGI application in this thread, where the rows of the test are."""
    asked = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    headers = {name: str(value) for name, value in asked.headers.items() if name.lower() not in ("content-length", "content-type")}
    client = AsyncClient(raise_request_exception=False)
    body = asked.body.encode() if isinstance(asked.body, str) else asked.body or b""
    kind = asked.headers.get("Content-Type", "application/json")
    answer = async_to_sync(client.generic)(asked.method, asked.path_url, body, kind, headers={**headers, "Authorization": f"Bearer {token}"})
    response = requests.Response()
    response.status_code, response.request, response.url = answer.status_code, asked, str(asked.url)
    response.headers.update(answer.headers)
    response.raw = urllib3.HTTPResponse(headers=dict(answer.headers), version=11)
    response._content = b"" if answer.streaming else answer.content
    return response


def _names(pattern: str) -> list[str]:
    return [part.strip("<>") for part in pattern.replace("/", " ").replace(".", " ").split() if part.startswith("<")]


def _values(pattern: str, values: dict[str, str]) -> list[str]:
    given = dict(values)
    if "clusters/" in pattern:
        given["name"] = "gpu-a"
    elif "endpoints/" in pattern:
        given["name"] = "an-endpoint"
    elif "models/" in pattern:
        given["name"] = "a_model"
    elif "computes/<name>" in pattern:
        given["name"] = "local"
    return [given[name] for name in _names(pattern)]
