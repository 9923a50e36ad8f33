"""Worker, beat, web, Redis and supervisor killed and paused: people go on, and every job ends once with its whole log."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import redis

from compute.kube import kinds
from compute.kube.client import KubeClient
from tests.faults.breaking import children, kill, paused
from tests.faults.conftest import is_ready
from tests.faults.truth import count, ends_of, rows
from tests.studio_process import ROOT, Studio, free_port, without_ours


def test_a_worker_killed_while_it_starts_jobs_starts_each_of_them_once(studio: Studio, kube: KubeClient) -> None:
    jobs = [count(studio, kube) for _ in range(3)]
    kill(children(studio.data)["worker"])
    for job in jobs:
        job.running()
        job.completes()


def test_a_worker_killed_while_a_log_is_read_loses_and_doubles_no_line(studio: Studio, kube: KubeClient) -> None:
    job = count(studio, kube).running()
    for _ in range(2):
        worker = children(studio.data)["worker"]
        kill(worker)
        studio.until(lambda old=worker: children(studio.data).get("worker", old) != old, what="another worker")
        job.goes_on()
    job.completes()


def test_while_the_worker_stands_still_pages_answer_and_jobs_are_accepted(studio: Studio, kube: KubeClient, person: httpx.Client) -> None:
    first = count(studio, kube).running()
    with paused(children(studio.data)["worker"]):
        second = count(studio, kube)
        # Nothing is made up for what nobody has looked at.
        assert (first.now().status, second.now().status) == ("Running", "NotStarted")
        assert second.name in person.get("/w/demo/jobs/").text
        first.end()
        # Its pod brings the rest by itself. This is longer than the lease of the stream lasts: who goes on then takes it once more.
        time.sleep(20)
    first.completed()
    second.running()
    second.completes()


def test_without_beat_jobs_still_start_and_end_by_their_own_messages(studio: Studio, kube: KubeClient) -> None:
    with paused(children(studio.data)["beat"]):
        job = count(studio, kube).running()
        job.completes()


def test_a_beat_that_was_killed_is_back_and_finds_what_lost_its_message(studio: Studio, kube: KubeClient) -> None:
    beat = children(studio.data)["beat"]
    kill(beat)
    job = count(studio, kube)
    _queues(studio).delete("kube", "stream")
    studio.until(lambda: children(studio.data).get("beat", beat) != beat, what="another beat")
    job.running()
    job.completes()


def test_the_web_process_killed_is_back_within_seconds_and_the_pod_tells_it_again(studio: Studio, kube: KubeClient) -> None:
    job = count(studio, kube).running()
    job.end()
    kill(children(studio.data)["web"])
    began = time.monotonic()
    studio.until(lambda: is_ready(studio), seconds=30, what="the studio to answer again")
    assert time.monotonic() - began < 30
    job.completed()


def test_while_the_web_process_stands_still_nobody_is_answered_and_nothing_is_lost(studio: Studio, kube: KubeClient) -> None:
    job = count(studio, kube).running()
    with paused(children(studio.data)["web"]):
        job.end()
        with contextlib.suppress(httpx.TimeoutException):
            answer = httpx.get(f"{studio.url}/healthz", timeout=3)
            raise AssertionError(f"a process that stands still has answered {answer.status_code}")
        time.sleep(12)
    job.completed()


def test_redis_killed_with_all_that_it_held_costs_nothing_that_was_accepted(studio: Studio, kube: KubeClient) -> None:
    first = count(studio, kube).running()
    kill(children(studio.data)["redis"])
    second = count(studio, kube)
    first.goes_on()
    second.running()
    first.completes()
    second.completes()


def test_redis_that_lost_its_data_and_stayed_up_costs_nothing(studio: Studio, kube: KubeClient) -> None:
    first, second = count(studio, kube).running(), count(studio, kube)
    _queues(studio).flushall()
    first.goes_on()
    second.running()
    first.end()
    _queues(studio).flushall()
    first.completed()
    second.completes()


def test_while_redis_stands_still_people_are_answered_and_told(studio: Studio, kube: KubeClient, person: httpx.Client) -> None:
    job = count(studio, kube).running()
    with paused(children(studio.data)["redis"]):
        checks = httpx.get(f"{studio.url}/readyz", timeout=15)
        assert checks.status_code == 200 and checks.json()["checks"]["redis"] != "ok"
        began = time.monotonic()
        second = count(studio, kube)
        accepted = time.monotonic() - began
        began = time.monotonic()
        page = person.get("/w/demo/jobs/")
        shown = time.monotonic() - began
        assert page.status_code == 200 and second.name in page.text
    assert accepted < 15 and shown < 10, f"accepted after {accepted:.1f} s, shown after {shown:.1f} s"
    second.running()
    second.completes()
    job.completes()


def test_a_supervisor_killed_takes_all_along_and_the_next_one_takes_all_up(studio: Studio, kube: KubeClient) -> None:
    job = count(studio, kube).running()
    parts = children(studio.data)
    kill(studio.process.pid)
    studio.process.wait(30)
    # None of the old ones may go on beside the new ones.
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in parts.values()):
        assert time.monotonic() < deadline, "a part of the studio has outlived its supervisor"
        time.sleep(0.1)
    job.end()
    studio.again()
    studio.until(lambda: is_ready(studio), seconds=90, what="the studio to be ready")
    job.completed()


def test_while_the_supervisor_stands_still_all_goes_on_and_then_it_mends_what_died(studio: Studio, kube: KubeClient) -> None:
    job = count(studio, kube).running()
    worker = children(studio.data)["worker"]
    with paused(studio.process.pid):
        job.goes_on()
        kill(worker)
        assert studio.client.jobs.get(job.name).status == "Running"
    studio.until(lambda: children(studio.data).get("worker", worker) != worker, what="another worker")
    job.goes_on()
    job.completes()


def test_all_parts_killed_at_once_as_a_job_ends_are_back_and_it_ends_once(studio: Studio, kube: KubeClient) -> None:
    job, later = count(studio, kube).running(), count(studio, kube)
    job.end()
    for pid in children(studio.data).values():
        kill(pid)
    job.completed()
    later.running()
    later.completes()


def test_a_cancel_is_not_forgotten_though_the_worker_dies_and_redis_loses_it(studio: Studio, kube: KubeClient) -> None:
    job = count(studio, kube).running()
    with paused(children(studio.data)["worker"]):
        studio.client.jobs.cancel(job.name)
        assert job.now().status == "CancelRequested"
        _queues(studio).flushall()
        kill(children(studio.data)["worker"])
    job.ended("Canceled")
    assert ends_of(studio.data, job.name) == ["Canceled"]


def test_a_second_studio_on_the_same_data_folder_is_refused_and_names_the_first(studio: Studio) -> None:
    done = _second(studio, studio.data)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "already running" in done.stdout + done.stderr and str(studio.process.pid) in done.stdout + done.stderr
    assert is_ready(studio)


def test_a_second_studio_on_the_same_database_from_another_folder_is_refused(studio: Studio, kube: KubeClient, tmp_path: Path) -> None:
    job = count(studio, kube).running()
    before = rows(studio.data, "SELECT count(*) FROM audit_entry")
    done = _second(studio, tmp_path / "other", DATABASE_URL=f"sqlite:///{studio.data}/mooring.sqlite3")
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-3000:]
    assert "already running" in done.stdout and f"{studio.data}/mooring.sqlite3" in done.stdout.replace("\n", ""), done.stdout[-3000:]
    assert rows(studio.data, "SELECT count(*) FROM audit_entry") == before
    job.goes_on()
    job.completes()
    assert not kube.list(kinds.JOB, studio.namespace)


def _second(studio: Studio, data: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Try to start another studio; it is stopped when it is not refused."""
    environment = without_ours(dict(os.environ)) | {"MOORING_LISTEN": f"127.0.0.1:{free_port('127.0.0.1')}", **more}
    command = [sys.executable, "-m", "mooring", "up", "--no-browser", "--data", str(data)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
        return subprocess.CompletedProcess(command, 0, said, "")
    return subprocess.CompletedProcess(command, process.returncode, said, "")


def _queues(studio: Studio) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(studio.data / "run" / "redis.sock"), socket_timeout=10)
