"""Which addresses the benchmark of pages asks, and what it makes of how long they took."""

from django.urls import get_resolver

from benchmarks.pages import figures_of
from benchmarks.pages_filled import address_of, addresses
from tests.access_table import TABLE


def test_an_address_is_filled_with_what_the_database_holds() -> None:
    assert address_of("w/<slug:workspace>/jobs/<slug:name>/log/") == "/w/team/jobs/calm_otter_0/log/"
    assert address_of("ops/clusters/<slug:name>/instance-types/<str:type>/edit/") == "/ops/clusters/gpu-a/instance-types/gpu/edit/"


def test_what_is_no_page_or_cannot_be_filled_is_left_out() -> None:
    assert address_of("w/<slug:workspace>/jobs/<slug:name>/outputs.zip") is None
    assert address_of("live/") is None
    assert address_of("notifications/<int:id>/") is None


def test_every_page_of_the_access_table_is_asked() -> None:
    asked = {path for _, path in addresses(get_resolver().url_patterns)}
    wanted = {address_of(route) for method, route in TABLE if method == "GET"} - {None}
    assert wanted - asked == set()
    assert len(wanted) > 60


def test_the_slowest_page_counts_whoever_asked_it() -> None:
    pages = {"/a/": {"name": "a", "queries": 9, "cpu_ms": 5.0}, "/b/": {"name": "b", "queries": 30, "cpu_ms": 2.0}}
    found = figures_of(pages, {"/a/": [0.1] * 20, "/b/": [0.02] * 20}, {"/a/": [0.05], "/b/": [0.3]})
    assert (found["worst_p95_ms"], found["slowest"], found["slowest_of_10"]) == (300.0, "/a/", "/b/")
    assert (found["worst_queries"], found["most_queries"], found["worst_cpu_ms"]) == (30, "/b/", 5.0)
