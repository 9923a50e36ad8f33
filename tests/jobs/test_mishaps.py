"""What must hold when things happen at once, out of turn, or by somebody's ill will."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.utils import timezone

from compute.kube.errors import Unreachable
from compute.models import Compute, InstanceType
from compute.services import WORKLOADS
from jobs import following, launch, observing, services, sweeping
from jobs.keeping import append_log, stored_bytes
from jobs.models import Job, Process
from jobs.progress import finished, settle
from studio.assets.services import store
from studio.live.bus import client as bus
from tests.conftest import People
from tests.fakekube import FakeKube
from tests.jobs.conftest import NAMESPACE, pod

pytestmark = pytest.mark.django_db
Make = Callable[..., Job]


@pytest.fixture(autouse=True)
def sent(nudges: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return nudges


def process_of(job: Job, **values: Any) -> Process:
    return Process.objects.create(job=job, index=0, pod_uid="pod-a", pod_name="mj-1-0", **values)


def followed(process: Process) -> following.Followed:
    return following.Followed(process.pk, 1, NAMESPACE, process.pod_name, "t", "pod-proxy")


def test_two_readers_of_one_log_write_each_byte_at_its_place(make_job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    process = process_of(make_job("Running"))
    whole = b"".join(b"line %04d\n" % number for number in range(100))

    async def stream(*_: Any, **__: Any) -> AsyncIterator[bytes]:
        yield whole[:100]
        await asyncio.sleep(0.05)
        # Another reader (a second leg, or the sidecar's own push) is far ahead now.
        append_log(process.log_path(), "log:x", 100, whole[100:600])
        yield whole[100:200]
        await asyncio.sleep(0.05)
        yield whole[200:]

    async def run(call: Callable[..., Any], *args: Any, **_: Any) -> Any:
        return stored_bytes(*args) if call is stored_bytes else process

    async def copy() -> int:
        with ThreadPoolExecutor(1) as pool:
            followers = following.Followers(pool, lambda _: None)
            followers.run = run  # type: ignore[method-assign]
            return await followers._copy(followed(process), None, None, {}, "std_log.txt", follow=True)  # type: ignore[arg-type]

    monkeypatch.setattr(following, "stream_pod_http", stream)
    end = asyncio.run(copy())
    assert process.log_path().read_bytes() == whole and end == len(whole)


@pytest.mark.parametrize(("broken", "longest"), [(1, 5.0), (1000, 20.0)])
def test_logs_that_cannot_be_reached_are_asked_for_less_often_the_more_they_are(
    monkeypatch: pytest.MonkeyPatch, broken: int, longest: float
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def run(*_: Any, **__: Any) -> Any:
        return following.Followed(0, 1, NAMESPACE, "pod", "", "proxy") if len(pauses) < 12 else None

    async def read(*_: Any) -> bool:
        raise Unreachable("away")

    async def follow() -> set[int]:
        with ThreadPoolExecutor(1) as pool:
            followers = following.Followers(pool, lambda _: object())  # type: ignore[arg-type, return-value]
            followers.broken = set(range(1, broken))
            monkeypatch.setattr(followers, "run", run)
            monkeypatch.setattr(followers, "_read", read)
            await followers._follow(0)
            return followers.broken

    monkeypatch.setattr(following.asyncio, "sleep", sleep)
    assert asyncio.run(follow()) == set(range(1, broken))
    assert pauses[:3] == [0.2, 0.4, 0.8] and pauses[-1] == longest


def test_a_chatty_log_takes_little_of_redis(tmp_path: Path) -> None:
    at = 0
    for _ in range(60):
        at = append_log(tmp_path / "log", "log:9.std_log", at, bytes(1024 * 1024))
    kept = sum(len(entry[b"b"]) for _, entry in bus().xrange("log:9.std_log"))
    assert kept <= 16 * 1024 * 1024 and (tmp_path / "log").stat().st_size == at


def test_a_log_whose_beginning_redis_missed_still_leaves_it_one_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append_log(tmp_path / "log", "log:8.std_log", 0, b"one\n")
    bus().delete("log:8.std_log")
    append_log(tmp_path / "log", "log:8.std_log", 4, b"two\n")
    assert bus().ttl("log:8.std_log") > 0


@pytest.mark.parametrize(("status", "ends"), [("Running", "Failed"), ("CancelRequested", "Canceled"), ("Queued", "Failed")])
def test_a_job_whose_cluster_was_forgotten_ends(make_job: Make, status: str, ends: str) -> None:
    job = make_job(status, object_uid="uid-1")
    process_of(job)
    Job.objects.filter(pk=job.pk).update(cluster=None, compute=None)
    sweeping.sweep()
    job.refresh_from_db()
    assert job.status == ends


def test_a_job_whose_instance_type_went_before_it_started_fails_with_the_reason(make_job: Make) -> None:
    job = make_job()
    InstanceType.objects.all().delete()
    launch.start_job(job.pk)
    job.refresh_from_db()
    assert job.status == "Failed" and "small" in str(job.problem_params)


def test_a_job_erased_while_it_was_being_made_leaves_nothing_in_the_cluster(
    make_job: Make, fakekube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job()
    create = launch._create

    def slowly(client: Any, kind: Any, manifest: dict[str, Any], row: Job) -> dict[str, Any]:
        made = create(client, kind, manifest, row)
        if kind.name == "Job":
            Job.objects.filter(pk=job.pk).delete()
        return made

    monkeypatch.setattr(launch, "_create", slowly)
    launch.start_job(job.pk)
    assert not fakekube.pods_of(NAMESPACE, job.object_name)


@pytest.mark.parametrize("forged", [{"reason": "exited"}, {"code": None}, {"code": "zero"}, "gone", [1]])
def test_an_exit_without_a_code_is_no_exit(make_job: Make, client_for: Callable[..., Any], people: People, forged: Any) -> None:
    job = make_job("Running")
    process = process_of(job)
    following._note_whole(process.pk, 0, forged)
    finished(process, exit=forged, problems=[])
    process.refresh_from_db()
    assert process.exit is None
    assert client_for(people.reader).get(f"/w/team/jobs/{job.name}/").status_code == 200
    assert client_for(people.reader).get(f"/api/v1/workspaces/team/jobs/{job.name}").status_code == 200


def test_the_runners_account_of_an_end_is_not_lost_to_the_kubelets(make_job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job("Running")
    process = process_of(job)
    told = {"code": 124, "signal": None, "reason": "timeout", "log_bytes": 0}
    from jobs import progress

    find = progress._process

    def meanwhile(*args: Any) -> Process | None:
        found = find(*args)
        finished(process, exit=told, problems=[])
        return found

    monkeypatch.setattr(progress, "_process", meanwhile)
    status: dict[str, Any] = {"containerStatuses": [{"name": "job", "state": {"terminated": {"exitCode": 124}}}]}
    observing._pod_changed(job, "MODIFIED", pod("ended", **status))
    process.refresh_from_db()
    assert process.exit == told


def test_names_that_differ_only_in_case_come_in_the_zip(make_job: Make, client_for: Callable[..., Any], people: People) -> None:
    job = make_job("Completed")
    blob = store().put(io.BytesIO(b"hello"))
    for path in ("outputs/A.txt", "outputs/a.txt", "outputs/back\\slash"):
        job.output_files.create(root="artifacts", path=path, size=5, digest=blob.digest)
    answer = client_for(people.reader).get(f"/api/v1/workspaces/team/jobs/{job.name}/outputs.zip")
    assert answer.status_code == 200

    async def body() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    names = zipfile.ZipFile(io.BytesIO(asyncio.run(body()))).namelist()
    assert len(names) == 3


def test_a_file_hundreds_of_folders_deep_breaks_no_page(make_job: Make, client_for: Callable[..., Any], people: People) -> None:
    job = make_job("Completed")
    blob = store().put(io.BytesIO(b"hello"))
    job.output_files.create(root="artifacts", path="/".join(["a"] * 500), size=5, digest=blob.digest)
    assert client_for(people.reader).get(f"/w/team/jobs/{job.name}/outputs/").status_code == 200


def test_a_long_idempotency_key_makes_one_job(
    people: People, make_job: Make, monkeypatch: pytest.MonkeyPatch, compute: Any
) -> None:
    text = "command: echo hello\nenvironment:\n  image: python:3.11\ncompute: azureml:local\n"
    first = services.submit_job(people.contributor, people.workspace, text=text, idempotency_key="k" * 150)
    again = services.submit_job(people.contributor, people.workspace, text=text, idempotency_key="k" * 150)
    assert first.pk == again.pk


def test_the_state_of_a_lost_pod_is_written_at_once(make_job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs import progress

    job = make_job("Running")
    process_of(job)

    def cut_off(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(progress, "log_is_whole", lambda _: cut_off(0))
    with pytest.raises(KeyboardInterrupt):
        progress.lost_pod(job, "pod-a")
    assert not Process.objects.get(job=job).gone


def test_a_redis_that_refuses_costs_a_log_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError("away")

    monkeypatch.setattr("jobs.keeping.client", refused)
    assert append_log(tmp_path / "log", "log:1.std_log", 0, b"all of it") == 9
    settle(0)


def test_a_cluster_that_is_detached_waits_for_what_jobs_left_there_and_cancels_what_no_compute_holds(
    people: People, compute: Compute, make_job: Callable[..., Job]
) -> None:
    over, running = make_job(status="Completed", cleaned=False), make_job(status="Running")
    make_job(status="Completed", cleaned=True)
    workloads = WORKLOADS["jobs"]
    assert (workloads.running_in(compute.cluster.pk), workloads.left_in(compute.cluster.pk)) == (0, 1)
    Job.objects.update(compute=None)
    assert (workloads.running_in(compute.cluster.pk), workloads.left_in(compute.cluster.pk)) == (1, 1)
    workloads.on_cluster_detach(compute.cluster)
    running.refresh_from_db()
    assert running.status == "CancelRequested" and over.status == "Completed"


@pytest.mark.parametrize(("status", "nudged"), [("Queued", "jobs.start"), ("CancelRequested", "jobs.remove")])
def test_a_row_of_before_the_clock_was_set_back_is_swept_as_any_other(
    make_job: Make, status: str, nudged: str, sent: list[tuple[str, int]], django_capture_on_commit_callbacks: Any
) -> None:
    job = make_job(status)
    Job.objects.filter(pk=job.pk).update(status_at=timezone.now() + timedelta(hours=1))
    with django_capture_on_commit_callbacks(execute=True):
        sweeping.sweep()
    assert (nudged, job.pk) in sent
