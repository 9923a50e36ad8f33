"""What an endpoint is in the cluster, rendered from a plan."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

from endpoints.routing import (
    Backend,
    Plan,
    backends_of,
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
        "backendRefs": [
            {
                "group": "", "kind": "Service", "name": "md-7", "port": 80, "weight": 1,
                "filters": [
                    {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-mooring-deployment", "value": "blue"}]}}
                ],
            }
        ],
    }  # fmt: skip


def test_weights_are_the_percents_and_each_backend_is_told_apart() -> None:
    references = rules(PLAN)["weights"]["backendRefs"]
    assert [(one["name"], one["weight"]) for one in references] == [("md-7", 90), ("md-8", 10)]
    marks = [one["filters"][0]["requestHeaderModifier"]["set"][0]["value"] for one in references]
    assert marks == ["blue", "green"]
    assert backends_of(PLAN) == {(0, 0): "blue", (0, 1): "green", (1, 0): "blue", (1, 1): "green", (2, 0): "blue", (3, 0): "blue",
                                 (4, 0): "green", (5, 0): "green"}  # fmt: skip


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
    assert "retry" not in render_traffic_policy(without)["spec"]
    (exception,) = render_exceptions(without)
    assert exception["metadata"]["name"] == "md-7" and "retry" in exception["spec"]
    assert [target["sectionName"] for target in exception["spec"]["targetRefs"]] == ["d-7", "d-7-swagger"]
