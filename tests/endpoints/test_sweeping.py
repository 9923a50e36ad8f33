"""The safety net catches every row that should have moved, however many there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from endpoints import sweeping
from endpoints.models import Deployment, Endpoint, Replica

Make = Callable[..., Any]
LONG_AGO = timedelta(minutes=10)


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> Callable[..., set[tuple[str, int]]]:
    """Return a function that sweeps some times, five seconds apart, and says what was nudged; two of a kind each time."""
    begins = timezone.now()
    monkeypatch.setattr(sweeping, "MOST", 2)
    monkeypatch.setattr(sweeping, "forget_logs", lambda: None)

    def sweep(times: int = 1) -> set[tuple[str, int]]:
        sent: set[tuple[str, int]] = set()
        monkeypatch.setattr(sweeping, "nudge", lambda task, pk: sent.add((task, pk)))
        for index in range(times):
            monkeypatch.setattr(sweeping.timezone, "now", lambda index=index: begins + timedelta(seconds=5 * index))
            sweeping.sweep()
        return sent

    return sweep


def waiting(make_endpoint: Make, name: str, **values: Any) -> Endpoint:
    endpoint: Endpoint = make_endpoint(name, **values)
    Endpoint.objects.filter(pk=endpoint.pk).update(status_at=timezone.now() - LONG_AGO)
    return endpoint


def test_an_endpoint_that_lost_its_nudge_is_found_behind_any_number_that_are_well(swept: Any, make_endpoint: Make) -> None:
    for name in ("one", "two", "three"):
        waiting(make_endpoint, name, applied_generation=1, applied={"at": (timezone.now() + LONG_AGO).isoformat()})
    late = waiting(make_endpoint, "late", generation=2, applied_generation=1)
    assert ("endpoints.apply", late.pk) in swept()


def test_those_that_wait_take_turns(swept: Any, make_endpoint: Make) -> None:
    rows = [waiting(make_endpoint, f"flowers{index}", status="failed") for index in range(5)]
    assert len(swept(1)) == 2
    assert swept(5) == {("endpoints.apply", row.pk) for row in rows}


def test_a_deployment_that_lost_its_nudge_is_found_behind_any_number_that_are_well(
    swept: Any, make_endpoint: Make, make_deployment: Make
) -> None:
    endpoint = make_endpoint(applied_generation=1, applied={"at": (timezone.now() + LONG_AGO).isoformat()})
    for name in ("one", "two", "three"):
        make_deployment(endpoint, name, applied_generation=1)
    late = make_deployment(endpoint, "late", applied_generation=1, generation=2)
    assert ("endpoints.roll", late.pk) in swept()


def test_each_deployment_that_stands_is_looked_at_within_a_minute(swept: Any, make_endpoint: Make, make_deployment: Make) -> None:
    endpoint = make_endpoint()
    for name in ("one", "two", "three", "four"):
        make_deployment(endpoint, name, applied_generation=1)
    found = {pk for task, pk in swept(12) if task == "endpoints.roll"}
    assert found == set(Deployment.objects.values_list("pk", flat=True))


def test_where_more_stand_than_a_sweep_takes_they_take_turns_from_minute_to_minute(
    swept: Any, make_endpoint: Make, make_deployment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two sweeps a minute of two each: four and four, which is where turns by the sweep's own number came round to the same two.
    monkeypatch.setattr(sweeping, "LOOK", timedelta(seconds=2 * sweeping.EVERY))
    for index in range(8):
        make_deployment(make_endpoint(f"flowers{index}", status="ready", applied_generation=1), "blue", applied_generation=1)
    sent = swept(4)
    assert {pk for task, pk in sent if task == "endpoints.roll"} == set(Deployment.objects.values_list("pk", flat=True))
    assert {pk for task, pk in sent if task == "endpoints.apply"} == set(Endpoint.objects.values_list("pk", flat=True))


def test_a_replica_that_is_hungry_is_fed_behind_any_number_that_were_just_fed(
    swept: Any, make_endpoint: Make, make_deployment: Make
) -> None:
    deployment = make_deployment(make_endpoint(), count=4, transport="push")
    Replica.objects.update(state="preparing", fed_at=timezone.now() + LONG_AGO)
    hungry = Replica.objects.order_by("pk").last()
    assert hungry is not None
    Replica.objects.filter(pk=hungry.pk).update(fed_at=None)
    assert deployment and {one for one in swept() if one[0] == "endpoints.feed"} == {("endpoints.feed", hungry.pk)}


def test_an_endpoint_whose_compute_is_gone_is_told_so_and_a_deleted_one_goes(swept: Any, make_endpoint: Make) -> None:
    lost, going = waiting(make_endpoint, "lost", compute=None), waiting(make_endpoint, "going", compute=None, status="deleting")
    assert ("endpoints.apply", going.pk) in swept()
    lost.refresh_from_db()
    assert lost.status == "failed"
