"""What an endpoint is in the cluster, rendered from a plan."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from endpoints.routing import (
    Backend,
    Plan,
    prepared,
    render_answers,
    render_exceptions,
    render_route,
    render_secret,
    render_security_policy,
    render_traffic_policy,
)

PLAN = Plan(
    id=4, name="flowers", workspace="team", compute_id=3, namespace="mooring-team", studio="abc", gateway="mooring-router",
    gateway_namespace="mooring-system", primary_key="one", secondary_key="two",
    backends=(Backend(7, "blue", timeout_ms=3000, queue_wait_ms=500), Backend(8, "green")), traffic={"blue": 90, "green": 10},
)  # fmt: skip


def rules(plan: Plan) -> dict[str, dict[str, Any]]:
    return {rule["name"]: rule for rule in render_route(plan)["spec"]["rules"]}


def test_a_deployment_named_in_a_header_has_rules_of_its_own() -> None:
    assert rules(PLAN)["d-7"] == {
        "name": "d-7",
        "matches": [
            {
                "path": {"type": "Exact", "value": "/api/v1/endpoint/flowers/score"},
                "headers": [{"type": "Exact", "name": "azureml-model-deployment", "value": "blue"}],
            }
        ],
        "filters": [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/score"}}}],
        "timeouts": {"request": "5s"},
        "backendRefs": [{"group": "", "kind": "Service", "name": "md-7", "port": 80, "weight": 1}],
    }


def test_weights_are_the_percents_and_nothing_keeps_backends_from_sharing_a_cluster_with_their_own_rule() -> None:
    references = rules(PLAN)["weights"]["backendRefs"]
    assert [(one["name"], one["weight"]) for one in references] == [("md-7", 90), ("md-8", 10)]
    # Envoy Gateway shares a cluster among rules only where a backend has no filters and no policy of the route says
    # anything of connections, nor replaces the Gateway's.
    assert not any("filters" in one for rule in rules(PLAN).values() for one in rule.get("backendRefs") or [])
    mixed = replace(PLAN, backends=(PLAN.backends[0], replace(PLAN.backends[1], retry=False)))
    for policy in (render_traffic_policy(mixed), *render_exceptions(mixed)):
        assert policy["spec"].keys() == {"targetRefs", "mergeType", "retry"} and policy["spec"]["mergeType"] == "StrategicMerge"


def test_a_deployment_is_made_known_before_its_first_share_while_the_others_keep_theirs() -> None:
    applied = {"traffic": {"blue": 100}, "mirror_traffic": {}, "deployments": ["blue"]}
    first, fresh = prepared(PLAN, applied)
    assert [one.name for one in fresh] == ["green"]
    assert [(one["name"], one["weight"]) for one in rules(first)["weights"]["backendRefs"]] == [("md-7", 100)]
    assert rules(first)["d-8"] == rules(PLAN)["d-8"]


def test_the_first_deployment_of_all_is_made_known_while_the_router_answers_by_itself() -> None:
    first, fresh = prepared(replace(PLAN, backends=PLAN.backends[:1], traffic={"blue": 100}), {})
    assert [one.name for one in fresh] == ["blue"]
    assert "d-7" in rules(first) and "backendRefs" not in rules(first)["weights"]


@pytest.mark.parametrize("traffic", [{"blue": 100}, {"blue": 50, "green": 50}, {}])
def test_whoever_is_known_gets_another_share_at_once(traffic: dict[str, int]) -> None:
    plan = replace(PLAN, traffic=traffic)
    assert prepared(plan, {"traffic": {"green": 100}, "deployments": ["blue", "green"]}) == (plan, [])


def test_what_is_gone_has_no_share_while_another_is_made_known() -> None:
    first, _ = prepared(replace(PLAN, traffic={"green": 100}), {"traffic": {"red": 60, "blue": 40}, "deployments": ["red", "blue"]})
    assert first.traffic == {"blue": 40}


def test_the_weights_stand_first_whichever_deployments_there_are_and_the_unknown_after_the_named() -> None:
    assert list(rules(PLAN)) == ["weights", "weights-swagger", "d-7", "d-7-swagger", "d-8", "d-8-swagger", "unknown"]
    for fewer in (replace(PLAN, backends=PLAN.backends[:1]), replace(PLAN, traffic={}), replace(PLAN, backends=())):
        assert list(rules(fewer))[:2] == ["weights", "weights-swagger"]


def test_a_route_holds_as_many_deployments_as_are_allowed() -> None:
    many = replace(PLAN, backends=tuple(Backend(number, f"number-{number}") for number in range(6)))
    assert len(render_route(many)["spec"]["rules"]) <= 16


def test_copies_go_to_the_mirror_and_only_from_scoring() -> None:
    plan = replace(PLAN, traffic={"blue": 100}, mirror={"green": 20})
    mirror = {"backendRef": {"group": "", "kind": "Service", "name": "md-8", "port": 80}, "percent": 20}
    assert rules(plan)["weights"]["filters"][1] == {"type": "RequestMirror", "requestMirror": mirror}
    assert len(rules(plan)["weights-swagger"]["filters"]) == 1


def test_without_traffic_and_for_an_unknown_name_the_router_answers_by_itself() -> None:
    plan = replace(PLAN, traffic={})
    for name, answer in (("weights", "me-4"), ("unknown", "me-4-unknown")):
        assert "backendRefs" not in rules(plan)[name]
        assert rules(plan)[name]["filters"][0]["extensionRef"]["name"] == answer
    assert {one["metadata"]["name"]: one["spec"]["directResponse"]["statusCode"] for one in render_answers(plan)} == {
        "me-4": 503, "me-4-unknown": 404,
    }  # fmt: skip


def test_an_own_containers_path_is_what_requests_are_rewritten_to() -> None:
    plan = replace(PLAN, backends=(Backend(7, "blue", score_path="/v1/models/x:predict"),), traffic={"blue": 100})
    for name in ("d-7", "weights"):
        assert rules(plan)[name]["filters"][0]["urlRewrite"]["path"]["replaceFullPath"] == "/v1/models/x:predict"


def test_a_backslash_in_a_path_refers_to_nothing() -> None:
    plan = replace(PLAN, backends=(Backend(7, "blue", score_path="/\\9/x"),), traffic={"blue": 100})
    assert rules(plan)["weights"]["filters"][0]["urlRewrite"]["path"]["replaceFullPath"] == "/%5C9/x"


def test_both_keys_open_the_endpoint_and_no_key_reaches_the_model() -> None:
    assert {name: base64.b64decode(value) for name, value in render_secret(PLAN)["data"].items()} == {
        "primary": b"one",
        "secondary": b"two",
    }
    policy = render_security_policy(PLAN)
    assert policy["spec"]["targetRefs"] == [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "me-4"}]
    assert policy["spec"]["apiKeyAuth"] == {
        "credentialRefs": [{"group": "", "kind": "Secret", "name": "me-4"}], "extractFrom": [{"headers": ["Authorization"]}], "sanitize": True,
    }  # fmt: skip
    others = [render_route(PLAN), policy, render_traffic_policy(PLAN), *render_answers(PLAN)]
    assert not any(key in json.dumps(others).split('"') for key in ("one", "two"))


def test_retries_are_for_requests_that_were_not_begun_and_each_deployment_may_do_without() -> None:
    retry = render_traffic_policy(PLAN)["spec"]["retry"]
    assert retry["retryOn"]["triggers"] == ["connect-failure", "reset-before-request", "refused-stream"]
    assert render_exceptions(PLAN) == []
    without = replace(PLAN, backends=(PLAN.backends[0], replace(PLAN.backends[1], retry=False)))
    assert render_traffic_policy(without)["spec"]["retry"] == {"numRetries": 0}
    (exception,) = render_exceptions(without)
    assert exception["metadata"]["name"] == "md-7" and exception["spec"]["retry"] == retry
    assert [target["sectionName"] for target in exception["spec"]["targetRefs"]] == ["d-7", "d-7-swagger"]
