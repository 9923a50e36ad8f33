"""What a failed rollout leaves behind: how its pods stood, what the cluster said of them, and what they last printed."""

from typing import Any

import structlog
from django.utils import timezone

from compute.kube.client import KubeClient, event_time
from compute.kube.errors import KubeError
from endpoints.manifests import PREPARE, REVISION, SERVER
from jobs.observe import fields, named, state_of
from jobs.texts import shortened

log = structlog.get_logger(__name__)

PODS, EVENTS, LINES, BYTES = 3, 20, 200, 64 * 1024


def gather(client: KubeClient, namespace: str, pods: list[dict[str, Any]], revision: int) -> dict[str, Any]:
    """Return what is kept with a failed revision, of the pods that tell most; what cannot be had is left out."""
    mine = [pod for pod in pods if fields(pod["metadata"].get("labels")).get(REVISION) == str(revision)]
    told = sorted(mine, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""))[:PODS]
    return {"at": timezone.now().isoformat(), "pods": [_pod(client, namespace, pod) for pod in told]}


def _pod(client: KubeClient, namespace: str, pod: dict[str, Any]) -> dict[str, Any]:
    metadata, status = pod["metadata"], fields(pod.get("status"))
    conditions = [
        {
            "type": one.get("type"),
            "status": one.get("status"),
            "reason": one.get("reason"),
            "message": shortened(str(one.get("message") or "")),
        }
        for one in status.get("conditions") or []
        if isinstance(one, dict)
    ]
    container = _telling(status)
    return {
        "name": metadata.get("name"),
        "node": fields(pod.get("spec")).get("nodeName") or "",
        "phase": status.get("phase"),
        "conditions": conditions,
        "events": _events(client, namespace, str(metadata.get("uid") or "")),
        "log": {"container": container, "text": _log(client, namespace, str(metadata.get("name")), container, status)},
    }


def _telling(status: dict[str, Any]) -> str:
    """Return the container whose log says why: the one that brings the files if it has not, else the server."""
    prepare = named(status.get("initContainerStatuses"), PREPARE)
    return SERVER if state_of(prepare, "terminated").get("exitCode") == 0 else PREPARE


def _events(client: KubeClient, namespace: str, uid: str) -> list[dict[str, Any]]:
    try:
        events = client.events_for(namespace, uid)
    except KubeError as error:
        log.info("no events for the evidence", error=str(error))
        return []
    return [
        {
            "at": event_time(event),
            "type": event.get("type"),
            "reason": event.get("reason"),
            "count": event.get("count") or 1,
            "message": shortened(str(event.get("message") or ""), 500),
        }
        for event in events[-EVENTS:]
    ]


def _log(client: KubeClient, namespace: str, pod: str, container: str, status: dict[str, Any]) -> str:
    """Return the last lines of a container: of its end before, when it runs again meanwhile; else what it left."""
    entry = named(status.get("containerStatuses" if container == SERVER else "initContainerStatuses"), container)
    end = fields(fields(entry.get("lastState")).get("terminated"))
    for previous in (True, False) if end and state_of(entry, "running") else (False, True):
        try:
            text = client.logs(namespace, pod, container, tail=LINES, limit_bytes=BYTES, previous=previous).read()
        except KubeError as error:
            log.info("no log for the evidence", pod=pod, error=str(error))
            continue
        # The node answers so when it has removed the log already.
        if text and not text.startswith(b"unable to retrieve container logs"):
            return text.decode("utf-8", "replace")
    return str((end or state_of(entry, "terminated")).get("message") or "")
