"""Tie jobs to what lies below them: who may watch them, and what the watch of a cluster says of their pods."""

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from django.db.models import Count, Q

from compute.models import Cluster, Compute
from compute.services import WORKLOADS, Workloads
from compute.watching import OBSERVERS, SCOPES, SNAPSHOTS
from jobs import registering
from jobs.models import FINAL, LOG_FILES, UNFINISHED, Job, Output, Process
from jobs.observing import changed, listed
from jobs.runner_api import BODIES
from jobs.services import cancel_job
from studio.accounts.access import workspace_for
from studio.assets.collecting import HOLDERS, digests_in
from studio.assets.registry.tables import ORIGINS, READERS, SOURCES, USERS
from studio.core.bodies import register_bodies
from studio.core.errors import ProblemError
from studio.live.topics import register_topic


def connect() -> None:
    """Register the topics of jobs and logs, the observer of their objects, and what models know of jobs."""
    register_topic("jobs", _workspace)
    register_topic("job", _job)
    register_topic("log", _log, is_log=True)
    OBSERVERS["job"] = changed
    SNAPSHOTS["job"] = listed
    SOURCES["jobs"] = registering.found_at
    READERS["yaml"] = registering.read_yaml
    ORIGINS["job"] = registering.origin
    USERS["jobs"] = registering.readers
    SCOPES["jobs"] = _followed_in
    HOLDERS["jobs"] = _held
    for what, largest in BODIES.items():
        register_bodies(rf"^/runner/v1/jobs/[^/]+/{what}", largest)
    WORKLOADS["jobs"] = Workloads(
        _running_on, _on_detach, running_in=_running_in, left_in=_left_in, on_cluster_detach=_on_cluster_detach
    )


def _followed_in(cluster_id: int) -> set[str]:
    """Return where jobs of a cluster run, or have objects to be taken out: a compute may have been let go under them."""
    jobs = Job.objects.filter(Q(status__in=UNFINISHED) | Q(status__in=FINAL, cleaned=False), cluster_id=cluster_id)
    return set(jobs.order_by().values_list("namespace", flat=True).distinct())


def _held() -> Iterator[str]:
    """Yield the digests that jobs refer to: their code, what they read, and what they left."""
    yield from Output.objects.values_list("digest", flat=True).iterator()
    yield from digests_in(Job.objects.values_list("code_digest", "inputs").iterator())


def _running_on(computes: Collection[int]) -> dict[int, int]:
    rows = Job.objects.filter(compute__in=computes, status__in=UNFINISHED).order_by()
    return dict(rows.values_list("compute").annotate(Count("pk")))


def _on_detach(compute: Compute, running: str) -> None:
    """Cancel what runs on a compute that goes; with `leave` it ends by itself, and is followed to its end."""
    if running != "cancel":
        return
    for job in Job.objects.select_related("workspace").filter(compute=compute, status__in=UNFINISHED):
        # One that ends at this very moment needs no canceling.
        with contextlib.suppress(ProblemError):
            cancel_job(None, job)


def _running_in(cluster_id: int) -> int:
    return Job.objects.filter(cluster_id=cluster_id, compute=None, status__in=UNFINISHED).count()


def _left_in(cluster_id: int) -> int:
    return Job.objects.filter(cluster_id=cluster_id, status__in=FINAL, cleaned=False).count()


def _on_cluster_detach(cluster: Cluster) -> None:
    """Cancel what was left running when its compute was detached: nobody could follow it to its end."""
    for job in Job.objects.select_related("workspace").filter(cluster=cluster, compute=None, status__in=UNFINISHED):
        with contextlib.suppress(ProblemError):
            cancel_job(None, job)


def _workspace(user: Any, key: str) -> None:
    workspace_for(user, key)


def _job(user: Any, key: str) -> None:
    job = Job.objects.select_related("workspace").filter(name=key).first()
    workspace_for(user, job.workspace.name if job else "")


def _log(user: Any, key: str) -> Path:
    """Allow `log:<process id>.<file without .txt>`; the file is the truth that frames are offsets of."""
    id, _, stem = key.partition(".")
    process = Process.objects.select_related("job__workspace").filter(pk=id).first() if id.isdecimal() else None
    workspace_for(user, process.job.workspace.name if process else "")
    if process is None or f"{stem}.txt" not in LOG_FILES:
        raise ProblemError("not-found")
    return process.log_path(f"{stem}.txt")
