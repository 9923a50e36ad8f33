"""What there is of jobs: lists with filters, one job by name, its timeline, why it failed. Rows only, no calls out."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.fields.json import KeyTransform
from django.utils import timezone

from jobs.models import FINAL, UNFINISHED, Job, Output, Process, Status
from studio.accounts.models import Workspace
from studio.core.errors import ProblemError
from studio.core.pages import COUNTED_TO
from studio.core.problems import CATALOGUE
from studio.core.tones import word_of

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


@dataclass(frozen=True)
class Filters:
    """What a list of jobs is narrowed to; empty means anything."""

    show: str = "all"
    text: str = ""
    states: Sequence[str] = ()
    experiment: str = ""
    compute: str = ""
    tags: Sequence[str] = field(default=())

    @property
    def narrows(self) -> bool:
        """Tell whether any filter is on."""
        others = (self.text, self.states, self.experiment, self.compute, self.tags)
        return self.show != "all" or any(others)


def job_for(workspace: Workspace, name: str) -> Job:
    """Return a workspace's job by name; there is nothing when there is none, or when it was deleted."""
    found = jobs_of(workspace).filter(name=name).select_related("cluster").first()
    if found is None:
        raise ProblemError("not-found")
    return found


def jobs_of(workspace: Workspace) -> QuerySet[Job]:
    """Return the jobs of a workspace that were not deleted."""
    found = Job.objects.filter(workspace=workspace, deleted_at=None)
    return found.select_related("workspace", "submitted_by", "compute")


def jobs_like(workspace: Workspace, filters: Filters, user: Any) -> QuerySet[Job]:
    """Return the jobs of a workspace that pass the filters."""
    found = jobs_of(workspace).filter(_shown(filters.show, user))
    if filters.states:
        found = found.filter(status__in=filters.states)
    if filters.experiment:
        found = found.filter(experiment=filters.experiment)
    if filters.compute:
        found = found.filter(compute_name=filters.compute)
    for index, tag in enumerate(filters.tags):
        found = _tagged(found, tag, f"tag_{index}")
    if filters.text:
        found = found.filter(_mentions(filters.text))
    return found


def counts(workspace: Workspace, user: Any) -> dict[str, str]:
    """Return how many jobs each of the list's chips shows; counting stops at 1,000."""
    found = {}
    for show in ("all", "mine", "running", "failed"):
        rows = Job.objects.filter(_shown(show, user), workspace=workspace, deleted_at=None)
        count = rows.order_by()[: COUNTED_TO + 1].count()
        found[show] = f"{COUNTED_TO:,}+" if count > COUNTED_TO else f"{count:,}"
    return found


def experiments_of(workspace: Workspace, most: int = 200) -> list[str]:
    """Return the names of the workspace's experiments."""
    rows = Job.objects.filter(workspace=workspace, deleted_at=None).order_by("experiment")
    return list(rows.values_list("experiment", flat=True).distinct()[:most])


def computes_used(workspace: Workspace, most: int = 200) -> list[str]:
    """Return the names of the computes that jobs of the workspace ran on, those long gone included."""
    rows = Job.objects.filter(workspace=workspace, deleted_at=None).order_by("compute_name")
    return list(rows.values_list("compute_name", flat=True).distinct()[:most])


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


def _shown(show: str, user: Any) -> Q:
    if show == "mine":
        return Q(submitted_by=user)
    if show == "running":
        return Q(status__in=UNFINISHED)
    if show == "failed":
        today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        return Q(status=Status.FAILED, status_at__gte=today)
    return Q()


def _tagged(rows: QuerySet[Job], tag: str, alias: str) -> QuerySet[Job]:
    """Narrow to `key` or `key=value` exactly; a key is compared as it is, never read as a lookup."""
    name, equals, value = tag.partition("=")
    if not equals:
        return rows.filter(tags__has_key=name)
    return rows.alias(**{alias: KeyTransform(name, "tags")}).filter(**{alias: value})


def _mentions(text: str) -> Q:
    found = Q()
    for word in text.split()[:8]:
        # SQLite keeps JSON as ASCII: signs beyond it are searched for in their escaped spelling, too.
        escaped = json.dumps(word)[1:-1]
        in_tags = Q(tags__icontains=word) | Q(tags__icontains=escaped)
        found &= Q(name__icontains=word) | Q(display_name__icontains=word) | Q(experiment__icontains=word) | in_tags
    return found
