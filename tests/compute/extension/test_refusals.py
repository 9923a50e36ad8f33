"""A configuration that the router's proxies refuse: seen in what they count, and told with the route that is no studio's."""

from __future__ import annotations

from typing import Any

import pytest

from compute.extension import health, refusals
from compute.extension.models import Extension
from compute.models import Cluster

ROUTES, CLUSTERS = "http_rds", "cluster_manager_cds"


def stats(rejected: int, success: int) -> str:
    """Return what a proxy counts of its routes, as Prometheus' text."""
    labels = '{envoy_http_conn_manager_prefix="https-443",envoy_rds_route_config="mooring-system/mooring-router/https"}'
    lines = [f"# TYPE envoy_{ROUTES}_update_{word} counter\nenvoy_{ROUTES}_update_{word}{labels} {count}\n"
             for word, count in (("rejected", rejected), ("success", success))]  # fmt: skip
    return "".join(lines) + f"# TYPE envoy_{CLUSTERS}_update_success counter\nenvoy_{CLUSTERS}_update_success{{}} 3\n"


def test_counts_are_read_part_by_part() -> None:
    counts = refusals.counts_in(stats(2, 5))
    assert list(counts.values()) == [[2, 5], [0, 3]]
    assert [part.split()[0] for part in counts] == [f"envoy_{ROUTES}", f"envoy_{CLUSTERS}"]


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        # Refused once and taken later: between two looks, or at the next.
        ([(0, 1), (1, 2)], [False, False]),
        ([(0, 1), (1, 1), (1, 2)], [False, True, False]),
        # Refused and nothing new since; more refusals while nothing is taken.
        ([(0, 1), (1, 1), (1, 1), (4, 1)], [False, True, True, True]),
        # A proxy that came while it is refused has never taken any; one that begins to count anew has nothing to say.
        ([(3, 0), (3, 0)], [True, True]),
        ([(5, 9), (0, 1)], [False, False]),
    ],
)
def test_a_part_is_refused_until_it_is_taken_again(looks: list[tuple[int, int]], said: list[bool]) -> None:
    before: dict[str, Any] = {}
    for look, wanted in zip(looks, said, strict=True):
        counts = {"pod routes": list(look)}
        refused = refusals.refusing(before, counts)
        assert bool(refused) == wanted, (look, before)
        before = {"counts": counts, "refused": refused}


class Told:
    """A cluster with a proxy, a route of a studio's, one of nobody's, and Envoy Gateway's log."""

    def list(self, kind: Any, *_: Any, **__: Any) -> list[dict[str, Any]]:
        parent = {"parentRefs": [{"name": "mooring-router", "namespace": "mooring-system"}]}
        ours = {"app.kubernetes.io/managed-by": "mooring", "mooring.dev/studio": "s"}
        if kind.name == "HTTPRoute":
            return [
                {"metadata": {"namespace": "team", "name": "me-1", "labels": ours}, "spec": parent},
                {"metadata": {"namespace": "other", "name": "broken"}, "spec": parent},
                {"metadata": {"namespace": "other", "name": "elsewhere"}, "spec": {"parentRefs": [{"name": "another"}]}},
            ]
        return [{"metadata": {"name": "envoy-gateway-1"}}]

    def logs(self, *_: Any, **__: Any) -> Any:
        text = b'ERROR "Envoy rejected the last update for type R on node n with code 13 and message bad rewrite; the proxy is still serving its"\n'
        return _Stream(text)


class _Stream(list[bytes]):
    def __init__(self, text: bytes) -> None:
        super().__init__([text])

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_it_is_told_in_the_proxys_words_with_the_route_that_no_studio_made() -> None:
    said = refusals.explained(Told())  # type: ignore[arg-type]
    assert said == ("Envoy refuses its configuration and goes on with the last one: bad rewrite. Routes that no studio made: other/broken.")


@pytest.mark.django_db
def test_it_shows_on_the_extension_when_two_looks_see_it_and_goes_with_it(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Extension.objects.create(cluster=cluster, status="ready", revision=1, settings={"enableInference": True})
    counts = {"pod routes": [0, 1]}
    monkeypatch.setattr(refusals, "counted", lambda _: dict(counts))
    monkeypatch.setattr(refusals, "explained", lambda _: "Envoy refuses its configuration.")
    monkeypatch.setattr(health, "read_release", lambda *_: _Found())
    monkeypatch.setattr(health, "last_deployed", lambda _: _Found())
    monkeypatch.setattr(health.Looker, "look", lambda *_: [])
    monkeypatch.setattr(health.Looker, "router", lambda *_: {"base_url": "http://router"})

    def looked(rejected: int, success: int) -> tuple[str, str]:
        counts["pod routes"] = [rejected, success]
        health.watch_extension(row.pk)
        row.refresh_from_db()
        return row.status, row.problem_id

    assert looked(0, 1) == ("ready", "")
    assert looked(1, 1) == ("ready", "")
    assert looked(1, 1) == ("degraded", "extension-router-refuses")
    assert "Envoy mooring-router: Envoy refuses its configuration" in row.reason and row.health[0]["state"] == "failed"
    assert looked(1, 2) == ("ready", "")


class _Found:
    revision = 1

    def __init__(self) -> None:
        from compute.models import StudioIdentity

        self.values = {"studio": StudioIdentity.get()}
