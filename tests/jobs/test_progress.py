"""How a job moves by what was seen of it: only forward, each step once, and over only when all is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs import progress, sweeping
from jobs.keeping import append_log, log_topic
from jobs.models import UNFINISHED, Job, Process
from jobs.observe import SIMULATED, Told
from jobs.selectors import retries_used
from jobs.services import cancel_job
from studio.core.texts import keepable
from tests.conftest import People
from tests.jobs.conftest import START, ended, exited, seen, write_log

pytestmark = pytest.mark.django_db
Make = Callable[..., Job]


@pytest.fixture(autouse=True)
def _quiet(nudges: list[tuple[str, int]]) -> None:
    """Send no worker anywhere."""


def saw(job: Job, stage: str = "running", **how: Any) -> Process:
    """Tell the job of a pod, and return the row of its process."""
    job.refresh_from_db()
    told = seen(stage, **how)
    progress.saw_pod(job, told)
    return Process.objects.select_related("job").get(job=job, pod_uid=told.uid)


def finish(process: Process, exit: dict[str, Any] | None = None, problems: list[dict[str, Any]] | None = None) -> Job:
    """Let the runner say that everything was brought."""
    progress.finished(Process.objects.get(pk=process.pk), exit=exit or exited(), problems=problems or [])
    return Job.objects.get(pk=process.job_id)


def states(job: Job) -> list[str]:
    return [move.status for move in job.transitions.order_by("id")]


def test_a_job_passes_through_its_states_in_order_with_the_clusters_times(make_job: Make) -> None:
    job = make_job("Queued")
    for stage in ("created", "scheduled", "preparing", "starting", "running", "ended"):
        saw(job, stage)
    assert states(job) == ["Queued", "Preparing", "Starting", "Running", "Finalizing"]
    seconds = [(move.at - START).total_seconds() for move in job.transitions.order_by("id")[1:]]
    assert seconds == [2, 10, 15, 25]
    job.refresh_from_db()
    assert job.started_at == START + timedelta(seconds=15)


def test_states_that_nobody_saw_are_walked_through(make_job: Make) -> None:
    job = make_job("Queued")
    saw(job, "running")
    assert states(job) == ["Queued", "Preparing", "Starting", "Running"]


def test_a_late_word_of_an_earlier_stage_takes_nothing_back(make_job: Make) -> None:
    job = make_job("Queued")
    saw(job, "running")
    for stage in ("created", "preparing", "starting", "running"):
        saw(job, stage)
    job.refresh_from_db()
    assert job.status == "Running" and states(job) == ["Queued", "Preparing", "Starting", "Running"]


def test_times_never_go_backwards_even_when_the_clusters_clock_does(make_job: Make) -> None:
    job = make_job("Queued")
    Job.objects.filter(pk=job.pk).update(status_at=START + timedelta(hours=1))
    saw(job, "ended")
    times = list(job.transitions.order_by("id").values_list("at", flat=True))[1:]
    assert times == sorted(times) and times[0] == START + timedelta(hours=1)


def test_a_command_that_ended_well_is_completed_only_when_all_is_kept(make_job: Make) -> None:
    job = make_job("Queued")
    process = saw(job, "ended")
    progress.settle(job.pk)
    assert Job.objects.get(pk=job.pk).status == "Finalizing"
    assert finish(process, exited(log_bytes=5)).status == "Finalizing"
    write_log(process, b"hell")
    assert finish(process, exited(log_bytes=5)).status == "Finalizing"
    write_log(process, b"hello")
    assert finish(process, exited(log_bytes=5)).status == "Completed"


def test_the_clusters_complete_alone_completes_nothing(make_job: Make) -> None:
    job = make_job("Queued")
    saw(job, "ended", phase="Succeeded")
    Process.objects.filter(job=job).update(ended_at=timezone.now())
    progress.saw_object(job, "Complete")
    assert Job.objects.get(pk=job.pk).status == "Finalizing"


def test_a_complete_job_whose_runner_stays_silent_has_failed_after_a_while(make_job: Make) -> None:
    job = make_job("Queued")
    saw(job, "ended", phase="Succeeded")
    progress.saw_object(job, "Complete")
    # However long ago the command ended: the studio may have been away until now.
    assert Job.objects.get(pk=job.pk).status == "Finalizing"
    Job.objects.filter(pk=job.pk).update(object_state_at=timezone.now() - progress.LAST_WORDS - timedelta(seconds=1))
    progress.settle(job.pk)
    job.refresh_from_db()
    assert (job.status, job.problem_id) == ("Failed", "job-outputs-not-stored")


def test_a_job_that_is_complete_before_anything_is_told_of_its_pods_waits_for_that(make_job: Make) -> None:
    job = make_job("Queued", status_at=timezone.now() - timedelta(minutes=5))
    progress.saw_object(job, "Complete")
    assert Job.objects.get(pk=job.pk).status == "Queued"
    late = make_job("Queued", name="late", status_at=timezone.now() - timedelta(minutes=5))
    Job.objects.filter(pk=late.pk).update(object_state="Complete", object_state_at=timezone.now() - timedelta(minutes=5))
    sweeping.sweep()
    assert Job.objects.get(pk=late.pk).status == "Failed"
    assert finish(saw(job, "ended", phase="Succeeded")).status == "Completed"


def test_a_job_of_which_no_container_ran_has_failed_at_once_and_is_not_waited_for(make_job: Make) -> None:
    job = make_job("Queued")
    end = {"name": "job", "state": {"terminated": {"exitCode": 0, "message": SIMULATED, "finishedAt": timezone.now().isoformat()}}}
    saw(job, "ended", phase="Succeeded", message=SIMULATED, containerStatuses=[end])
    job.refresh_from_db()
    assert (job.status, job.problem_id) == ("Failed", "job-simulated")


def test_an_output_that_could_not_be_stored_fails_a_command_that_ended_well(make_job: Make) -> None:
    job = make_job("Queued")
    process = saw(job, "ended")
    told = finish(process, problems=[{"id": "runner-output-store", "text": "No space left on device", "severity": "error"}])
    assert (told.status, told.problem_id) == ("Failed", "job-outputs-not-stored")
    assert "No space left on device" in told.reason


def test_a_warning_of_the_runner_fails_nothing(make_job: Make) -> None:
    process = saw(make_job("Queued"), "ended")
    assert finish(process, problems=[{"id": "x", "text": "a link was left out", "severity": "warning"}]).status == "Completed"


@pytest.mark.parametrize(
    ("exit", "id"),
    [
        (exited(3), "job-exit-code"),
        (exited(137, signal=9), "job-signal"),
        (exited(143, reason="timeout", signal=15), "job-time-limit"),
        (exited(127, reason="could_not_start", error="bash: not found"), "job-command-not-started"),
        (exited(143, reason="terminated"), "job-evicted"),
        (exited(143, reason="terminated", signal=15), "job-evicted"),
    ],
)
def test_each_way_to_end_badly_is_told(make_job: Make, exit: dict[str, Any], id: str) -> None:
    process = saw(make_job("Queued", timeout_seconds=60), "ended", containerStatuses=[ended(exit["code"])])
    told = finish(process, exit)
    assert (told.status, told.problem_id) == ("Failed", id)
    assert "(" not in told.reason or "OOM" in told.reason


def test_a_job_whose_object_was_deleted_says_so_though_its_command_ended_by_the_signal(make_job: Make) -> None:
    job = make_job("Queued", object_uid="u")
    process = saw(job, "ended", containerStatuses=[ended(143)])
    Job.objects.filter(pk=job.pk).update(object_state="Gone")
    assert finish(process, exited(143, reason="terminated", signal=15)).problem_id == "job-object-lost"


def test_running_out_of_memory_is_told_even_when_the_runner_saw_a_mere_signal(make_job: Make) -> None:
    process = saw(make_job("Queued"), "ended", containerStatuses=[ended(137, "OOMKilled")])
    assert finish(process, exited(137, signal=9)).problem_id == "job-out-of-memory"


def test_a_pod_that_vanished_while_it_ran_fails_the_job(make_job: Make) -> None:
    job = make_job("Queued")
    process = saw(job, "running")
    progress.lost_pod(job, process.pod_uid)
    process.refresh_from_db()
    job.refresh_from_db()
    assert (job.status, job.problem_id) == ("Failed", "job-pod-lost")
    assert process.log_final and process.log_tail_lost


def test_a_pod_that_vanished_after_everything_was_kept_hurts_nothing(make_job: Make) -> None:
    job = make_job("Queued")
    process = saw(job, "ended")
    assert finish(process).status == "Completed"
    progress.lost_pod(job, process.pod_uid)
    assert Job.objects.get(pk=job.pk).status == "Completed"


def test_a_pod_that_vanished_before_its_outputs_were_kept_is_no_success(make_job: Make) -> None:
    job = make_job("Queued")
    process = saw(job, "ended")
    progress.lost_pod(job, process.pod_uid)
    assert Job.objects.get(pk=job.pk).problem_id == "job-outputs-not-stored"


def test_a_job_object_that_vanished_before_any_pod_fails_the_job(make_job: Make) -> None:
    job = make_job("Queued", object_uid="uid-1")
    progress.saw_object(job, "Gone")
    assert Job.objects.get(pk=job.pk).problem_id == "job-object-lost"


def test_an_image_that_will_never_be_pulled_fails_the_job_at_once(make_job: Make) -> None:
    job = make_job("Queued")
    waiting = {"name": "job", "image": "nope:1", "state": {"waiting": {"reason": "InvalidImageName", "message": "bad"}}}
    saw(job, "starting", containerStatuses=[waiting])
    job.refresh_from_db()
    assert (job.status, job.problem_id, job.problem_params["image"]) == ("Failed", "job-image-pull", "nope:1")


def test_a_second_attempt_brings_the_job_back_and_may_complete_it(make_job: Make) -> None:
    job = make_job("Queued", retries=1)
    first = saw(job, "ended", containerStatuses=[ended(1)], phase="Failed")
    assert finish(first, exited(1)).status == "Finalizing"
    saw(job, "preparing", uid="pod-b")
    job.refresh_from_db()
    assert job.status == "Preparing" and job.reason.startswith("Attempt 2: ")
    second = saw(job, "ended", uid="pod-b")
    assert (second.attempt, second.index) == (2, 0)
    assert finish(second).status == "Completed" and retries_used(job.processes.all()) == 1
    assert states(job)[-3:] == ["Running", "Finalizing", "Completed"]


def test_a_pod_that_is_put_out_ends_the_job_only_when_no_attempt_is_left(make_job: Make) -> None:
    put_out = [{"type": "DisruptionTarget", "status": "True", "message": "the node is drained"}]
    once, twice = make_job("Queued"), make_job("Queued", retries=1)
    for job in (once, twice):
        saw(job, "preparing", uid=f"pod-{job.pk}", conditions=put_out)
    assert (Job.objects.get(pk=once.pk).status, Job.objects.get(pk=once.pk).problem_id) == ("Failed", "job-evicted")
    assert Job.objects.get(pk=twice.pk).status != "Failed"
    progress.lost_pod(twice, f"pod-{twice.pk}")
    assert finish(saw(twice, "ended", uid="again")).status == "Completed"


def test_the_last_attempt_that_failed_fails_the_job(make_job: Make) -> None:
    job = make_job("Queued", retries=1)
    for uid, code in (("pod-a", 1), ("pod-b", 5)):
        finish(saw(job, "ended", uid=uid, containerStatuses=[ended(code)], phase="Failed"), exited(code))
    job.refresh_from_db()
    assert (job.status, job.problem_params["code"]) == ("Failed", 5)


def test_two_processes_complete_together(make_job: Make) -> None:
    job = make_job("Queued", instance_count=2)
    one, two = saw(job, "ended", uid="a", index=0), saw(job, "ended", uid="b", index=1)
    assert finish(one).status == "Finalizing"
    assert finish(two).status == "Completed"


def test_which_of_two_processes_failed_is_said(make_job: Make) -> None:
    job = make_job("Queued", instance_count=2)
    saw(job, "running", uid="a", index=0)
    told = finish(saw(job, "ended", uid="b", index=1, containerStatuses=[ended(3)]), exited(3))
    assert told.status == "Failed" and told.reason == "The command ended with exit code 3 in process 1."


def test_one_of_two_processes_that_runs_makes_the_job_run(make_job: Make) -> None:
    job = make_job("Queued", instance_count=2)
    saw(job, "running", uid="a", index=0)
    saw(job, "created", uid="b", index=1)
    assert Job.objects.get(pk=job.pk).status == "Running"


def test_one_of_two_processes_that_ended_does_not_end_the_job(make_job: Make) -> None:
    job = make_job("Queued", instance_count=2)
    saw(job, "running", uid="b", index=1)
    finish(saw(job, "ended", uid="a", index=0))
    assert Job.objects.get(pk=job.pk).status in {"Running", "Finalizing"}
    assert finish(saw(job, "ended", uid="b", index=1)).status == "Completed"


def test_everything_told_twice_changes_nothing(make_job: Make) -> None:
    job = make_job("Queued")
    process = saw(job, "ended")
    finish(process)
    job.refresh_from_db()
    before, rows = states(job), Process.objects.count()
    for _ in range(2):
        saw(job, "running")
        saw(job, "ended")
        finish(process)
        progress.saw_object(job, "Complete")
        progress.lost_pod(job, process.pod_uid)
        progress.settle(job.pk)
        assert not progress.fail(job, Told("job-object-lost"))
    assert states(job) == before and Process.objects.count() == rows
    assert Job.objects.get(pk=job.pk).status == "Completed"


def test_the_runners_word_before_the_watchs_gives_the_finer_times(make_job: Make) -> None:
    job = make_job("Queued")
    process = saw(job, "starting")
    assert finish(process, exited()).status == "Completed"
    running = job.transitions.get(status="Running")
    assert running.at == datetime.fromisoformat(exited()["started"])


def test_a_canceled_job_is_over_when_its_pods_are(make_job: Make, people: People) -> None:
    job = make_job("Queued", object_uid="uid-1")
    process = saw(job, "running")
    job.refresh_from_db()
    cancel_job(people.contributor, job)
    progress.settle(job.pk)
    assert Job.objects.get(pk=job.pk).status == "CancelRequested"
    progress.saw_object(job, "Gone")
    assert Job.objects.get(pk=job.pk).status == "CancelRequested"
    progress.lost_pod(job, process.pod_uid)
    job.refresh_from_db()
    assert job.status == "Canceled" and job.ended_at


def test_a_job_that_was_asked_to_end_never_completes_nor_fails(make_job: Make, people: People) -> None:
    job = make_job("Queued", object_uid="uid-1")
    process = saw(job, "running")
    job.refresh_from_db()
    cancel_job(people.contributor, job)
    saw(job, "ended", containerStatuses=[ended(143)])
    assert finish(process, exited(143, reason="terminated")).status == "CancelRequested"
    progress.saw_object(job, "Gone")
    assert Job.objects.get(pk=job.pk).status == "Canceled"


@pytest.mark.parametrize(
    "forged",
    [
        {"started": "2024-01-15T12:00:00", "ended": "2024-01-15T12:00:01"},
        {"started": "0001-01-01T00:00:00+14:00", "ended": "9999-12-31T23:59:59-14:00"},
        {"started": 5, "ended": ["x"]},
        {"started": None, "ended": "soon"},
        {"log_bytes": "many", "code": "zero"},
        {"signal": "\ud800", "reason": {"a": 1}, "code": 9},
    ],
)
def test_an_exit_that_the_command_forged_hurts_nobody_else(make_job: Make, forged: dict[str, Any]) -> None:
    bad, good = make_job("Queued"), make_job("Queued")
    process, other = saw(bad, "running", uid="bad"), saw(good, "ended", uid="good")
    Process.objects.filter(pk=process.pk).update(exit=keepable(exited() | forged), finished=True, log_final=True)
    Process.objects.filter(pk=other.pk).update(exit=exited(), finished=True, log_final=True)
    Job.objects.update(status_at=START)
    sweeping.sweep()
    assert Job.objects.get(pk=good.pk).status == "Completed"


def test_pieces_of_a_log_that_come_after_the_finish_are_waited_for(make_job: Make) -> None:
    process = saw(make_job("Queued"), "ended")
    assert finish(process, exited(log_bytes=5)).status == "Finalizing"
    append_log(process.log_path(), log_topic(process), 0, b"hello")
    assert finish(process, exited(log_bytes=5)).status == "Completed"


def test_a_sweep_goes_on_past_a_job_that_cannot_be_settled(make_job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = make_job("Running"), make_job("Running")
    settled: list[int] = []

    def settle(id: int) -> None:
        if id == bad.pk:
            raise RuntimeError("this row is broken")
        settled.append(id)

    monkeypatch.setattr(sweeping, "settle", settle)
    sweeping.sweep()
    assert settled == [good.pk]


def test_a_sweep_settles_each_job_once_in_whatever_state_its_object_ended(make_job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [make_job(status, object_state="Complete").pk for status in UNFINISHED]
    settled: list[int] = []
    monkeypatch.setattr(sweeping, "settle", settled.append)
    sweeping.sweep()
    assert sorted(settled) == made
