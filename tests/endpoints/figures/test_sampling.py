"""Counters become samples: in slots, for their deployments, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from compute.models import Cluster
from endpoints.figures import sampling, series
from endpoints.figures.counting import REFUSED, Count, Mirror
from endpoints.figures.models import RouterReading, RouterSample, Sample
from endpoints.figures.sampling import PodCounts, keep, mirrors_in, slots_between
from endpoints.models import Deployment, Endpoint

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
Make = Callable[..., Any]


@pytest.fixture
def blue(make_endpoint: Make, make_deployment: Make) -> Deployment:
    made: Deployment = make_deployment(make_endpoint())
    _made_at(made, START - timedelta(days=1))
    return made


def _made_at(deployment: Deployment, at: datetime) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(created_at=at)


def name_of(deployment: Deployment, *, mirror: bool = False) -> str:
    if mirror:
        return f"httproute/mooring-team/me-{deployment.endpoint_id}/rule/0-mirror-0"
    return f"service/mooring-team/md-{deployment.pk}/80/http"


def read(cluster: Cluster, deployment: Deployment, at: datetime, codes: dict[str, float], *, pod: str = "a", **more: Any) -> None:
    """Have one pod of the router stand at these counts."""
    reading, _ = RouterReading.objects.get_or_create(cluster=cluster)
    counts = {name_of(deployment, mirror=more.get("mirror", False)): Count(dict(codes), {"25": sum(codes.values())})}
    counts |= {REFUSED: Count({"401": more["refused"]})} if "refused" in more else {}
    owners = {Mirror("mooring-team", deployment.endpoint_id, 0, 0): deployment.object_name}
    keep(cluster, reading, {pod: PodCounts(more.get("began"), counts)}, owners, at)


def requests(span: int = 10, **wanted: Any) -> float:
    return round(sum(Sample.objects.filter(span=span, **wanted).values_list("requests", flat=True)), 2)


def test_the_first_reading_is_only_where_counting_begins(cluster: Cluster, blue: Deployment) -> None:
    read(cluster, blue, START, {"200": 1000})
    assert not Sample.objects.exists()


def test_of_a_deployment_that_was_just_made_the_first_reading_counts_all(cluster: Cluster, blue: Deployment) -> None:
    _made_at(blue, START - timedelta(seconds=8))
    read(cluster, blue, START, {"200": 2}, refused=5)
    assert requests() == requests(60) == 2
    assert sum(Sample.objects.filter(span=10).values_list("seconds", flat=True)) == 8
    assert not RouterSample.objects.exists()
    read(cluster, blue, START + timedelta(seconds=10), {"200": 3}, refused=6)
    assert (requests(), sum(RouterSample.objects.filter(span=10).values_list("refused", flat=True))) == (3, 1)


def test_a_young_pod_that_did_not_answer_at_first_is_counted_from_its_beginning(cluster: Cluster, blue: Deployment) -> None:
    read(cluster, blue, START, {"200": 5})
    read(cluster, blue, START + timedelta(seconds=10), {"200": 4}, pod="b", began=START - timedelta(seconds=20))
    assert requests() == 4


def test_what_came_is_shared_among_the_slots_that_it_came_in(cluster: Cluster, blue: Deployment) -> None:
    read(cluster, blue, START + timedelta(seconds=5), {"200": 100})
    read(cluster, blue, START + timedelta(seconds=15), {"200": 110})
    found = {sample.at.second: (sample.requests, sample.seconds) for sample in Sample.objects.filter(span=10)}
    assert found == {0: (5.0, 5.0), 10: (5.0, 5.0)}
    read(cluster, blue, START + timedelta(seconds=25), {"200": 140})
    found = {sample.at.second: (sample.requests, sample.seconds) for sample in Sample.objects.filter(span=10)}
    assert found == {0: (5.0, 5.0), 10: (20.0, 10.0), 20: (15.0, 5.0)}
    assert requests(10) == requests(60) == requests(600) == 40
    assert Sample.objects.get(span=60).times == {"25": 40.0}


def test_an_idle_deployment_has_samples_without_requests(cluster: Cluster, blue: Deployment) -> None:
    read(cluster, blue, START, {"200": 7})
    read(cluster, blue, START + timedelta(seconds=10), {"200": 7})
    sample = Sample.objects.get(span=10)
    assert (sample.requests, sample.seconds, sample.ready) == (0, 10, 1)


def test_a_router_that_began_anew_loses_nothing_that_was_read(cluster: Cluster, blue: Deployment) -> None:
    read(cluster, blue, START, {"200": 50})
    read(cluster, blue, START + timedelta(seconds=10), {"200": 4})
    assert requests() == 4
    read(cluster, blue, START + timedelta(seconds=20), {"200": 3}, pod="b", began=START + timedelta(seconds=12))
    assert requests() == 7


def test_a_pod_that_was_never_read_before_is_not_taken_for_a_burst(cluster: Cluster, blue: Deployment) -> None:
    read(cluster, blue, START, {"200": 5})
    read(cluster, blue, START + timedelta(seconds=10), {"200": 99_999}, pod="old", began=START - timedelta(days=3))
    assert requests() == 0


def test_after_a_long_silence_counting_begins_anew(cluster: Cluster, blue: Deployment) -> None:
    read(cluster, blue, START, {"200": 0})
    read(cluster, blue, START + timedelta(hours=1), {"200": 3600})
    assert requests() == 0
    read(cluster, blue, START + timedelta(hours=1, seconds=10), {"200": 3610})
    assert requests() == 10


def test_copies_of_requests_are_kept_apart(cluster: Cluster, blue: Deployment) -> None:
    read(cluster, blue, START, {"200": 0}, mirror=True)
    read(cluster, blue, START + timedelta(seconds=10), {"200": 6}, mirror=True)
    assert requests(mirrored=True) == 6 and requests(mirrored=False) == 0


def test_a_reading_that_was_overtaken_writes_nothing(cluster: Cluster, blue: Deployment) -> None:
    read(cluster, blue, START, {"200": 0})
    stale = RouterReading.objects.get(cluster=cluster)
    read(cluster, blue, START + timedelta(seconds=10), {"200": 10})
    keep(cluster, stale, {"a": PodCounts(None, {name_of(blue): Count({"200": 10})})}, {}, START + timedelta(seconds=11))
    assert requests() == 10


def test_slots_lie_side_by_side() -> None:
    slots = slots_between(START + timedelta(seconds=3), START + timedelta(seconds=31), 10)
    assert [at.second for at in slots] == [0, 10, 20, 30] and list(slots.values()) == [7, 10, 10, 1]


def test_a_route_says_whose_each_mirror_is() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "md-3"}}}
    rules = [
        {"name": "weights", "backendRefs": [{"name": "md-1"}], "filters": [{"type": "URLRewrite"}, mirror]},
        {"name": "weights-swagger"},
    ]
    assert mirrors_in({"spec": {"rules": rules}}) == {(0, 1): "md-3"}


def test_a_deployment_of_the_same_number_in_another_studios_namespace_is_not_ours(cluster: Cluster, blue: Deployment) -> None:
    read(cluster, blue, START, {"200": 0})
    reading = RouterReading.objects.get(cluster=cluster)
    theirs = {name_of(blue).replace("mooring-team", "others"): Count({"200": 9})}
    keep(cluster, reading, {"a": PodCounts(None, theirs)}, {}, START + timedelta(seconds=10))
    assert requests() == 0


def test_what_the_router_refuses_for_want_of_a_key_is_counted_for_all_its_endpoints(cluster: Cluster, blue: Deployment) -> None:
    now = datetime.fromtimestamp(timezone.now().timestamp() // 10 * 10, UTC)
    read(cluster, blue, now - timedelta(seconds=20), {"200": 0}, refused=5)
    read(cluster, blue, now - timedelta(seconds=10), {"200": 1}, refused=12)
    found = series.over_time(blue.endpoint, series.RANGES[0], now)
    assert (found["refused"], found["totals"]["all"]["requests"]) == (7, 1)
    assert RouterSample.objects.filter(span=600).get().refused == pytest.approx(7)


def test_old_samples_go_and_young_ones_stay(blue: Deployment) -> None:
    now = timezone.now()
    for span, age in ((10, 2), (10, 0.1), (60, 26), (60, 20), (600, 24 * 15), (600, 24 * 13)):
        Sample.objects.create(endpoint=blue.endpoint, deployment="blue", span=span, at=now - timedelta(hours=age))
    sampling.nudge_samplers()
    assert sorted(Sample.objects.values_list("span", flat=True)) == [10, 60, 600]


def test_figures_over_time_are_gaps_where_nobody_looked(blue: Deployment) -> None:
    endpoint: Endpoint = blue.endpoint
    at = datetime.fromtimestamp(timezone.now().timestamp() // 10 * 10, UTC)
    for name, share in (("blue", 8), ("green", 2)):
        Sample.objects.create(
            endpoint=endpoint, deployment=name, span=10, at=at - timedelta(seconds=30), seconds=10, requests=10 * share,
            codes={"200": 9 * share, "500": share}, times={"10": 10 * share}, ready=1,
        )  # fmt: skip
    found = series.over_time(endpoint, series.RANGES[0])
    index = found["at"].index(int((at - timedelta(seconds=30)).timestamp()))
    assert found["all"]["rate"][index] == 10 and found["all"]["rate"][index - 1] is None
    assert found["deployments"]["blue"]["rate"][index] == 8 and found["all"]["ready"][index] == 2
    assert found["all"]["classes"] == {"2xx": found["all"]["classes"]["2xx"], "5xx": found["all"]["classes"]["5xx"]}
    assert found["all"]["classes"]["5xx"][index] == 1 and found["totals"]["all"]["requests"] == 100
    assert found["totals"]["all"]["codes"] == [{"code": "200", "count": 90}, {"code": "500", "count": 10}]
    assert len(found["at"]) == 90


def test_the_last_minutes_of_all_endpoints_are_one_query(blue: Deployment, django_assert_num_queries: Any) -> None:
    at = series.minute_of(timezone.now()) - timedelta(minutes=1)
    Sample.objects.create(endpoint=blue.endpoint, deployment="blue", span=60, at=at, seconds=60, requests=120,
                          codes={"200": 118, "503": 2}, times={"50": 120})  # fmt: skip
    with django_assert_num_queries(1):
        found = series.recent([blue.endpoint])[blue.endpoint_id]
    assert (found.rate, found.errors, found.requests) == (2, 2, 120)
    assert found.p95 == pytest.approx(48.75)
