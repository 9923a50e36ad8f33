"""What the watch of a cluster tells about the objects of jobs, brought to their rows.

Called in a worker's threads, once an object and change; after a new list also with all objects at once, so that what
vanished while nobody watched is noted, too.
"""

from typing import Any

import structlog
from django.utils import timezone

from jobs.following import wanted
from jobs.manifests import names_job
from jobs.models import FINAL, UNFINISHED, Job, Process
from jobs.observe import observe
from jobs.progress import lost_pod, saw_object, saw_pod
from jobs.strays import is_stray
from studio.core.nudge import nudge

log = structlog.get_logger(__name__)


def changed(cluster_id: int, kind: str, change: str, thing: dict[str, Any]) -> None:
    """Note one change (`ADDED`, `MODIFIED`, `DELETED`) of a Pod or Job of ours."""
    job = _job_of(cluster_id, thing)
    if job is None:
        if kind == "Job" and change != "DELETED" and is_stray(cluster_id, thing):
            nudge("jobs.remove_strays", cluster_id)
        return
    if kind == "Pod":
        _pod_changed(job, change, thing)
    elif kind == "Job":
        _object_changed(job, change, thing)


def listed(cluster_id: int, kind: str, namespace: str | None, uids: set[str]) -> None:
    """Note that `uids` are all there are (in a namespace, or in all): rows whose object is missing have lost it."""
    if kind == "Pod":
        rows = Process.objects.filter(job__cluster_id=cluster_id, gone=False, job__status__in=UNFINISHED)
        rows = rows.filter(job__namespace=namespace) if namespace else rows
        # Both may have been made after the list was: a worker asks the cluster itself.
        for id in set(rows.exclude(pod_uid__in=uids).values_list("job_id", flat=True)):
            nudge("jobs.verify", id)
    elif kind == "Job":
        made = Job.objects.filter(cluster_id=cluster_id, status__in=UNFINISHED).exclude(object_uid="")
        made = made.filter(namespace=namespace) if namespace else made
        for id in made.exclude(object_uid__in=uids).values_list("pk", flat=True):
            nudge("jobs.verify", id)


def _pod_changed(job: Job, change: str, pod: dict[str, Any]) -> None:
    uid = str(pod["metadata"]["uid"])
    if change == "DELETED":
        lost_pod(job, uid)
        return
    seen = observe(pod, now=timezone.now())
    process = saw_pod(job, seen)
    if process is None or process.log_final:
        return
    if seen.serving or (job.transport == "push" and seen.preparing):
        wanted(process.pk)
    elif seen.problem and seen.problem.id == "job-preparing-failed":
        nudge("jobs.keep_prepare_log", process.pk)


def _object_changed(job: Job, change: str, thing: dict[str, Any]) -> None:
    uid = str(thing["metadata"]["uid"])
    if job.object_uid and uid != job.object_uid:
        return
    if change == "DELETED":
        saw_object(job, "Gone")
        return
    if job.status in FINAL and not thing["metadata"].get("deletionTimestamp"):
        # Also when it was thought to be clean: a request that was on its way may have arrived after that.
        Job.objects.filter(pk=job.pk).update(cleaned=False)
        nudge("jobs.remove", job.pk, last=True)
    conditions = (thing.get("status") or {}).get("conditions") or []
    held = {c.get("type") for c in conditions if c.get("status") == "True"}
    for state in ("Complete", "Failed"):
        if state in held:
            saw_object(job, state)


def _job_of(cluster_id: int, thing: dict[str, Any]) -> Job | None:
    metadata = thing.get("metadata") or {}
    labels = metadata.get("labels") or {}
    id = str(labels.get("mooring.dev/id", ""))
    if not id.isdecimal():
        return None
    job = Job.objects.select_related("workspace").filter(pk=int(id), cluster_id=cluster_id).first()
    # The same id in another namespace, or under another name, is another studio's job on a shared cluster.
    return job if job and metadata.get("namespace") == job.namespace and names_job(thing, job.name) else None
