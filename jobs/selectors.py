"""What there is of jobs: lists with filters, one job by name, its timeline, why it failed. Rows only, no calls out."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet
from django.utils import timezone

from jobs.models import FINAL, Job, Output, Process, Status
from studio.accounts.models import Workspace
from studio.core.errors import ProblemError
from studio.core.problems import CATALOGUE
from studio.core.tones import word_of
from studio.tables.distinct import distinct_values

# What a page lists in full; beyond that it says how many more there are.
LISTED_FILES = 2_000
# A state that lasted less is left out of the timeline: nobody waits for it.
SHORTEST_PHASE = 0.05

PHASES = {
    Status.NOT_STARTED: "wait",
    Status.QUEUED: "wait",
    Status.PREPARING: "prepare",
    Status.STARTING: "prepare",
    Status.RUNNING: "run",
    Status.FINALIZING: "finish",
    Status.CANCEL_REQUESTED: "look",
}


def job_for(workspace: Workspace, name: str) -> Job:
    """Return a workspace's job by name; there is nothing when there is none, or when it was deleted."""
    found = jobs_of(workspace).filter(name=name).first()
    if found is None:
        raise ProblemError("not-found")
    return found


def jobs_of(workspace: Workspace) -> QuerySet[Job]:
    """Return the jobs of a workspace that were not deleted."""
    # By the workspace's own manager each job has it without a join, with which SQLite scans and sorts all jobs of a studio.
    found: QuerySet[Job] = workspace.jobs.filter(deleted_at=None)
    # Only its labels are shown: a secret that nobody reads is not decrypted for every row.
    return found.select_related("submitted_by", "compute", "cluster").defer("cluster__credentials")


def experiments_of(workspace: Workspace) -> list[str]:
    """Return the names of the workspace's experiments."""
    return distinct_values(Job.objects.filter(workspace=workspace, deleted_at=None), "experiment")


def seconds_of(job: Job, now: datetime | None = None) -> float:
    """Return how long the command has run, to its end or to now; nothing before its start."""
    if job.started_at is None:
        return 0.0
    end = job.ended_at or now or timezone.now()
    return max((end - job.started_at).total_seconds(), 0.0)


def phases_of(job: Job) -> list[dict[str, Any]]:
    """Return the job's states as phases of a timeline, each with its start and end; the last one may go on."""
    moves = list(job.transitions.order_by("at", "id"))
    phases: list[dict[str, Any]] = []
    for index, move in enumerate(moves):
        if move.status in FINAL:
            break
        end = moves[index + 1].at if index + 1 < len(moves) else None
        if end is not None and (end - move.at).total_seconds() < SHORTEST_PHASE:
            continue
        kind = PHASES.get(Status(move.status), "wait")
        title = word_of(move.status)
        if phases and phases[-1]["title"] == title:
            phases[-1]["end"] = end
            continue
        phases.append({"title": title, "kind": kind, "start": move.at, "end": end, "note": move.reason})
    return phases


def problem_of(job: Job) -> ProblemError | None:
    """Return why the job failed, in the words of the catalogue, or None."""
    if not job.problem_id or job.problem_id not in CATALOGUE:
        return None
    return ProblemError(job.problem_id, **(job.problem_params or {}))


def evidence_of(job: Job) -> str:
    """Return what was seen of each process, for the folded part of a failure."""
    lines = []
    for process in job.processes.all():
        parts = [f"process {process.index}, attempt {process.attempt}: pod {process.pod_name}"]
        if process.node:
            parts.append(f"node {process.node}")
        parts.append(f"phase {process.phase}{' (gone)' if process.gone else ''}")
        if process.exit:
            exit = process.exit
            parts.append(f"exit code {exit.get('code')}, signal {exit.get('signal')}, {exit.get('reason') or 'exited'}")
        lines.append(" · ".join(parts))
        lines += [f"    {told.get('id')}: {told.get('text')}" for told in process.problems]
    return "\n".join(lines)


def processes_of(job: Job) -> list[Process]:
    """Return the processes of a job in order: by index, then by attempt."""
    rows = list(job.processes.order_by("index", "attempt"))
    for row in rows:
        # So that log_path and page texts do not ask for the job again.
        row.job = job
    return rows


def retries_used(processes: Iterable[Process]) -> int:
    """Return how many attempts were made beyond the first of each process."""
    indexes = [process.index for process in processes]
    return len(indexes) - len(set(indexes))


def main_process(processes: Iterable[Process]) -> Process | None:
    """Return the process whose log is shown first: the newest attempt of the first one."""
    first = [process for process in processes if process.index == 0]
    return first[-1] if first else None


def outputs_of(job: Job, most: int = LISTED_FILES) -> list[Output]:
    """Return the files that the job left, those of the plain folders first."""
    rows = Output.objects.filter(job=job).order_by(F("root").asc(), "path")
    found = list(rows[:most])
    return sorted(found, key=lambda one: (one.root != "artifacts", one.root, one.path))


def output_for(job: Job, root: str, path: str) -> Output:
    """Return one file that the job left; there is nothing when there is none."""
    found = Output.objects.filter(job=job, root=root, path=path).first()
    if found is None:
        raise ProblemError("not-found")
    return found
