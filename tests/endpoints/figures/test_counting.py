"""What Envoy's text means, and what came between two readings of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints.figures.counting import REFUSED, Backend, Count, Mirror, backend_of, by_class, counts_in, quantile, since

TEXT = (Path(__file__).parent / "envoy.txt").read_text()
BLUE = "service/mooring-demo/md-3/80/http"


def test_answers_are_counted_by_code_and_by_the_time_they_took() -> None:
    found = counts_in(TEXT)
    assert found[BLUE].codes == {"200": 44, "500": 10}
    # Envoy's buckets hold all below their bound; ours what lies between two.
    assert found[BLUE].times == {"10": 4, "25": 4, "50": 12, "100": 33}
    assert found["httproute/mooring-demo/me-7/rule/0-mirror-0"].requests == 61


def test_a_backend_that_nobody_answered_for_is_counted_without_times() -> None:
    gone = counts_in(TEXT)["service/mooring-demo/md-5/80/http"]
    assert (gone.codes, gone.times) == ({"503": 1}, {})


def test_what_the_router_refused_itself_is_summed_over_its_listeners() -> None:
    assert counts_in(TEXT)[REFUSED].codes == {"401": 15}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        (BLUE, Backend("mooring-demo", 3)),
        ("service/mooring-demo/md-12/80", Backend("mooring-demo", 12)),
        ("httproute/mooring-demo/me-7/rule/1-mirror-2", Mirror("mooring-demo", 7, 1, 2)),
        ("service/other/their-service/80/http", None),
        ("httproute/other/their-route/rule/0", None),
        ("prometheus_stats", None),
    ],
)
def test_envoys_names_say_whose_backend_it_is(name: str, meant: Backend | Mirror | None) -> None:
    assert backend_of(name) == meant


def test_counters_of_other_routes_are_left_alone() -> None:
    text = '# TYPE envoy_cluster_upstream_rq counter\nenvoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="xds"} 4\n'
    assert counts_in(text) == {}


def test_what_came_since_is_the_growth() -> None:
    before = {"codes": {"200": 10.0}, "times": {"5": 10.0}}
    came = since(before, Count({"200": 15, "500": 2}, {"5": 12, "10": 5}))
    assert (came.codes, came.times) == ({"200": 5, "500": 2}, {"5": 2, "10": 5})


def test_a_counter_that_fell_was_begun_anew() -> None:
    came = since({"codes": {"200": 100.0, "500": 3.0}, "times": {}}, Count({"200": 4, "500": 3}, {}))
    assert came.codes == {"200": 4, "500": 3}
    assert since({"codes": {"200": 100.0}}, Count()).requests == 0


@given(st.integers(0, 50), st.integers(0, 50))
def test_growth_is_never_negative_and_never_more_than_what_is_counted(before: int, now: int) -> None:
    came = since({"codes": {"200": float(before)}}, Count({"200": now}))
    assert came.requests == (now - before if now >= before else now)


def test_a_quantile_lies_straight_between_the_bounds_of_its_bucket() -> None:
    assert quantile({"10": 50, "25": 50}, 0.5) == 10
    assert quantile({"10": 50, "25": 50}, 0.75) == 17.5
    assert quantile({"250": 10}, 0.5) == 175
    assert quantile({"+Inf": 4}, 0.99) == 3_600_000
    assert quantile({}, 0.5) is None


@given(st.dictionaries(st.sampled_from(["0.5", "5", "50", "250", "1000", "+Inf"]), st.integers(1, 99), min_size=1))
def test_quantiles_never_fall(times: dict[str, float]) -> None:
    found = [quantile(times, share) or 0 for share in (0.1, 0.5, 0.9, 0.99, 1)]
    assert found == sorted(found)


def test_codes_are_summed_by_class() -> None:
    assert by_class({"200": 3, "204": 1, "429": 2, "503": 1, "": 4}) == {"2xx": 4, "4xx": 2, "5xx": 1, "other": 4}
