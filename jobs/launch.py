"""Bring a job's objects into its cluster, and take them out again.

Called by tasks, outside of any transaction; each function may run twice or be cut off anywhere. The names of the
objects come from the row's id, and a Job is POSTed once: a conflict with an object that carries our id is success,
and once its uid is stored it is never made again.
"""

import contextlib
from typing import Any

import structlog
from django.conf import settings

from compute import selectors as computes
from compute.extension.selectors import workload_placement
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import Conflict, KubeError, Unauthorized
from compute.network.selectors import pod_network
from jobs import manifests
from jobs.explaining import explain
from jobs.models import ACTIVE, FINAL, Job, Process, Status
from jobs.observe import Told
from jobs.progress import fail, lost_pod, saw_object, settle
from jobs.waiting import Wait
from studio.core.errors import ProblemError
from studio.core.secrets import SecretUnreadable
from studio.core.states import move

log = structlog.get_logger(__name__)


def start_job(job_id: int) -> None:
    """Make the job's Secret and Job in its cluster, if that has not been done."""
    job = _job(job_id)
    if job is None:
        return
    fresh = job.status == Status.NOT_STARTED
    if not _claimed(job):
        return
    if job.cluster is None or job.compute is None:
        fail(job, Told("job-cluster-detached"))
        return
    try:
        plan = plan_of(job)
        client = computes.kube_client(job.cluster)
        made = (None if fresh else _made_before(client, job)) or _create(client, kinds.JOB, manifests.render_job(plan), job)
        uid = str(made["metadata"]["uid"])
        # With the Job goes its Secret, whoever deletes it. Its pods wait for it: it comes before they have a node.
        _create(client, kinds.SECRET, manifests.render_secret(plan, owner_uid=uid), job)
        # Only now: without the uid the sweep comes back, and makes what is missing.
        Job.objects.filter(pk=job.pk, object_uid="").update(object_uid=uid)
        status = Job.objects.filter(pk=job.pk).values_list("status", flat=True).first()
        if status is None:
            # Canceled and erased while the request was on its way: no row is left that would ever take it out.
            client.delete(kinds.JOB, manifests.object_name(job_id), job.namespace, propagation="Background", uid=uid)
            client.delete(kinds.SECRET, manifests.object_name(job_id), job.namespace)
            return
    except _GoneError:
        saw_object(job, "Gone")
        return
    except KubeError as error:
        _not_started(job, error)
        return
    except KubeconfigRefused as error:
        explain(job, Wait("credentials", f"Waiting: the cluster's credentials cannot be used ({error})"))
        return
    except SecretUnreadable as error:
        explain(job, Wait("credentials", f"Waiting: {error.text}"))
        return
    except ProblemError as error:
        # Its instance type is gone, or no longer usable.
        fail(job, Told("job-refused-by-cluster", {"text": error.text[:400]}))
        return
    if status == Status.CANCEL_REQUESTED or status in FINAL:
        # Canceled while the request was on its way, and perhaps already cleaned when there was nothing to clean yet.
        Job.objects.filter(pk=job.pk).update(cleaned=False)
        remove_job(job.pk)


def remove_job(job_id: int) -> None:
    """Take a canceled or ended job's objects out of the cluster; its pods get SIGTERM at once and time to drain."""
    job = _job(job_id)
    if job is None or not (job.status == Status.CANCEL_REQUESTED or job.status in FINAL) or job.cleaned:
        return
    if job.cluster is None:
        _removed(job)
        return
    try:
        client = computes.kube_client(job.cluster)
        _delete_objects(client, job)
        absent = _absent_pods(client, job)
    except KubeError as error:
        if not error.retryable:
            log.warning("job could not be removed", job=job.name, error=str(error))
        refused = isinstance(error, Unauthorized)
        explain(job, Wait("credentials", f"The cluster does not accept the studio's credentials: {error}") if refused
                else Wait("cluster", f"The cluster does not answer: {error}"))  # fmt: skip
        return
    except KubeconfigRefused as error:
        explain(job, Wait("credentials", f"Waiting: the cluster's credentials cannot be used ({error})"))
        return
    for uid in absent:
        lost_pod(job, uid)
    _removed(job)


def verify_job(job_id: int) -> None:
    """Ask the cluster whether the job's object and pods are still there, when a list did not have them.

    A list is older than what was told since: two legs of the stream at once, or a pod made in between.
    """
    job = _job(job_id)
    if job is None or job.cluster is None or not job.object_uid or job.status in FINAL:
        return
    try:
        client = computes.kube_client(job.cluster)
        absent = _absent_pods(client, job)
        found = client.find(kinds.JOB, manifests.object_name(job.pk), job.namespace)
    except (KubeError, KubeconfigRefused) as error:
        log.info("job could not be verified", job=job.name, error=str(error))
        return
    for uid in absent:
        lost_pod(job, uid)
    if found is None or found["metadata"]["uid"] != job.object_uid:
        saw_object(job, "Gone")


def plan_of(job: Job) -> manifests.Plan:
    """Return the plan from which the job's objects are rendered: always the same for the same row."""
    compute = job.compute
    assert compute is not None
    spec = computes.instance_type(compute, job.instance_type or None)
    resources = spec.get("resources") or {}
    selector, tolerations = workload_placement(compute.cluster)
    return manifests.Plan(
        id=job.pk,
        name=job.name,
        workspace=job.workspace.name,
        compute_id=compute.pk,
        namespace=job.namespace,
        image=job.image,
        runner_image=settings.RUNNER_IMAGE,
        command=job.command,
        token=job.token,
        studio_url=settings.STUDIO_URL_FOR_PODS,
        studio_ca=settings.STUDIO_CA_FOR_PODS,
        transport=job.transport,
        environment=job.environment_variables,
        code_digest=job.code_digest,
        inputs={name: value["mount"] for name, value in job.inputs.items() if value.get("mount")},
        outputs={name: value["mount"] for name, value in job.outputs.items() if value.get("mount")},
        requests={key: str(value) for key, value in (resources.get("requests") or {}).items()},
        limits={key: str(value) for key, value in (resources.get("limits") or {}).items() if value is not None},
        # Where all workloads of the cluster run, and within it where those of the instance type do.
        node_selector={**selector, **(spec.get("nodeSelector") or {})},
        tolerations=[*(spec.get("tolerations") or []), *tolerations],
        count=job.instance_count,
        retries=job.retries,
        timeout_seconds=job.timeout_seconds,
        shm_size=job.shm_size,
        allow_root=compute.run_as_root,
        network=pod_network(compute.cluster),
        fixed_user=not computes.sets_user_ids(compute),
    )


def _job(job_id: int) -> Job | None:
    job = Job.objects.select_related("workspace", "compute", "cluster").filter(pk=job_id).first()
    if job and job.compute and job.cluster and job.compute.cluster_id == job.cluster.pk:
        # The same row: it is read once.
        job.compute.cluster = job.cluster
    return job


def _claimed(job: Job) -> bool:
    """Tell whether this call should make the job's objects: not when it was canceled, nor when all were made.

    Its pods may be told of before its uid is noted: a start that was cut off in between goes on in any state.
    """
    if job.status == Status.NOT_STARTED:
        return move(job, Status.QUEUED, expect=Status.NOT_STARTED, reason="Handing it to the cluster", waits_for="handing")
    return job.status in ACTIVE and not job.object_uid


def _made_before(client: KubeClient, job: Job) -> dict[str, Any] | None:
    """Return the Job of a start that was cut off after its pods were told of; one that is gone by now is not made again."""
    if not job.processes.exists():
        return None
    found = client.find(kinds.JOB, manifests.object_name(job.pk), job.namespace)
    if found is None or not _is_ours(found, job):
        raise _GoneError
    return found


class _GoneError(Exception):
    """Say that a job's object was made once and is there no more."""


def _create(client: KubeClient, kind: kinds.Kind, manifest: dict[str, Any], job: Job) -> dict[str, Any]:
    try:
        return client.create(kind, manifest, job.namespace)
    except Conflict:
        found = client.get(kind, manifest["metadata"]["name"], job.namespace)
        if not _is_ours(found, job):
            raise
        if kind == kinds.SECRET:
            # Made by a try that was cut off: it must hold what the Job of this one refers to.
            return client.apply(kind, manifest, job.namespace, force=True)
        return found


def _not_started(job: Job, error: KubeError) -> None:
    if error.retryable:
        explain(job, Wait("cluster", f"Waiting: the cluster does not answer ({error})"))
        return
    if isinstance(error, Unauthorized):
        # Not the job is refused, but the studio: an operator replaces its credentials, and the sweep comes back.
        explain(job, Wait("credentials", f"Waiting: the cluster does not accept the studio's credentials ({error})"))
        return
    log.warning("job refused", job=job.name, error=str(error))
    fail(job, Told("job-refused-by-cluster", {"text": str(error)[:400]}))


def _delete_objects(client: KubeClient, job: Job) -> None:
    """Delete the Job, with which its Secret goes, then its pods at once (the garbage collector would take a second)."""
    name = manifests.object_name(job.pk)
    found = False
    try:
        uid = job.object_uid or _uid_of_ours(client, kinds.JOB, job)
        found = bool(uid) and client.delete(kinds.JOB, name, job.namespace, propagation="Background", uid=uid)
    except Conflict:
        # Another object of this name: not ours to delete.
        log.info("job object was replaced", job=job.name)
    if job.status == Status.CANCEL_REQUESTED:
        for process in Process.objects.filter(job=job, gone=False):
            with contextlib.suppress(Conflict):
                client.delete(kinds.POD, process.pod_name, job.namespace, uid=process.pod_uid)
    # Whoever deleted the Job before us may have left what hung on it.
    secret = _uid_of_ours(client, kinds.SECRET, job) if job.status in FINAL and not found else ""
    if secret:
        with contextlib.suppress(Conflict):
            client.delete(kinds.SECRET, name, job.namespace, uid=secret)


def _uid_of_ours(client: KubeClient, kind: kinds.Kind, job: Job) -> str:
    """Return the uid of the job's object, if there is one and it is this job's."""
    found = client.find(kind, manifests.object_name(job.pk), job.namespace)
    return str(found["metadata"]["uid"]) if found and _is_ours(found, job) else ""


def _is_ours(thing: dict[str, Any], job: Job) -> bool:
    labels = thing["metadata"].get("labels") or {}
    same = labels.get("mooring.dev/id") == str(job.pk) and labels.get("mooring.dev/workspace") == job.workspace.name
    return bool(same and manifests.names_job(thing, job.name))


def _absent_pods(client: KubeClient, job: Job) -> list[str]:
    """Return which known pods are gone; those that still drain are followed until they are."""
    # Read before the cluster is asked: a pod that is told of meanwhile is missing from an answer that is older than it.
    known = list(Process.objects.filter(job=job, gone=False).values_list("pod_uid", flat=True))
    if not known:
        return []
    pods = client.list(kinds.POD, job.namespace, labels={"mooring.dev/kind": "job", "mooring.dev/id": str(job.pk)})
    present = {pod["metadata"]["uid"] for pod in pods}
    return [uid for uid in known if uid not in present]


def _removed(job: Job) -> None:
    if job.status in FINAL:
        Job.objects.filter(pk=job.pk).update(cleaned=True, object_state="Gone")
    else:
        saw_object(job, "Gone")
        settle(job.pk)
