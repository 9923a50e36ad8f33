"""Bring endpoints and deployments into their cluster, look at them there, and take them out again.

Called by tasks, outside of any transaction; each function may run twice or be cut off anywhere: objects are made by
server-side apply under names that come from the rows' ids, so doing it again changes nothing.
"""

import time
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone

from compute import selectors as computes
from compute.extension.selectors import workload_placement
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import Forbidden, KubeError, NotFound
from compute.models import Compute
from compute.network.selectors import pod_network
from endpoints import evidence, manifests, rollout
from endpoints.models import ROLLING, Deployment, DeploymentStatus, Revision
from endpoints.observe import Rollout, observe, rollout_of
from endpoints.surroundings import marked, settings_now
from studio.core.secrets import SecretUnreadable

log = structlog.get_logger(__name__)

# Rounds in which what is wanted changed while it was being applied.
ROUNDS = 5
# How long a Deployment may take to count a pod that is ready, and how often it is asked (seconds).
COUNTED_SECONDS, ASK_SECONDS = 2.0, 0.1


def roll_deployment(deployment_id: int) -> None:
    """Bring the deployment a step further: apply what is wanted, look at it, decide."""
    deployment = _deployment(deployment_id)
    if deployment is None:
        return
    compute = deployment.endpoint.compute
    if deployment.status == DeploymentStatus.DELETING:
        remove_deployment(deployment)
        return
    if compute is None:
        return
    try:
        client = computes.kube_client(compute.cluster)
        seen = _brought(client, compute, deployment)
        if seen is not None:
            _decide(client, deployment, seen)
    except KubeError as error:
        _not_now(deployment, error)
    except KubeconfigRefused as error:
        rollout.wait(deployment, f"Waiting: the cluster's credentials cannot be used ({error})")
    except SecretUnreadable as error:
        rollout.wait(deployment, f"Waiting: {error.text}")


def remove_deployment(deployment: Deployment) -> None:
    """Take a deployment's objects out of the cluster once no route leads to it, and forget it once its pods are gone."""
    endpoint = deployment.endpoint
    if deployment.name in (endpoint.applied.get("deployments") or []):
        rollout.wait(deployment, "Waiting for the router to send no more requests")
        return
    cluster = endpoint.compute.cluster if endpoint.compute else endpoint.cluster
    if endpoint.compute is None or cluster is None:
        deployment.delete()
        endpoint.announce()
        return
    try:
        client = computes.kube_client(cluster)
        for kind in (kinds.DEPLOYMENT, kinds.SERVICE, kinds.SECRET):
            if _is_ours(client.find(kind, deployment.object_name, endpoint.namespace), deployment):
                client.delete(kind, deployment.object_name, endpoint.namespace)
        left = client.list(kinds.POD, endpoint.namespace, labels=dict(manifests.selector(deployment.pk)))
    except (KubeError, KubeconfigRefused) as error:
        rollout.wait(deployment, f"The cluster does not answer: {error}")
        return
    if left:
        rollout.saw_all_pods(deployment, [observe(pod, now=timezone.now()) for pod in left])
        rollout.wait(deployment, f"{len(left)} pods are ending")
        return
    deployment.delete()
    endpoint.announce()


def plan_of(deployment: Deployment, revision: Revision, compute: Compute, *, mark: str) -> manifests.Plan:
    """Return the plan from which a revision's objects are rendered."""
    endpoint = deployment.endpoint
    selector, tolerations = workload_placement(compute.cluster)
    return manifests.Plan(
        id=deployment.pk,
        name=deployment.name,
        endpoint=endpoint.name,
        endpoint_id=endpoint.pk,
        workspace=endpoint.workspace.name,
        compute_id=compute.pk,
        namespace=endpoint.namespace,
        revision=revision.number,
        spec=revision.spec,
        runner_image=settings.RUNNER_IMAGE,
        token=deployment.token,
        studio_url=settings.STUDIO_URL_FOR_PODS,
        studio_ca=settings.STUDIO_CA_FOR_PODS,
        transport=deployment.transport,
        count=count_of(deployment),
        settings=mark,
        rollouts=deployment.rollouts,
        deadline=deployment.rollout_deadline_seconds,
        # The extension's and the instance type's must both match.
        node_selector=selector | (revision.spec.get("node_selector") or {}),
        tolerations=[*tolerations, *(revision.spec.get("tolerations") or [])],
        network=pod_network(compute.cluster),
        allow_root=compute.run_as_root,
        fixed_user=not computes.sets_user_ids(compute),
    )


def _brought(client: KubeClient, compute: Compute, deployment: Deployment) -> Rollout | None:
    """Apply what is wanted if the cluster does not have it yet; return what the Deployment object says."""
    for _ in range(ROUNDS):
        rollout.begin(deployment)
        if deployment.current is None:
            return None
        found = client.find(kinds.DEPLOYMENT, deployment.object_name, deployment.endpoint.namespace)
        if found is not None and not _is_ours(found, deployment):
            text = f"a Deployment named {deployment.object_name} is there already, and is another's"
            rollout.fail(deployment, rollout.refused(deployment, text), {})
            return None
        if found is not None and deployment.applied_generation == deployment.generation:
            return rollout_of(found)
        generation = deployment.generation
        values: dict[str, Any] = {"applied_generation": generation}
        if found is not None and _made_as_wanted(client, deployment):
            made = _resized(client, deployment)
        else:
            parts = settings_now(compute)
            made = _apply(client, plan_of(deployment, deployment.current, compute, mark=marked(parts)))
            values["applied"] = {"revision": deployment.current.number, "rollouts": deployment.rollouts, "settings": parts}
        values["object_uid"] = str(made["metadata"]["uid"])
        Deployment.objects.filter(pk=deployment.pk).update(**values)
        deployment.refresh_from_db()
        if deployment.generation == generation:
            return rollout_of(made)
        if deployment.status == DeploymentStatus.DELETING:
            return None
    return None


def _made_as_wanted(client: KubeClient, deployment: Deployment) -> bool:
    """Tell whether the pods' template may stay as it is: then only their number can differ.

    Rendered again it would take what changed of the cluster's settings, and all pods would be replaced for a change of their number.
    """
    applied, current = deployment.applied, deployment.current
    same = current is not None and applied.get("revision") == current.number and applied.get("rollouts") == deployment.rollouts
    return same and client.find(kinds.SECRET, deployment.object_name, deployment.endpoint.namespace) is not None


def _resized(client: KubeClient, deployment: Deployment) -> dict[str, Any]:
    spec = {"replicas": count_of(deployment), "progressDeadlineSeconds": deployment.rollout_deadline_seconds}
    return client.patch(kinds.DEPLOYMENT, deployment.object_name, {"spec": spec}, deployment.endpoint.namespace)


def count_of(deployment: Deployment) -> int:
    """Return how many pods are to run: what failed and has nothing to go back to is left without; its evidence is kept."""
    return 0 if deployment.status == DeploymentStatus.FAILED else deployment.instance_count


def _apply(client: KubeClient, plan: manifests.Plan) -> dict[str, Any]:
    client.apply(kinds.SECRET, manifests.render_secret(plan), plan.namespace, force=True)
    client.apply(kinds.SERVICE, manifests.render_service(plan), plan.namespace, force=True)
    return client.apply(kinds.DEPLOYMENT, manifests.render_deployment(plan), plan.namespace, force=True)


def _decide(client: KubeClient, deployment: Deployment, seen: Rollout) -> None:
    labels: dict[str, str | None] = dict(manifests.selector(deployment.pk))
    pods = client.list(kinds.POD, deployment.endpoint.namespace, labels=labels)
    listed = [observe(pod, now=timezone.now()) for pod in pods]
    rollout.saw_all_pods(deployment, listed)
    seen = _settled(client, deployment, seen, sum(1 for one in listed if one.ready))
    rollout.saw_object(deployment, seen)
    told = rollout.decide(deployment, seen)
    if told is not None:
        number = deployment.current.number if deployment.current else 0
        rollout.fail(deployment, told, evidence.gather(client, deployment.endpoint.namespace, pods, number))


def _settled(client: KubeClient, deployment: Deployment, seen: Rollout, ready: int) -> Rollout:
    """Ask a moment longer when the pods are ready and their Deployment has not counted them yet."""
    ends = time.monotonic() + COUNTED_SECONDS
    while deployment.status in ROLLING and not seen.done and ready >= deployment.instance_count and time.monotonic() < ends:
        time.sleep(ASK_SECONDS)
        seen = rollout_of(client.get(kinds.DEPLOYMENT, deployment.object_name, deployment.endpoint.namespace))
    return seen


def _not_now(deployment: Deployment, error: KubeError) -> None:
    """Tell a refusal as the rollout's end, and anything that passes as what is waited for."""
    if error.retryable or isinstance(error, Forbidden):
        rollout.wait(deployment, f"Waiting: the cluster answered {error}"[:500])
        return
    if isinstance(error, NotFound):
        rollout.wait(deployment, f"Waiting: the namespace or a kind of object is not there ({error})"[:500])
        return
    log.warning("deployment refused", deployment=str(deployment), error=str(error))
    if deployment.current is not None:
        rollout.fail(deployment, rollout.refused(deployment, str(error)), {})


def _deployment(id: int) -> Deployment | None:
    related = ("endpoint__workspace", "endpoint__compute__cluster", "endpoint__cluster", "wanted", "current", "good")
    return Deployment.objects.select_related(*related).filter(pk=id).first()


def _is_ours(thing: dict[str, Any] | None, deployment: Deployment) -> bool:
    labels = ((thing or {}).get("metadata") or {}).get("labels") or {}
    return bool(
        labels.get("mooring.dev/id") == str(deployment.pk)
        and labels.get("mooring.dev/kind") == "deployment"
        and labels.get("mooring.dev/workspace") == deployment.endpoint.workspace.name
    )
