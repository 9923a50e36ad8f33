"""What the watch of a cluster tells about the pods of deployments, brought to their rows.

Called in a worker's threads, once a pod and change; after a new list also with all pods at once, so that what vanished
while nobody watched is noted, too.
"""

from typing import Any

from django.utils import timezone

from endpoints.models import Deployment, Replica
from endpoints.observe import observe
from endpoints.rollout import lost_pod, saw_pod
from studio.core.nudge import nudge


def changed(cluster_id: int, kind: str, change: str, thing: dict[str, Any]) -> None:
    """Note one change (`ADDED`, `MODIFIED`, `DELETED`) of a pod of ours."""
    deployment = _deployment_of(cluster_id, thing) if kind == "Pod" else None
    if deployment is None:
        return
    if change == "DELETED":
        lost_pod(deployment, str(thing["metadata"]["uid"]))
        return
    seen = observe(thing, now=timezone.now())
    saw_pod(deployment, seen)
    if seen.preparing and deployment.transport == "push":
        replica = Replica.objects.filter(deployment=deployment, pod_uid=seen.uid).first()
        if replica is not None:
            nudge("endpoints.feed", replica.pk)


def listed(cluster_id: int, kind: str, namespace: str | None, uids: set[str]) -> None:
    """Note that `uids` are all there are (in a namespace, or in all): rows whose pod is missing have lost it."""
    if kind != "Pod":
        return
    rows = Replica.objects.filter(deployment__endpoint__compute__cluster_id=cluster_id)
    rows = rows.filter(deployment__endpoint__namespace=namespace) if namespace else rows
    for replica in rows.exclude(pod_uid__in=uids).select_related("deployment__endpoint__workspace"):
        # It may have been made after the list was: a worker asks the cluster itself.
        nudge("endpoints.roll", replica.deployment_id)


def _deployment_of(cluster_id: int, thing: dict[str, Any]) -> Deployment | None:
    metadata = thing.get("metadata") or {}
    id = str((metadata.get("labels") or {}).get("mooring.dev/id", ""))
    if not id.isdecimal():
        return None
    rows = Deployment.objects.select_related("endpoint__workspace", "endpoint__compute")
    found = rows.filter(pk=int(id), endpoint__compute__cluster_id=cluster_id).first()
    # The same id in another namespace is another studio's deployment on a shared cluster.
    return found if found and metadata.get("namespace") == found.endpoint.namespace else None
