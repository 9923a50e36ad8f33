"""What an endpoint is in the cluster: keys, who may call, how requests are shared. Pure functions of a plan.

One HTTPRoute: the rule of the weights, then a rule for each deployment that a header names; wherever its rule stands, the
more exact match wins by the Gateway API's own order (gateway-api.sigs.k8s.io, HTTPRouteRule). The EnvoyProxy of the chart
merges backends: every rule that leads to a Service shares one Envoy cluster, named by the Service. So a deployment's own
rule keeps its cluster there and warm whatever its share is, and Envoy counts each deployment apart. That holds for
backends without filters, and for policies of a route that say nothing of connections (docs/design/ground-2.md).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from endpoints.manifests import SERVICE_PORT
from jobs.manifests import encoded, without_empty

GATEWAY = "gateway.networking.k8s.io"
ENVOY = "gateway.envoyproxy.io"
DEPLOYMENT_HEADER = "azureml-model-deployment"
ENDPOINT = "mooring.dev/endpoint"
STUDIO = "mooring.dev/studio"
# A route has 16 rules at most: two a deployment (scoring and its description), two for the weights, one for the rest.
MOST_DEPLOYMENTS = 6
# What the router adds to a deployment's own time limit, so that the deployment's own answer comes first.
SLACK_SECONDS = 1


@dataclass(frozen=True)
class Backend:
    """A deployment as requests reach it."""

    id: int
    name: str
    score_path: str = "/score"
    swagger_path: str = "/swagger.json"
    timeout_ms: int = 5000
    queue_wait_ms: int = 500
    retry: bool = True

    @property
    def service(self) -> str:
        return f"md-{self.id}"

    @property
    def timeout(self) -> int:
        """How long the router waits for an answer, in seconds."""
        return -(-(self.timeout_ms + self.queue_wait_ms) // 1000) + SLACK_SECONDS


@dataclass(frozen=True)
class Plan:
    """All that an endpoint's objects depend on."""

    id: int
    name: str
    workspace: str
    compute_id: int
    namespace: str
    studio: str
    gateway: str
    gateway_namespace: str
    primary_key: str
    secondary_key: str
    # Those that were ready at least once; no other gets a request.
    backends: tuple[Backend, ...] = ()
    traffic: dict[str, int] = field(default_factory=dict)
    mirror: dict[str, int] = field(default_factory=dict)

    @property
    def object_name(self) -> str:
        return f"me-{self.id}"

    @property
    def path(self) -> str:
        return f"/api/v1/endpoint/{self.name}"

    @property
    def weighted(self) -> list[Backend]:
        """The deployments that a share of the requests goes to."""
        return [backend for backend in self.backends if self.traffic.get(backend.name)]


def labels(plan: Plan) -> dict[str, str]:
    """Return the labels by which everything of this endpoint is found, also from another studio."""
    return {
        "app.kubernetes.io/managed-by": "mooring",
        "mooring.dev/kind": "endpoint",
        "mooring.dev/id": str(plan.id),
        "mooring.dev/workspace": plan.workspace,
        "mooring.dev/compute": str(plan.compute_id),
        ENDPOINT: plan.name,
        STUDIO: plan.studio,
    }


def render_secret(plan: Plan) -> dict[str, Any]:
    """Return the Secret with the two keys that are let in."""
    keys = {"primary": plan.primary_key, "secondary": plan.secondary_key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(plan),
        "type": "Opaque",
        "data": {name: encoded(key) for name, key in keys.items()},
    }


def render_security_policy(plan: Plan) -> dict[str, Any]:
    """Return who may call: whoever brings one of the keys (`Authorization: Bearer <key>`); the model never sees it."""
    return {
        "apiVersion": f"{ENVOY}/v1alpha1",
        "kind": "SecurityPolicy",
        "metadata": _metadata(plan),
        "spec": {
            "targetRefs": [_target(plan)],
            "apiKeyAuth": {
                "credentialRefs": [{"group": "", "kind": "Secret", "name": plan.object_name}],
                "extractFrom": [{"headers": ["Authorization"]}],
                "sanitize": True,
            },
        },
    }


def render_traffic_policy(plan: Plan) -> dict[str, Any]:
    """Return whether a lost connection is tried at another replica; how dead ones are left out is the Gateway's policy.

    Retries hold for requests of which no byte was taken; they are on for the weights when every deployment there
    wants them.
    """
    return _traffic_policy(plan, plan.object_name, [_target(plan)], retry=all(one.retry for one in plan.weighted))


def render_exceptions(plan: Plan) -> list[dict[str, Any]]:
    """Return a policy for each deployment whose wish for retries differs from that of the weights."""
    usual = all(one.retry for one in plan.weighted)
    return [
        _traffic_policy(plan, exception_name(backend.id), [_target(plan, section) for section in _sections(backend)], retry=backend.retry)
        for backend in plan.backends
        if backend.retry != usual
    ]


def exception_name(deployment_id: int) -> str:
    """Return the name of a deployment's own traffic policy."""
    return f"md-{deployment_id}"


def render_route(plan: Plan) -> dict[str, Any]:
    """Return the HTTPRoute."""
    own = [rule for backend in plan.backends for rule in _own_rules(plan, backend)]
    # Whoever names a deployment means it: a name that there is not must not be answered by another one.
    named = [{"type": "RegularExpression", "name": DEPLOYMENT_HEADER, "value": ".+"}]
    unknown = _answering("unknown", f"{plan.path}/score", named, unknown_name(plan.id))
    return {
        "apiVersion": f"{GATEWAY}/v1",
        "kind": "HTTPRoute",
        "metadata": _metadata(plan),
        "spec": {
            "parentRefs": [{"group": GATEWAY, "kind": "Gateway", "name": plan.gateway, "namespace": plan.gateway_namespace}],
            "rules": [*_shared_rules(plan), *own, unknown],
        },
    }


def render_answers(plan: Plan) -> list[dict[str, Any]]:
    """Return what the router answers by itself: where no deployment gets traffic, and where one is named that is not."""
    no_traffic = {"id": "no-traffic", "message": f"No deployment of endpoint {plan.name} gets traffic."}
    unknown = {"id": "no-such-deployment", "message": f"Endpoint {plan.name} has no ready deployment of the name in {DEPLOYMENT_HEADER}."}
    return [_answer(plan, plan.object_name, 503, no_traffic), _answer(plan, unknown_name(plan.id), 404, unknown)]


def unknown_name(endpoint_id: int) -> str:
    """Return the name of the answer to those who name a deployment that there is not."""
    return f"me-{endpoint_id}-unknown"


def prepared(plan: Plan, applied: Mapping[str, Any]) -> tuple[Plan, list[Backend]]:
    """Return the plan to apply first, and the deployments that it only makes known: they get their first share after it.

    `applied` is what the router was last seen to have. Until Envoy knows the way to a new deployment, requests are
    shared as they were.
    """
    known = set(applied.get("deployments") or [])
    fresh = [one for one in plan.backends if one.name not in known and plan.traffic.get(one.name)]
    if not fresh:
        return plan, []
    stand = known & {one.name for one in plan.backends}
    shares = {
        field: {name: percent for name, percent in (applied.get(field) or {}).items() if name in stand}
        for field in ("traffic", "mirror_traffic")
    }
    return replace(plan, traffic=shares["traffic"], mirror=shares["mirror_traffic"]), fresh


def _own_rules(plan: Plan, backend: Backend) -> list[dict[str, Any]]:
    named = [{"type": "Exact", "name": DEPLOYMENT_HEADER, "value": backend.name}]
    score, swagger = _sections(backend)
    return [
        _rule(score, f"{plan.path}/score", named, backend.score_path, backend.timeout, [_reference(backend)]),
        _rule(swagger, f"{plan.path}/swagger.json", named, backend.swagger_path, backend.timeout, [_reference(backend)]),
    ]


def _shared_rules(plan: Plan) -> list[dict[str, Any]]:
    """Return the rules of the weights; without any traffic the router answers by itself."""
    shared = plan.weighted
    if not shared:
        paths = (("weights", "score"), ("weights-swagger", "swagger.json"))
        return [_answering(name, f"{plan.path}/{path}", [], plan.object_name) for name, path in paths]
    first = max(shared, key=lambda one: plan.traffic[one.name])
    timeout = max(one.timeout for one in shared)
    references = [_reference(one, plan.traffic[one.name]) for one in shared]
    mirrors = [
        {
            "type": "RequestMirror",
            "requestMirror": {
                "backendRef": {"group": "", "kind": "Service", "name": one.service, "port": SERVICE_PORT},
                "percent": plan.mirror[one.name],
            },
        }
        for one in plan.backends
        if plan.mirror.get(one.name)
    ]
    score = _rule("weights", f"{plan.path}/score", [], first.score_path, timeout, references, mirrors)
    swagger = _rule("weights-swagger", f"{plan.path}/swagger.json", [], first.swagger_path, timeout, references)
    return [score, swagger]


def _rule(
    name: str,
    path: str,
    headers: list[dict[str, Any]],
    target: str,
    timeout: int,
    references: list[dict[str, Any]],
    more: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    # To Envoy a backslash here refers to a part of what was asked for.
    path_there = target.replace("\\", "%5C")
    rewrite = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": path_there}}}
    match = without_empty({"path": {"type": "Exact", "value": path}, "headers": headers})
    filters = [rewrite, *(more or [])]
    return {"name": name, "matches": [match], "filters": filters, "timeouts": {"request": f"{timeout}s"}, "backendRefs": references}


def _answering(name: str, path: str, headers: list[dict[str, Any]], answer: str) -> dict[str, Any]:
    """Return a rule that the router answers by itself."""
    match = without_empty({"path": {"type": "Exact", "value": path}, "headers": headers})
    reference = {"type": "ExtensionRef", "extensionRef": {"group": ENVOY, "kind": "HTTPRouteFilter", "name": answer}}
    return {"name": name, "matches": [match], "filters": [reference]}


def _answer(plan: Plan, name: str, status: int, said: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": f"{ENVOY}/v1alpha1",
        "kind": "HTTPRouteFilter",
        "metadata": _metadata(plan) | {"name": name},
        "spec": {
            "directResponse": {
                "contentType": "application/json",
                "statusCode": status,
                "body": {"type": "Inline", "inline": json.dumps(said)},
            }
        },
    }


def _reference(backend: Backend, weight: int = 1) -> dict[str, Any]:
    return {"group": "", "kind": "Service", "name": backend.service, "port": SERVICE_PORT, "weight": weight}


def _sections(backend: Backend) -> tuple[str, str]:
    return f"d-{backend.id}", f"d-{backend.id}-swagger"


def _target(plan: Plan, section: str = "") -> dict[str, Any]:
    target = {"group": GATEWAY, "kind": "HTTPRoute", "name": plan.object_name}
    return target | ({"sectionName": section} if section else {})


def _traffic_policy(plan: Plan, name: str, targets: list[dict[str, Any]], *, retry: bool) -> dict[str, Any]:
    triggers = ["connect-failure", "reset-before-request", "refused-stream"]
    retries = {
        "numRetries": 2,
        "retryOn": {"triggers": triggers},
        "perRetry": {"backOff": {"baseInterval": "25ms", "maxInterval": "250ms"}},
    }
    return {
        "apiVersion": f"{ENVOY}/v1alpha1",
        "kind": "BackendTrafficPolicy",
        "metadata": _metadata(plan) | {"name": name},
        # Merged with the Gateway's policy: one that replaced it would take the backends' shared clusters apart.
        "spec": {"targetRefs": targets, "mergeType": "StrategicMerge", "retry": retries if retry else {"numRetries": 0}},
    }


def _metadata(plan: Plan) -> dict[str, Any]:
    return {"name": plan.object_name, "namespace": plan.namespace, "labels": labels(plan)}
