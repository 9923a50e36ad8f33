"""Endpoints and deployments as the API shows them; never a key or a token."""

import base64
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from endpoints import calling, selectors
from endpoints.models import Change, Deployment, Endpoint, Replica, Revision
from endpoints.surroundings import changed_since


def shown(request: HttpRequest, endpoint: Endpoint, *, whole: bool = True) -> dict[str, Any]:
    """Return an endpoint as the API shows it; never a key."""
    problem = selectors.problem_of(endpoint)
    where = selectors.router_for(endpoint)
    uri = selectors.scoring_uri(endpoint, where)
    values: dict[str, Any] = {
        "name": endpoint.name,
        "status": endpoint.status,
        "provisioning_state": selectors.provisioning_state(endpoint),
        "reason": endpoint.reason,
        "compute": endpoint.compute_name,
        "simulated": endpoint.cluster is not None and endpoint.cluster.simulated,
        "auth_mode": endpoint.auth_mode,
        "scoring_uri": uri,
        "openapi_uri": uri.removesuffix("score") + "swagger.json" if uri else "",
        "insecure": where.insecure,
        "plain_http": where.insecure or where.plain_too,
        "traffic": endpoint.traffic,
        "mirror_traffic": endpoint.mirror_traffic,
        "applied_traffic": endpoint.applied.get("traffic", {}),
        "applied": endpoint.applied_generation == endpoint.generation,
        "description": endpoint.description,
        "tags": endpoint.tags,
        "created_at": endpoint.created_at,
        "created_by": endpoint.created_by.username if endpoint.created_by else "",
        "url": _url(request, endpoint),
    }
    if not whole:
        return values
    return values | {
        "problem": problem.as_dict() if problem else None,
        "warnings": endpoint.warnings,
        "address_reason": "" if uri else where.reason,
        # Where the name need not resolve: what to connect to, as curl's --resolve has it.
        "address": where.address,
        "deployments": [deployment_shown(one, whole=False) for one in selectors.deployments_of(endpoint)],
        "timeline": [_change(change) for change in endpoint.changes.all()],
    }


def deployment_shown(deployment: Deployment, *, whole: bool = True) -> dict[str, Any]:
    """Return a deployment as the API shows it."""
    problem = selectors.problem_of(deployment)
    revision = deployment.current or deployment.wanted
    spec = revision.spec if revision else {}
    values: dict[str, Any] = {
        "name": deployment.name,
        "endpoint_name": deployment.endpoint.name,
        "status": deployment.status,
        "provisioning_state": selectors.provisioning_state(deployment),
        "reason": deployment.reason,
        "problem": problem.as_dict() if problem else None,
        "traffic": deployment.traffic,
        "instance_count": deployment.instance_count,
        "ready_replicas": sum(1 for one in deployment.replicas.all() if one.ready),
        "instance_type": spec.get("instance_type", ""),
        "model": _model(spec),
        "image": spec.get("image", ""),
        "revision": deployment.current.number if deployment.current else None,
        "created_at": deployment.created_at,
        "tags": deployment.tags,
        # What of the cluster's settings changed since the pods were made: a rollout takes it.
        "settings_changed": changed_since(deployment),
    }
    if not whole:
        return values
    return values | {
        "description": deployment.description,
        "warnings": deployment.warnings,
        "scoring_script": spec.get("scoring_script", ""),
        "environment_variables": spec.get("environment_variables", {}),
        "request_settings": spec.get("request_settings", {}),
        "resources": spec.get("resources", {}),
        "retry": deployment.retry,
        "rollout_deadline_seconds": deployment.rollout_deadline_seconds,
        "good_revision": deployment.good.number if deployment.good else None,
        "wanted_revision": deployment.wanted.number if deployment.wanted else None,
        "replicas": [_replica(one) for one in deployment.replicas.all()],
        "revisions": [_revision(one) for one in deployment.revisions.all()],
        "timeline": [_change(change) for change in deployment.endpoint.changes.filter(deployment=deployment.name)],
        "yaml": deployment.yaml,
        "set": deployment.overrides,
    }


def called(answer: calling.Answer) -> dict[str, Any]:
    """Return an answer as JSON: the body as text where it is text, else base64."""
    try:
        body, encoded = answer.body.decode(), False
    except UnicodeDecodeError:
        body, encoded = base64.b64encode(answer.body).decode(), True
    return {
        "status": answer.status,
        "headers": answer.headers,
        "body": body,
        "base64": encoded,
        "cut": answer.cut,
        "milliseconds": answer.milliseconds,
        "way": answer.way,
        "note": answer.note,
    }


def _replica(one: Replica) -> dict[str, Any]:
    return {
        "pod": one.pod_name,
        "node": one.node,
        "state": one.state,
        "ready": one.ready,
        "restarts": one.restarts,
        "revision": one.revision,
        "reason": one.reason,
        "created_at": one.created_at,
        "ready_at": one.ready_at,
    }


def _revision(one: Revision) -> dict[str, Any]:
    problem = selectors.problem_of(one)
    return {
        "number": one.number,
        "status": one.status,
        "reason": one.reason,
        "problem": problem.as_dict() if problem else None,
        "evidence": one.evidence,
        "image": one.spec.get("image", ""),
        "model": _model(one.spec),
        "created_at": one.created_at,
        "created_by": one.created_by.username if one.created_by else "",
        "ready_at": one.ready_at,
        "failed_at": one.failed_at,
    }


def _change(change: Change) -> dict[str, Any]:
    return {"deployment": change.deployment, "status": change.status, "at": change.at, "reason": change.reason}


def _model(spec: dict[str, Any]) -> str:
    model = spec.get("model") or {}
    return str(model.get("reference") or model.get("name") or "")


def _url(request: HttpRequest, endpoint: Endpoint) -> str:
    try:
        return request.build_absolute_uri(reverse("endpoints:detail", args=[endpoint.workspace.name, endpoint.name]))
    except NoReverseMatch:
        return ""
