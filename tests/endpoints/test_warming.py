"""A deployment's first share of the requests: in two steps, the second when every proxy of the router knows the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from compute.kube import kinds
from compute.kube.errors import Unreachable
from endpoints import routes, warming
from endpoints.models import Deployment, Endpoint

Make = Callable[..., Any]


class Answer:
    def __init__(self, text: str) -> None:
        self.status, self.text = 200, text

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, _: int) -> bytes:
        return self.text.encode()


class Router:
    """A cluster whose router says yes to every route, and whose proxies know what a test lets them know."""

    def __init__(self, *proxies: int) -> None:
        self.weights: list[dict[str, int]] = []
        # A proxy → how often it is asked until it has healthy members; nobody answers with -1.
        self.proxies = dict(enumerate(proxies))

    def apply(self, kind: Any, thing: dict[str, Any], namespace: str, **_: Any) -> dict[str, Any]:
        if thing["kind"] == "HTTPRoute":
            rule = thing["spec"]["rules"][0]
            self.weights.append({one["name"]: one["weight"] for one in rule.get("backendRefs") or []})
        return thing

    def get(self, *_: Any) -> dict[str, Any]:
        conditions = [{"type": name, "status": "True", "observedGeneration": 1} for name in ("Accepted", "ResolvedRefs")]
        return {"metadata": {"generation": 1}, "status": {"parents": [{"parentRef": {"name": "mooring-router"}, "conditions": conditions}]}}

    def list(self, kind: Any, *_: Any, **__: Any) -> list[dict[str, Any]]:
        if kind != kinds.POD:
            return []
        return [{"metadata": {"name": str(name)}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}} for name in self.proxies]

    def pod_proxy(self, namespace: str, pod: str, *_: Any, **__: Any) -> Answer:
        left = self.proxies[int(pod)]
        if left < 0:
            raise Unreachable("no")
        self.proxies[int(pod)] = max(left - 1, 0)
        members = 0 if left else 1
        ids = Deployment.objects.values_list("pk", flat=True)
        lines = [f'{warming.MEMBERS}{{envoy_cluster_name="service/mooring-team/md-{id}/80/http"}} {members}\n' for id in ids]
        return Answer(f"# TYPE {warming.MEMBERS} gauge\n" + "".join(lines))


@pytest.fixture
def endpoint(make_endpoint: Make, make_deployment: Make, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """Make an endpoint whose `blue` has all requests and is known, and whose `green` is about to get half of them."""
    monkeypatch.setattr(warming, "ASK_SECONDS", 0.0)
    made: Endpoint = make_endpoint(traffic={"blue": 50, "green": 50}, generation=2, applied_generation=1, status="updating",
                                   applied={"traffic": {"blue": 100}, "mirror_traffic": {}, "deployments": ["blue"]})  # fmt: skip
    for name in ("blue", "green"):
        make_deployment(made, name)
    return made


def applied_to(router: Router, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """Apply the endpoint and return the shares that the router was told, one after the other, by name."""
    monkeypatch.setattr(routes.computes, "kube_client", lambda _: router)
    routes.apply_endpoint(endpoint.pk)
    endpoint.refresh_from_db()
    names = {one.object_name: one.name for one in endpoint.deployments.all()}
    return [{names[name]: weight for name, weight in weights.items()} for weights in router.weights]


def test_its_share_comes_when_every_proxy_has_healthy_members(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    router = Router(0, 3)
    assert applied_to(router, endpoint, monkeypatch) == [{"blue": 100}, {"blue": 50, "green": 50}]
    assert router.proxies == {0: 0, 1: 0}
    assert (endpoint.status, endpoint.applied["deployments"]) == ("ready", ["blue", "green"])


def test_until_then_requests_are_shared_as_they_were_and_the_endpoint_says_what_it_waits_for(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "WARM_SECONDS", 0.0)
    assert applied_to(Router(0, 1_000_000), endpoint, monkeypatch) == [{"blue": 100}]
    assert (endpoint.status, endpoint.applied_generation) == ("updating", 1)
    assert endpoint.reason == "Waiting for the router to know the way to green"


def test_where_no_proxy_can_be_asked_time_is_all_there_is(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "BLIND_SECONDS", 0.0)
    assert applied_to(Router(-1), endpoint, monkeypatch) == [{"blue": 100}, {"blue": 50, "green": 50}]


def test_whoever_has_had_a_share_gets_another_in_one_step(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    Endpoint.objects.filter(pk=endpoint.pk).update(applied=endpoint.applied | {"deployments": ["blue", "green"]})
    assert applied_to(Router(-1), endpoint, monkeypatch) == [{"blue": 50, "green": 50}]


class Finding(Router):
    """A router that does not find what a route names until it was asked so often, and says since when."""

    def __init__(self, asked: int, since: datetime) -> None:
        super().__init__(-1)
        self.left, self.since = asked, since

    def get(self, *_: Any) -> dict[str, Any]:
        route = super().get()
        if self.left:
            self.left -= 1
            resolved = route["status"]["parents"][0]["conditions"][1]
            resolved |= {"status": "False", "message": "Unable to translate HTTPRouteFilter", "lastTransitionTime": self.since.isoformat()}
        return route


def test_what_the_router_does_not_find_at_once_is_waited_for(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(warming, "BLIND_SECONDS", 0.0)
    applied_to(Finding(3, timezone.now()), endpoint, monkeypatch)
    assert (endpoint.status, endpoint.problem_id) == ("ready", "")


def test_while_it_is_waited_for_the_endpoint_says_so_and_has_not_failed(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "ACCEPT_SECONDS", 0.0)
    Endpoint.objects.filter(pk=endpoint.pk).update(applied=endpoint.applied | {"deployments": ["blue", "green"]})
    applied_to(Finding(1_000_000, timezone.now()), endpoint, monkeypatch)
    assert (endpoint.status, endpoint.reason) == ("updating", "Waiting for the router: Unable to translate HTTPRouteFilter")


def test_what_the_router_has_not_found_for_long_is_a_refusal(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    applied_to(Finding(1_000_000, timezone.now() - timedelta(minutes=2)), endpoint, monkeypatch)
    assert (endpoint.status, endpoint.problem_id) == ("failed", "endpoint-refused-by-router")
