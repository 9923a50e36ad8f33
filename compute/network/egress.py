"""Try addresses from a pod of the cluster, as a job's command would ask for them: through its proxy, with its authorities.

Called by a task, outside of any transaction. The row says who has it and until when; the names of what is made in the
cluster come from the row's id, so whoever takes it up again finds and removes what a killed worker left.
"""

import base64
import time
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from compute import manifests, probing
from compute.connections import kube_client
from compute.kube import kinds, names
from compute.kube.client import KubeClient
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import KubeError
from compute.models import StudioIdentity
from compute.network import pods
from compute.network.models import CheckStatus, EgressCheck
from compute.network.selectors import pod_network
from compute.problems import told
from studio.core.errors import ProblemError
from studio.core.states import move
from studio.core.texts import read_json

log = structlog.get_logger(__name__)

# Pulling the image on a fresh node counts in; asking itself takes seconds.
POD_SECONDS = 120.0
TAKEN = timedelta(seconds=POD_SECONDS + 30)
STEP_SECONDS = 0.3
KEPT = 20
OPEN = (CheckStatus.WAITING, CheckStatus.RUNNING)
WORDS = ("via", "status", "ms", "kind", "error")
HOPELESS = ("ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff", "CreateContainerConfigError")


def try_egress(check_id: int) -> None:
    """Make the check that a row asks for, and leave nothing of it in the cluster."""
    now = timezone.now()
    free = Q(taken_until=None) | Q(taken_until__lt=now)
    if not EgressCheck.objects.filter(free, pk=check_id, cleaned=False).update(taken_until=now + TAKEN):
        return
    row = EgressCheck.objects.select_related("cluster").get(pk=check_id)
    try:
        client = kube_client(row.cluster)
        if row.status in OPEN:
            move(row, CheckStatus.RUNNING, expect=CheckStatus.WAITING)
            _end(row, _answers(client, row))
        _clean(client, row)
    except ProblemError as problem:
        _fail(row, problem)
        _clean(client, row)
    except (KubeError, KubeconfigRefused) as error:
        # Where the cluster does not answer now, what is left there is cleaned by the sweep.
        _fail(row, told(error))
        if isinstance(error, KubeError) and not error.retryable:
            _clean(client, row)
            return
        EgressCheck.objects.filter(pk=row.pk).update(taken_until=now + timedelta(seconds=60))


def prune(cluster_id: int) -> None:
    """Forget all but the last checks of a cluster."""
    kept = EgressCheck.objects.filter(cluster_id=cluster_id).values_list("pk", flat=True)[:KEPT]
    EgressCheck.objects.filter(cluster_id=cluster_id, cleaned=True).exclude(pk__in=list(kept)).delete()


def _answers(client: KubeClient, row: EgressCheck) -> list[dict[str, Any]]:
    if not settings.RUNNER_IMAGE:
        raise ProblemError("runner-image-unknown")
    findings = probing.system_namespace(client)
    if findings:
        raise ProblemError("egress-check-failed", text=findings[0]["text"])
    name, place = _name(row), manifests.SYSTEM_NAMESPACE
    _remove(client, row)
    network = pod_network(row.cluster)
    data = pods.secret_data(network)
    if data:
        client.apply(kinds.SECRET, _secret(row, data), place, force=True)
    pod = manifests.egress_probe(
        name,
        place,
        settings.RUNNER_IMAGE,
        row.addresses,
        pods.variables(network, name),
        fixed_user=row.cluster.distribution != "OpenShift",
    )
    pod["spec"]["containers"][0]["volumeMounts"] = pods.mounts(network)
    pod["spec"]["volumes"] = pods.volumes(network, name)
    client.create(kinds.POD, pod, place)
    message = _said(client, name)
    try:
        answers = read_json(message)["answers"]
        return [{"url": url} | {word: answer.get(word) for word in WORDS} for url, answer in zip(row.addresses, answers, strict=True)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        text = f"The pod said: {message[:200]}" if message else "The pod ended without an answer; its image may be older than this studio."
        raise ProblemError("egress-check-failed", text=text) from error


def _said(client: KubeClient, name: str) -> str:
    """Return what the probe pod left when it ended; raises `egress-check-failed` when it does not get there."""
    deadline = time.monotonic() + POD_SECONDS
    why = ""
    while time.monotonic() < deadline:
        status = client.get(kinds.POD, name, manifests.SYSTEM_NAMESPACE).get("status") or {}
        for each in status.get("containerStatuses") or []:
            state = each.get("state") or {}
            if state.get("terminated"):
                return str(state["terminated"].get("message") or "")
            waiting = state.get("waiting") or {}
            if waiting.get("reason") in HOPELESS:
                raise ProblemError("egress-check-failed", text=f"{waiting['reason']}: {waiting.get('message', '')}"[:300])
        said = [str(one["message"]) for one in status.get("conditions") or [] if one.get("status") == "False" and one.get("message")]
        why = said[0] if said else why
        time.sleep(STEP_SECONDS)
    raise ProblemError("egress-check-failed", text=(why or f"The pod did not end within {POD_SECONDS:.0f} s.")[:300])


def _end(row: EgressCheck, results: list[dict[str, Any]]) -> None:
    failed = sum(1 for each in results if each.get("kind") != "answered")
    reason = f"{failed} of {len(results)} did not answer" if failed else ""
    move(row, CheckStatus.DONE, expect=OPEN, reason=reason, results=results, ended_at=timezone.now())


def _fail(row: EgressCheck, problem: ProblemError) -> None:
    move(row, CheckStatus.FAILED, expect=OPEN, reason=problem.text[:500], problem_id=problem.problem.id, ended_at=timezone.now())


def _clean(client: KubeClient, row: EgressCheck) -> None:
    try:
        _remove(client, row)
    except KubeError as error:
        log.info("egress check not cleaned", check=row.pk, error=str(error))
        if error.retryable:
            return
        # Whoever may not delete here may not create here either: there is nothing to come back for.
    EgressCheck.objects.filter(pk=row.pk).exclude(status__in=OPEN).update(cleaned=True, taken_until=None)
    prune(row.cluster_id)


def _remove(client: KubeClient, row: EgressCheck) -> None:
    name, place = _name(row), manifests.SYSTEM_NAMESPACE
    client.delete(kinds.POD, name, place, grace=0)
    client.delete(kinds.SECRET, name, place)
    deadline = time.monotonic() + 20
    while client.find(kinds.POD, name, place) is not None and time.monotonic() < deadline:
        time.sleep(STEP_SECONDS)


def _secret(row: EgressCheck, data: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _name(row), "namespace": manifests.SYSTEM_NAMESPACE, "labels": names.standard_labels("probe", _name(row))},
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


def _name(row: EgressCheck) -> str:
    return manifests.probe_name("egress", row.pk, StudioIdentity.get())
