"""Figures as the API, Python and the command line give them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from endpoints.figures.models import Sample
from endpoints.models import Endpoint
from mooring.cli.endpoints import _METRICS, _figures
from tests.conftest import People

Make = Callable[..., Any]
URL = "/api/v1/workspaces/team/online-endpoints/flowers/metrics"


@pytest.fixture
def endpoint(make_endpoint: Make) -> Endpoint:
    """Make an endpoint whose two deployments answered for twenty seconds; green got copies, too."""
    made: Endpoint = make_endpoint()
    at = timezone.now().replace(microsecond=0) - timedelta(minutes=3)
    at -= timedelta(seconds=at.second % 10)
    for index in range(2):
        for name, mirrored, codes in (("blue", False, {"200": 90, "503": 10}), ("green", False, {"200": 8, "404": 2}),
                                      ("green", True, {"200": 5})):  # fmt: skip
            Sample.objects.create(endpoint=made, deployment=name, mirrored=mirrored, span=10, at=at + timedelta(seconds=10 * index),
                                  seconds=10, requests=sum(codes.values()), ready=1, codes=codes, times={"25": sum(codes.values())})  # fmt: skip
    return made


def test_each_deployment_has_its_own_figures_and_all_have_those_of_all(people: People, client_for: Any, endpoint: Endpoint) -> None:
    found = client_for(people.reader).get(URL).json()
    rows = {(row["name"], row["copies"]): row for row in found["deployments"]}
    assert set(rows) == {("blue", False), ("green", False), ("green", True)}
    blue = rows["blue", False]
    assert (blue["requests"], blue["requests_per_second"], blue["ready_replicas"]) == (200, 10.0, 1)
    assert (blue["codes"], blue["errors"]) == ({"200": 180, "503": 20}, {"503": 20})
    assert 10 <= blue["p50_ms"] <= blue["p95_ms"] <= blue["p99_ms"] <= 25
    assert rows["green", False]["errors"] == {"404": 4} and rows["green", True]["requests"] == 10
    # Copies are nobody's answers.
    assert (found["all"]["requests"], found["all"]["requests_per_second"]) == (220, 11.0)
    assert "points" not in blue and "at" not in found


def test_points_stand_beside_their_times(people: People, client_for: Any, endpoint: Endpoint) -> None:
    found = client_for(people.reader).get(URL, {"points": "true"}).json()
    rates = found["deployments"][0]["points"]["requests_per_second"]
    assert len(rates) == len(found["at"]) == 90 and [rate for rate in rates if rate is not None] == [10.0, 10.0]


def test_a_range_that_there_is_not_is_refused_and_an_endpoint_without_requests_has_none(
    people: People, client_for: Any, make_endpoint: Make
) -> None:
    make_endpoint()
    client: Client = client_for(people.reader)
    refused = client.get(URL, {"range": "2y"})
    assert refused.status_code == 422 and "15m, 1h, 6h, 24h, 14d" in refused.content.decode()
    found = client.get(URL, {"range": "14d"}).json()
    assert found["deployments"] == [] and found["all"]["requests"] == 0 and found["all"]["p95_ms"] is None


def test_a_line_of_the_command_names_the_errors_by_code() -> None:
    row = {"name": "green", "copies": True, "errors": {"404": 4, "503": 20}}
    assert _figures(row)["deployment"] == "green (copies)" and _figures(row)["errors"] == "404: 4, 503: 20"
    assert _figures({"name": "all", "errors": {}})["errors"] == "none" and "errors" in _METRICS


def test_answers_by_status_are_those_of_the_deployment_that_was_chosen(people: People, client_for: Any, endpoint: Endpoint) -> None:
    page = "/w/team/endpoints/flowers/monitoring/"
    # Only of a deployment that is there: its name comes from the address.
    for name in ("blue", "green"):
        endpoint.deployments.create(name=name)
    client = client_for(people.reader)
    every = client.get(page).context["table"]
    assert [one["code"] for one in every["codes"]] == ["200", "404", "503"] and every["requests"] == 220
    answer = client.get(page, {"deployment": "green"})
    green = answer.context["table"]
    assert [(one["code"], one["count"]) for one in green["codes"]] == [("200", 16), ("404", 4)] and green["requests"] == 20
    assert "20 requests in 15 min, green" in " ".join(answer.content.decode().split())
