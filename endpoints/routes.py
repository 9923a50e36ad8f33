"""Bring an endpoint's keys, policy and route into its cluster, in the order in which it is never open; and out again.

Secret → SecurityPolicy → what the router does by itself → HTTPRoute; removed the other way round. A deployment's first share
of the requests comes in two steps: its own rule first, its weight once every proxy of the router knows the way to its
replicas. Called by tasks, outside of any transaction; each function may run twice or be cut off anywhere.
"""

import contextlib
import time
from typing import Any

import structlog
from django.utils import timezone

from compute import selectors as computes
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import Forbidden, KubeError, NotFound
from compute.models import StudioIdentity
from compute.router import GATEWAY, NAMESPACE
from endpoints import routing, warming
from endpoints.models import Deployment, DeploymentStatus, Endpoint, EndpointStatus
from endpoints.observe import refused_since, route_accepted
from studio.core.errors import ProblemError
from studio.core.nudge import nudge
from studio.core.secrets import SecretUnreadable
from studio.core.states import move, touch

log = structlog.get_logger(__name__)

ROUNDS = 5
# How long one call waits for the router to say that it has taken the route over; the sweep asks again.
ACCEPT_SECONDS, ASK_SECONDS = 5.0, 0.1
# The router watches routes and what they name one apart from the other: what it does not find yet it finds a moment later.
FIND_SECONDS = 30
ACTIVE = (EndpointStatus.CREATING, EndpointStatus.UPDATING, EndpointStatus.FAILED, EndpointStatus.READY)


def apply_endpoint(endpoint_id: int) -> None:
    """Make the router do what the endpoint's row says, and note that it does."""
    endpoint = _endpoint(endpoint_id)
    if endpoint is None:
        return
    if endpoint.status == EndpointStatus.DELETING:
        remove_endpoint(endpoint)
        return
    if endpoint.compute is None:
        return
    try:
        client = computes.kube_client(endpoint.compute.cluster)
        if endpoint.applied_generation == 0 and _taken_elsewhere(client, endpoint):
            return
        _apply(client, endpoint)
    except KubeError as error:
        _not_now(endpoint, error)
    except KubeconfigRefused as error:
        _explain(endpoint, f"Waiting: the cluster's credentials cannot be used ({error})")
    except SecretUnreadable as error:
        _explain(endpoint, f"Waiting: {error.text}")


def remove_endpoint(endpoint: Endpoint) -> None:
    """Take the endpoint's objects out of the cluster, route first; forget it once its deployments are gone."""
    cluster = endpoint.compute.cluster if endpoint.compute else None
    if cluster is not None:
        try:
            client = computes.kube_client(cluster)
            for kind in (kinds.HTTP_ROUTE, kinds.ROUTE_FILTER, kinds.TRAFFIC_POLICY, kinds.SECURITY_POLICY, kinds.SECRET):
                # A kind that the cluster does not know any more has no objects left.
                with contextlib.suppress(NotFound):
                    _delete(client, kind, endpoint)
        except (KubeError, KubeconfigRefused) as error:
            _explain(endpoint, f"The cluster does not answer: {error}")
            return
    Endpoint.objects.filter(pk=endpoint.pk).update(applied={})
    left = list(endpoint.deployments.values_list("pk", flat=True))
    for id in left:
        nudge("endpoints.roll", id)
    if left:
        _explain(endpoint, "Waiting for its deployments to end")
        return
    workspace = endpoint.workspace
    endpoint.delete()
    # With the row in memory the pages can still be told.
    endpoint.workspace = workspace
    endpoint.announce()


def plan_of(endpoint: Endpoint) -> routing.Plan:
    """Return the plan from which the endpoint's objects are rendered."""
    deployments = Deployment.objects.filter(endpoint=endpoint).exclude(good=None).select_related("good")
    serving = deployments.exclude(status=DeploymentStatus.DELETING)
    assert endpoint.compute is not None
    return routing.Plan(
        id=endpoint.pk,
        name=endpoint.name,
        workspace=endpoint.workspace.name,
        compute_id=endpoint.compute.pk,
        namespace=endpoint.namespace,
        studio=StudioIdentity.get(),
        gateway=GATEWAY,
        gateway_namespace=NAMESPACE,
        primary_key=endpoint.primary_key,
        secondary_key=endpoint.secondary_key,
        backends=tuple(backend_of(one) for one in serving),
        traffic=endpoint.traffic,
        mirror=endpoint.mirror_traffic,
    )


def backend_of(deployment: Deployment) -> routing.Backend:
    """Return a deployment as requests reach it: by the revision that was ready last."""
    spec = deployment.good.spec if deployment.good else {}
    asked = spec.get("request_settings") or {}
    scoring = ((spec.get("routes") or {}).get("scoring") or {}).get("path")
    return routing.Backend(
        id=deployment.pk,
        name=deployment.name,
        score_path=scoring or "/score",
        timeout_ms=int(asked.get("request_timeout_ms", 5000)),
        queue_wait_ms=int(asked.get("max_queue_wait_ms", 500)),
        retry=deployment.retry,
    )


def _apply(client: KubeClient, endpoint: Endpoint) -> None:
    """Apply until nothing changed meanwhile: the newest intent is the last one written, whoever else writes."""
    for _ in range(ROUNDS):
        generation, plan = endpoint.generation, plan_of(endpoint)
        client.apply(kinds.SECRET, routing.render_secret(plan), plan.namespace, force=True)
        client.apply(kinds.SECURITY_POLICY, routing.render_security_policy(plan), plan.namespace, force=True)
        client.apply(kinds.TRAFFIC_POLICY, routing.render_traffic_policy(plan), plan.namespace, force=True)
        exceptions = routing.render_exceptions(plan)
        for exception in exceptions:
            client.apply(kinds.TRAFFIC_POLICY, exception, plan.namespace, force=True)
        for answer in routing.render_answers(plan):
            client.apply(kinds.ROUTE_FILTER, answer, plan.namespace, force=True)
        if not _made_known(client, endpoint, plan):
            return
        client.apply(kinds.HTTP_ROUTE, routing.render_route(plan), plan.namespace, force=True)
        _drop_exceptions(client, endpoint, {one["metadata"]["name"] for one in exceptions})
        endpoint.refresh_from_db()
        if endpoint.generation == generation:
            _note(client, endpoint, plan, generation)
            return


def _made_known(client: KubeClient, endpoint: Endpoint, plan: routing.Plan) -> bool:
    """Have the router know deployments that never had a share, before they get one; False: not yet, the sweep asks again.

    Routes and the clusters they lead to reach a proxy one after the other: in between it would answer for them by itself.
    """
    first, fresh = routing.prepared(plan, endpoint.applied)
    if not fresh:
        return True
    client.apply(kinds.HTTP_ROUTE, routing.render_route(first), plan.namespace, force=True)
    accepted, _ = _asked(client, first)
    if accepted is False:
        # What it says of it is told with the whole route.
        return True
    missing = [one.name for one in fresh] if accepted is None else warming.wait_until_known(client, first, fresh)
    if missing:
        _explain(endpoint, f"Waiting for the router to know the way to {', '.join(missing)}")
    return not missing


def _asked(client: KubeClient, plan: routing.Plan) -> tuple[bool | None, str]:
    """Wait a moment for the router's word on the route; that it does not find what was applied just now is none yet."""
    ends = time.monotonic() + ACCEPT_SECONDS
    while True:
        route = client.get(kinds.HTTP_ROUTE, plan.object_name, plan.namespace)
        accepted, text = route_accepted(route, plan.gateway)
        since = refused_since(route, plan.gateway) if accepted is False else None
        if since is not None and abs((timezone.now() - since).total_seconds()) < FIND_SECONDS:
            accepted = None
        if accepted is not None or time.monotonic() > ends:
            return accepted, text
        time.sleep(ASK_SECONDS)


def _note(client: KubeClient, endpoint: Endpoint, plan: routing.Plan, generation: int) -> None:
    """Wait a moment for the router's word, and move the endpoint by it."""
    accepted, text = _asked(client, plan)
    if accepted is None:
        _explain(endpoint, f"Waiting for the router: {text}" if text else "Waiting for the router to take it over")
        return
    if not accepted:
        # It is applied again by the sweep: what the router lacks may come.
        problem: dict[str, Any] = {"problem_id": "endpoint-refused-by-router", "problem_params": {"text": text}}
        reason = ProblemError("endpoint-refused-by-router", text=text).text[:500]
        if not move(endpoint, EndpointStatus.FAILED, expect=[s for s in ACTIVE if s != EndpointStatus.FAILED], reason=reason, **problem):
            _explain(endpoint, reason)
        return
    gone = set(endpoint.applied.get("deployments") or []) - {one.name for one in plan.backends}
    applied = {
        "traffic": plan.traffic,
        "mirror_traffic": plan.mirror,
        "deployments": [one.name for one in plan.backends],
        "at": timezone.now().isoformat(),
    }
    rows = Endpoint.objects.filter(pk=endpoint.pk, generation=generation)
    if not rows.update(applied=applied, applied_generation=generation):
        nudge("endpoints.apply", endpoint.pk)
        return
    values: dict[str, Any] = {"problem_id": "", "problem_params": {}}
    others = [status for status in ACTIVE if status != EndpointStatus.READY]
    if not move(endpoint, EndpointStatus.READY, expect=others, **values):
        endpoint.refresh_from_db()
        touch(endpoint, reason="")
        endpoint.announce()
    for id in Deployment.objects.filter(endpoint=endpoint, name__in=gone, status=DeploymentStatus.DELETING).values_list("pk", flat=True):
        nudge("endpoints.roll", id)


def _drop_exceptions(client: KubeClient, endpoint: Endpoint, wanted: set[str]) -> None:
    labels: dict[str, str | None] = {"mooring.dev/kind": "endpoint", "mooring.dev/id": str(endpoint.pk)}
    for found in client.list(kinds.TRAFFIC_POLICY, endpoint.namespace, labels=labels):
        name = found["metadata"]["name"]
        if name not in wanted and name != endpoint.object_name:
            client.delete(kinds.TRAFFIC_POLICY, name, endpoint.namespace, uid=found["metadata"]["uid"])


def _taken_elsewhere(client: KubeClient, endpoint: Endpoint) -> bool:
    """Tell whether another studio's endpoint has this address on the router, and say so."""
    try:
        routes = client.list(kinds.HTTP_ROUTE, labels={routing.ENDPOINT: endpoint.name})
    except Forbidden:
        # An identity for its own namespaces only: the router itself lets the older route win.
        return False
    mine = StudioIdentity.get()
    others = [route for route in routes if (route["metadata"].get("labels") or {}).get(routing.STUDIO) != mine]
    if not others:
        return False
    params: dict[str, Any] = {"name": endpoint.name, "cluster": endpoint.compute.cluster.name if endpoint.compute else ""}
    reason = ProblemError("endpoint-name-taken-on-router", **params).text[:500]
    problem: dict[str, Any] = {"problem_id": "endpoint-name-taken-on-router", "problem_params": params}
    move(endpoint, EndpointStatus.FAILED, expect=[EndpointStatus.CREATING, EndpointStatus.UPDATING], reason=reason, **problem)
    return True


def _delete(client: KubeClient, kind: kinds.Kind, endpoint: Endpoint) -> None:
    labels: dict[str, str | None] = {
        "mooring.dev/kind": "endpoint",
        "mooring.dev/id": str(endpoint.pk),
        "mooring.dev/workspace": endpoint.workspace.name,
    }
    if kind in (kinds.TRAFFIC_POLICY, kinds.ROUTE_FILTER):
        for found in client.list(kind, endpoint.namespace, labels=labels):
            client.delete(kind, found["metadata"]["name"], endpoint.namespace, uid=found["metadata"]["uid"])
        return
    thing = client.find(kind, endpoint.object_name, endpoint.namespace)
    if thing is not None and all((thing["metadata"].get("labels") or {}).get(name) == value for name, value in labels.items()):
        client.delete(kind, endpoint.object_name, endpoint.namespace, uid=thing["metadata"]["uid"])


def _not_now(endpoint: Endpoint, error: KubeError) -> None:
    if error.retryable:
        _explain(endpoint, f"Waiting: the cluster does not answer ({error})")
        return
    log.warning("endpoint refused", endpoint=endpoint.name, error=str(error))
    params: dict[str, Any] = {"text": str(error)[:400]}
    reason = ProblemError("endpoint-refused-by-cluster", **params).text[:500]
    problem: dict[str, Any] = {"problem_id": "endpoint-refused-by-cluster", "problem_params": params}
    if not move(endpoint, EndpointStatus.FAILED, expect=[s for s in ACTIVE if s != EndpointStatus.FAILED], reason=reason, **problem):
        _explain(endpoint, reason)


def _explain(endpoint: Endpoint, reason: str) -> None:
    if endpoint.reason != reason[:500]:
        touch(endpoint, reason=reason[:500])
        endpoint.announce()


def _endpoint(id: int) -> Endpoint | None:
    return Endpoint.objects.select_related("workspace", "compute__cluster", "cluster").filter(pk=id).first()
