"""What there is of endpoints: lists, one by name, where it answers, why it does not. Rows only, no calls out."""

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from compute.router import Router, router_of
from endpoints.models import Deployment, DeploymentStatus, Endpoint, Revision
from studio.accounts.models import Workspace
from studio.assets.registry.models import ModelVersion
from studio.assets.registry.tables import Use
from studio.core.errors import ProblemError
from studio.core.problems import CATALOGUE


def endpoints_of(workspace: Workspace) -> QuerySet[Endpoint]:
    """Return the endpoints of a workspace."""
    return Endpoint.objects.filter(workspace=workspace).select_related("workspace", "compute__cluster", "cluster", "created_by")


def endpoint_for(workspace: Workspace, name: str) -> Endpoint:
    """Return a workspace's endpoint by name; there is nothing when there is none."""
    found = endpoints_of(workspace).filter(name=name).first()
    if found is None:
        raise ProblemError("not-found")
    return found


def deployments_of(endpoint: Endpoint) -> list[Deployment]:
    """Return an endpoint's deployments by name, with their revisions and replicas."""
    rows = endpoint.deployments.select_related("current", "good", "wanted", "created_by").prefetch_related("replicas")
    found = list(rows.order_by("name"))
    for row in found:
        row.endpoint = endpoint
    return found


def deployment_for(endpoint: Endpoint, name: str) -> Deployment:
    """Return an endpoint's deployment by name; there is nothing when there is none."""
    found = next((one for one in deployments_of(endpoint) if one.name == name), None)
    if found is None:
        raise ProblemError("not-found")
    return found


def router_for(endpoint: Endpoint) -> Router:
    """Return the router that answers for an endpoint."""
    if endpoint.compute is None:
        return Router(reason="The compute of this endpoint was detached.", problem_id="endpoint-cluster-detached")
    return router_of(endpoint.compute.cluster)


def scoring_uri(endpoint: Endpoint, router: Router | None = None) -> str:
    """Return the address to call; empty while the router's is not known."""
    base = (router or router_for(endpoint)).base_url
    return f"{base}{endpoint.score_path}" if base else ""


def problem_of(row: Endpoint | Deployment | Revision) -> ProblemError | None:
    """Return why an endpoint, a deployment or a revision is not well, in the words of the catalogue, or None."""
    if not row.problem_id or row.problem_id not in CATALOGUE:
        return None
    return ProblemError(row.problem_id, **(row.problem_params or {}))


def provisioning_state(row: Endpoint | Deployment) -> str:
    """Return the state in the original's words."""
    states = {
        "creating": "Creating",
        "updating": "Updating",
        "rolling-back": "Updating",
        "ready": "Succeeded",
        "degraded": "Succeeded",
        "failed": "Failed",
        "deleting": "Deleting",
    }
    return states[row.status]


def model_users(version: ModelVersion) -> list[Use]:
    """Return the deployments that serve a version, and those that could go back to it."""
    found: dict[int, Use] = {}
    rows = Revision.objects.filter(deployment__endpoint__workspace=version.model.workspace, spec__model__reference=version.reference)
    for revision in rows.select_related("deployment__endpoint__workspace", "deployment__wanted"):
        deployment = revision.deployment
        endpoint = deployment.endpoint
        url = reverse("endpoints:detail", args=[endpoint.workspace.name, endpoint.name])
        status = deployment.status if deployment.wanted_id == revision.pk else f"revision {revision.number}"
        if deployment.pk not in found or deployment.wanted_id == revision.pk:
            found[deployment.pk] = Use("Deployment", f"{endpoint.name}/{deployment.name}", url, status, holds=True)
    return list(found.values())


def log_replica(deployment: Deployment, pod: str = "") -> Any:
    """Return the replica whose log is shown: the one named, else the one that serves, else the newest."""
    rows = list(deployment.replicas.all())
    if pod:
        return next((one for one in rows if one.pod_name == pod), None)
    return next((one for one in rows if one.ready), rows[0] if rows else None)


def settled(deployment: Deployment) -> bool:
    """Tell whether the deployment has come to an end of what was asked for."""
    moving = (DeploymentStatus.CREATING, DeploymentStatus.UPDATING, DeploymentStatus.ROLLING_BACK, DeploymentStatus.DELETING)
    return deployment.status not in moving
