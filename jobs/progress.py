"""Move a job forward by what was seen of it: its pods, its Job object, and what its runner sent.

Everything here may be called twice, late, or by two processes at once: each step is a compare-and-set, and the
decision (`settle`) is made from the rows alone. Nothing here calls the cluster.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from jobs.keeping import log_is_whole
from jobs.models import ACTIVE, FINAL, UNFINISHED, Job, Process, Status
from jobs.observe import Seen, Told
from studio.core.errors import ProblemError
from studio.core.nudge import nudge
from studio.core.states import move, reread
from studio.core.texts import keepable

log = structlog.get_logger(__name__)

# After the studio knows that all is over in the cluster, how long the last of the log and the outputs, and what the pods said of their
# ends, may take to be noted here. The studio itself, or the API server, may have been away until then.
LAST_WORDS = timedelta(seconds=30)
# A pod with one of these ends by itself, and where attempts are left another follows.
PASSING = frozenset({"job-evicted", "job-preparing-failed"})


def saw_pod(job: Job, seen: Seen) -> Process | None:
    """Note what one pod says, and move the job as far as that goes; return its process, as it was before, while it is there."""
    process = _process(job, seen)
    if process is None or process.gone:
        return None
    changes: dict[str, Any] = {}
    facts = {
        "node": seen.node or process.node,
        "phase": seen.phase,
        "started_at": seen.times.get("Running") or process.started_at,
        "ended_at": seen.times.get("Finalizing") or process.ended_at,
        "problem": {"id": seen.problem.id, "params": seen.problem.params} if seen.problem else process.problem,
    }
    changes = {name: value for name, value in facts.items() if getattr(process, name) != value}
    if seen.exit_code is not None:
        # The sidecar's own account has more in it: it replaces this one, and is never replaced by it.
        told = {"code": seen.exit_code, "signal": None, "reason": "exited", "seen_by": "kubelet"}
        Process.objects.filter(pk=process.pk, exit__isnull=True).update(exit=told)
    if changes:
        Process.objects.filter(pk=process.pk).update(**changes)
    _advance(job, seen)
    if seen.hopeless and not seen.ended and seen.problem and not (job.retries and seen.problem.id in PASSING):
        fail(job, seen.problem)
    if seen.ended or seen.pod_over:
        settle(job.pk)
    return process


def lost_pod(job: Job, uid: str) -> None:
    """Note that a pod is no longer in the cluster."""
    process = Process.objects.filter(job=job, pod_uid=uid, gone=False).first()
    if process is None:
        return
    values = {"gone": True}
    if not process.log_final:
        values |= {"log_final": True, "log_tail_lost": not log_is_whole(process)}
    Process.objects.filter(pk=process.pk, log_final=process.log_final).update(**values)
    # The end of its log was noted at this very moment: that stands.
    Process.objects.filter(pk=process.pk).update(gone=True)
    settle(job.pk)


def lost_cluster(job: Job) -> None:
    """End a job whose cluster was let go: nobody sees its pods any more."""
    settle(job.pk)
    Process.objects.filter(job=job, gone=False).update(gone=True, log_final=True)
    if job.status in ACTIVE:
        fail(job, Told("job-cluster-detached"))
    else:
        saw_object(job, "Gone")


def usable_exit(exit: Any) -> dict[str, Any] | None:
    """Return how a command ended if it can be that: the command itself may have written it."""
    return keepable(exit) if isinstance(exit, dict) and isinstance(exit.get("code"), int) else None


def saw_object(job: Job, state: str) -> None:
    """Note what the Job object says: Complete, Failed or Gone."""
    if job.object_state != state:
        Job.objects.filter(pk=job.pk).update(object_state=state, object_state_at=timezone.now())
    settle(job.pk)


def finished(process: Process, *, exit: dict[str, Any] | None, problems: list[dict[str, Any]]) -> None:
    """Note that the runner has brought everything that a process left."""
    values: dict[str, Any] = {"finished": True, "problems": problems}
    if usable := usable_exit(exit):
        values["exit"] = process.exit = usable
    if log_is_whole(process):
        values["log_final"] = True
    Process.objects.filter(pk=process.pk).update(**values)
    settle(process.job_id)


def fail(job: Job, told: Told, *, at: datetime | None = None) -> bool:
    """End the job as failed for this problem, and take its objects out of the cluster."""
    done = move(
        job,
        Status.FAILED,
        expect=ACTIVE,
        reason=_sentence(told)[:500],
        at=at,
        problem_id=told.id,
        problem_params=told.params,
        ended_at=timezone.now(),
    )
    if done:
        nudge("jobs.remove", job.pk, last=True)
    return done


def settle(job_id: int) -> None:
    """Decide from the rows whether the job is over, and how it ended."""
    job = Job.objects.select_related("workspace").filter(pk=job_id).first()
    if job is None or job.status in FINAL:
        return
    processes = list(job.processes.order_by("index", "attempt"))
    if job.status == Status.CANCEL_REQUESTED:
        _settle_canceled(job, processes)
        return
    latest = {process.index: process for process in processes}
    _finalizing(job, latest)
    if len(latest) == job.instance_count and all(_good(process) for process in latest.values()):
        _complete(job, processes)
    elif any(process.ended_at or process.gone for process in latest.values()) or job.object_state:
        _settle_failed(job, processes, latest)


def _finalizing(job: Job, latest: dict[int, Process]) -> None:
    """Note that the commands have ended when the runner said so before the watch did, with the runner's finer times."""
    ends = [_exit_time(process, "ended") for process in latest.values()]
    if len(latest) < job.instance_count or None in ends:
        return
    starts = [at for process in latest.values() if (at := _exit_time(process, "started"))]
    if starts and job.status in ACTIVE[: ACTIVE.index("Running")]:
        started = max(min(starts), job.status_at)
        move(job, "Running", expect=ACTIVE[: ACTIVE.index("Running")], at=started, started_at=job.started_at or started)
    at = max(end for end in ends if end)
    reason = "Keeping the log and the outputs"
    move(job, "Finalizing", expect=ACTIVE[: ACTIVE.index("Finalizing")], at=max(at, job.status_at), reason=reason)


def _exit_time(process: Process, name: str) -> datetime | None:
    """Return one time of a process's end, as far as it can be one: the command itself may have written the file."""
    text = (process.exit or {}).get(name)
    try:
        at = datetime.fromisoformat(text) if text else None
        # A node whose clock is ahead must not end what has not begun.
        return min(at.astimezone(UTC), timezone.now()) if at and at.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None


def _settle_canceled(job: Job, processes: list[Process]) -> None:
    if job.object_state != "Gone" and job.object_uid:
        return
    if all(process.gone or (process.finished and process.log_final) for process in processes) and move(
        job, Status.CANCELED, expect=Status.CANCEL_REQUESTED, ended_at=timezone.now()
    ):
        nudge("jobs.remove", job.pk, last=True)


def _complete(job: Job, processes: list[Process]) -> None:
    ended = max((process.ended_at for process in processes if process.ended_at), default=timezone.now())
    if move(job, Status.COMPLETED, expect=ACTIVE, ended_at=max(ended, job.started_at or ended)):
        nudge("jobs.remove", job.pk, last=True)


def _settle_failed(job: Job, processes: list[Process], latest: dict[int, Process]) -> None:
    """End the job as failed once no further attempt will come and everything that can be kept is kept."""
    bad = [process for process in processes if _why_bad(process)]
    used_up = len(bad) > job.retries
    if job.object_state == "Gone" and not bad:
        if all(process.gone for process in processes):
            fail(job, Told("job-object-lost"))
        return
    if not (bad and (used_up or job.object_state in {"Failed", "Complete", "Gone"})):
        _settle_silent(job, latest)
        return
    drained = all(process.gone or (process.finished and process.log_final) or _is_simulated(process) for process in bad)
    over = job.object_state in {"Failed", "Complete"} and _patience_over(job)
    if drained or over:
        worst = bad[-1]
        problem = _why_bad(worst)
        assert problem is not None
        fail(job, _placed(problem, worst, job))


def _settle_silent(job: Job, latest: dict[int, Process]) -> None:
    """End a job of which the cluster says that it is complete, but whose runner never said so."""
    if job.object_state != "Complete" or not _patience_over(job):
        return
    silent = next((process for process in latest.values() if not _good(process)), None)
    text = "the runner never said that everything was stored."
    code = silent.exit_code if silent else "unknown"
    fail(job, Told("job-outputs-not-stored", {"code": code, "text": text}))


def _patience_over(job: Job) -> bool:
    known = job.object_state_at or max((p.ended_at for p in job.processes.all() if p.ended_at), default=None)
    return known is None or timezone.now() - known > LAST_WORDS


def _good(process: Process) -> bool:
    """Tell whether a process ended well: exit 0, its outputs acknowledged, its log whole."""
    return (
        process.exit is not None
        and process.exit.get("code") == 0
        and process.exit.get("reason", "exited") == "exited"
        and process.finished
        and process.log_final
        and not process.log_tail_lost
        and not _errors(process)
    )


def _why_bad(process: Process) -> Told | None:
    """Return why a process did not end well, or None while it has not ended, or ended well."""
    found = process.problem or {}
    if found.get("id") in {"job-out-of-memory", "job-evicted", "job-preparing-failed", "job-container-not-started", "job-simulated"}:
        return Told(found["id"], found.get("params") or {})
    exit = process.exit
    if exit is None:
        return Told("job-pod-lost", {"node": process.node or "unknown"}) if process.gone else None
    if exit.get("reason") == "timeout":
        return Told("job-time-limit", {"limit": _duration(process.job.timeout_seconds)})
    if exit.get("reason") == "could_not_start":
        return Told("job-command-not-started", {"text": exit.get("error") or "the command could not be started"})
    if exit.get("reason") == "terminated":
        # The signal by which the command then ended says nothing of why. Whoever deletes the Job takes its pods along.
        gone = process.job.object_state == "Gone"
        return Told("job-object-lost") if gone else Told("job-evicted", {"text": "the pod was told to end before the command had."})
    if exit.get("signal"):
        return Told("job-signal", {"signal": exit["signal"], "where": ""})
    if exit.get("code") != 0:
        return Told("job-exit-code", {"code": exit.get("code"), "where": ""})
    if _errors(process):
        text = "; ".join(str(error.get("text")) for error in _errors(process))[:400]
        return Told("job-outputs-not-stored", {"code": 0, "text": text})
    if process.gone and not process.finished:
        text = "the pod went away before everything was stored."
        return Told("job-outputs-not-stored", {"code": 0, "text": text})
    return Told("job-log-cut") if process.log_tail_lost else None


def _is_simulated(process: Process) -> bool:
    """Tell whether no container ran, so that neither a log nor outputs will come."""
    return (process.problem or {}).get("id") == "job-simulated"


def _errors(process: Process) -> list[dict[str, Any]]:
    return [problem for problem in process.problems if problem.get("severity", "error") == "error"]


def _placed(told: Told, process: Process, job: Job) -> Told:
    """Say in which of several processes it happened."""
    where = f" in process {process.index}" if job.instance_count > 1 else ""
    return Told(told.id, {**told.params, "where": where}) if "where" in told.params else told


def _process(job: Job, seen: Seen) -> Process | None:
    if not seen.uid:
        return None
    # Mostly it is there: looking takes no lock.
    if known := Process.objects.filter(job=job, pod_uid=seen.uid).first():
        return known
    try:
        with transaction.atomic():
            earlier = Process.objects.filter(job=job, index=seen.index).count()
            made = Process.objects.create(job=job, pod_uid=seen.uid, index=seen.index, attempt=earlier + 1, pod_name=seen.name)
    except IntegrityError:
        # Another leg was quicker.
        return Process.objects.filter(job=job, pod_uid=seen.uid).first()
    _touch(job)
    return made


def _advance(job: Job, seen: Seen) -> None:
    """Walk the job through the states up to the one seen, each with the time at which it was entered."""
    if job.status not in ACTIVE:
        return
    current, target = ACTIVE.index(job.status), ACTIVE.index(seen.status)
    again = seen.status in {"Queued", "Preparing"} and job.status in {"Running", "Finalizing"} and job.retries
    if again and (attempt := _newest_attempt(job, seen)) > 1:
        reason = f"Attempt {attempt}: {seen.reason or 'trying again'}"[:500]
        move(job, seen.status, expect=job.status, reason=reason, waits_for=seen.waits_for)
        return
    last = job.status_at
    for state in ACTIVE[current + 1 : target + 1]:
        at = max(seen.times.get(state) or last, last)
        reason = seen.reason if state == seen.status else ""
        extra: dict[str, Any] = {"started_at": job.started_at or seen.times.get("Running") or at} if state == "Running" else {}
        extra["waits_for"] = seen.waits_for if state == seen.status else ""
        if not move(job, state, expect=ACTIVE[: ACTIVE.index(state)], reason=reason, at=at, **extra):
            reread(job)
            return
        last = at
    if target == ACTIVE.index(job.status) and (seen.reason, seen.waits_for) != (job.reason, job.waits_for):
        said = {"reason": seen.reason, "waits_for": seen.waits_for}
        updated = Job.objects.filter(pk=job.pk, status=job.status).update(**said, version=F("version") + 1)
        if updated:
            reread(job)
            job.announce()


def _newest_attempt(job: Job, seen: Seen) -> int:
    """Return which attempt a pod is if none of its process came after it, else 0."""
    newest = Process.objects.filter(job=job, index=seen.index).order_by("-attempt").first()
    return newest.attempt if newest is not None and newest.pod_uid == seen.uid else 0


def _touch(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(version=F("version") + 1)
    job.announce()


def _sentence(told: Told) -> str:
    return ProblemError(told.id, **told.params).text


def _duration(seconds: int | None) -> str:
    if not seconds:
        return "no time"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} m {rest} s" if minutes else f"{rest} s"


def unfinished_on(compute_id: int) -> int:
    """Return how many jobs of a compute are not over."""
    return Job.objects.filter(compute_id=compute_id, status__in=UNFINISHED).count()
