"""The disk full, the database locked or read-only, the clock set back: told plainly, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from compute.kube.client import KubeClient
from mooring.client import Client
from tests.faults.breaking import Clock, Cluster, Disk, clock, disk, full_disk, locked, read_only
from tests.faults.conftest import Account
from tests.faults.truth import COUNTING, count, rows
from tests.studio_process import Studio, furnished, start


def test_with_a_full_disk_people_look_on_what_is_sent_is_refused_in_words_and_logs_catch_up(
    studio: Studio, kube: KubeClient, person: httpx.Client
) -> None:
    job = count(studio, kube).running()
    before = rows(studio.data, "SELECT count(*) FROM jobs_job")
    with full_disk(studio.data):
        # Its lines fill what was left of the log's last page; then it stands still.
        time.sleep(3)
        answer = _submit(studio)
        assert (answer.status_code, answer.json().get("id")) == (503, "disk-full"), answer.text[:500]
        page = person.get(f"/w/demo/jobs/{job.name}/")
        assert page.status_code == 200 and job.name in page.text
        assert job.now().status == "Running"
        job.end()
        time.sleep(10)
        assert not job.now().is_final
    job.completed()
    assert rows(studio.data, "SELECT count(*) FROM jobs_job") == before
    again = count(studio, kube).running()
    again.completes()


def test_a_disk_that_is_full_again_and_again_as_a_job_runs_leaves_its_log_whole(studio: Studio, kube: KubeClient) -> None:
    job = count(studio, kube).running()
    for left in (0, 100, 5000):
        with full_disk(studio.data, leave=left):
            time.sleep(3)
        job.goes_on()
    job.completes()


def test_a_database_locked_for_long_is_read_and_a_change_is_told_to_come_again(
    studio: Studio, kube: KubeClient, person: httpx.Client
) -> None:
    job = count(studio, kube).running()
    with locked(studio.data / "mooring.sqlite3"):
        assert job.now().status == "Running" and person.get("/w/demo/jobs/").status_code == 200
        answer = _submit(studio)
        assert (answer.status_code, answer.json().get("id")) == (503, "database-busy"), answer.text[:500]
        assert int(answer.headers["Retry-After"]) > 0
        job.end()
    job.completed()


def test_a_database_locked_for_a_moment_costs_the_wait_and_nothing_else(studio: Studio, kube: KubeClient) -> None:
    with locked(studio.data / "mooring.sqlite3"):
        time.sleep(0.1)
        made: list[httpx.Response] = []
        sending = threading.Thread(target=lambda: made.append(_submit(studio)))
        sending.start()
        time.sleep(5)
    sending.join(60)
    assert made[0].status_code == 201, made[0].text[:500]
    name = made[0].json()["name"]
    studio.client.jobs.cancel(name)
    studio.ended(name)


def test_a_database_that_became_read_only_is_shown_and_a_change_is_told_why(studio: Studio, kube: KubeClient, person: httpx.Client) -> None:
    job = count(studio, kube).running()
    with read_only(studio.data / "mooring.sqlite3"):
        # Connections are kept, and who has the file open goes on writing: the pages' process opens it anew.
        web = studio.pid("web")
        assert web
        os.kill(web, signal.SIGKILL)
        studio.until(lambda: studio.pid("web") not in (None, web) and _served(studio), what="the pages to be served again")
        assert job.now().status == "Running" and person.get("/w/demo/jobs/").status_code == 200
        answer = _submit(studio)
        assert (answer.status_code, answer.json().get("id")) == (503, "database-read-only"), answer.text[:500]
        form = person.get("/w/demo/jobs/-/new/")
        assert form.status_code == 200
    job.goes_on()
    job.completes()


@pytest.fixture
def failing_disk(tmp_path: Path) -> Iterator[Disk]:
    """Give a disk whose file system the kernel makes read-only once it is told of an error."""
    if not shutil.which("mkfs.ext4") or not Path("/dev/loop-control").exists():
        pytest.skip("a disk of its own takes ext4 in a file, and a loop device")
    with disk(tmp_path / "disk", 400 << 20) as made:
        yield made


def test_a_file_system_that_becomes_read_only_below_a_database_that_is_open_is_told_as_that(failing_disk: Disk, tmp_path: Path) -> None:
    one = start(failing_disk.folder / "data", tmp_path / "studio.log", {})
    try:
        one.client.workspaces.create("kept")
        os.sync()  # what the kernel has not written by then is lost with the file system
        failing_disk.fail()
        for _ in range(2):  # the second meets a connection that was opened anew
            assert [each.name for each in one.client.workspaces.list()] == ["kept"]
            answer = httpx.post(f"{one.url}/api/v1/workspaces", json={"name": "lost"}, headers={"Authorization": f"Bearer {one.token}"}, timeout=60)
            assert (answer.status_code, answer.json().get("id")) == (503, "database-read-only"), answer.text[:500]
        one.stop()
        failing_disk.mend()
        one.again()
        one.until(lambda: _served(one), seconds=90, what="the studio to serve again")
        client = Client(one.url, one.token)
        one.until(lambda: [each.name for each in client.workspaces.list()] == ["kept"], what="what was kept, and nothing else")
        client.workspaces.create("more")
    finally:
        one.stop()


@pytest.fixture(scope="module")
def faked(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    """Give a clock that is an hour ahead."""
    if not shutil.which("cc"):
        pytest.skip("a clock of its own takes a C compiler")
    made = clock(tmp_path_factory.mktemp("clock"))
    made.set(3600)
    return made


@pytest.fixture(scope="module")
def studio_by_the_clock(cluster: Cluster, account: Account, faked: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Run a studio whose clock is that one."""
    folder = tmp_path_factory.mktemp("by-the-clock")
    os.environ.update(faked.environment)
    try:
        one = start(folder / "data", folder / "studio.log", cluster.status | {"kubeconfig": str(account.file)})
    finally:
        for name in faked.environment:
            del os.environ[name]
    with furnished(one):
        yield one


def test_a_clock_set_back_by_an_hour_stops_nothing(studio_by_the_clock: Studio, kube: KubeClient, faked: Clock) -> None:
    one = studio_by_the_clock
    job, waiting = count(one, kube).running(), count(one, kube)
    faked.set(0)
    later = count(one, kube)
    _nudges_go_on(one)
    for each in (job, waiting, later):
        each.running() if each is not job else each.goes_on()
        each.completes()
    # What is told of a job never runs backwards.
    for each in (job, waiting, later):
        times = [
            at
            for (at,) in rows(
                one.data, "SELECT t.at FROM jobs_transition t JOIN jobs_job j ON j.id = t.job_id WHERE j.name = ? ORDER BY t.id", each.name
            )
        ]
        assert times == sorted(times), times
    assert one.client.clusters.get(one.cluster).status in ("ready", "degraded")


def _nudges_go_on(one: Studio) -> None:
    """Wait until beat has sent a nudge by the clock that it has now."""

    def sent() -> bool:
        schedule = one.client.transport.json("GET", "system")["schedule"]
        found = [each["sent_at"] for each in schedule if each["task"] == "jobs.sweep"]
        return bool(found and found[0] and datetime.fromisoformat(found[0]) < datetime.now(UTC) + timedelta(minutes=10))

    one.until(sent, seconds=45, what="beat to send by the clock as it is now")


def _served(studio: Studio) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{studio.url}/healthz", timeout=5).status_code == 200
    return False


def _submit(studio: Studio) -> httpx.Response:
    """Submit a job with a plain request, which is not sent again by itself."""
    url = f"{studio.url}/api/v1/workspaces/{studio.workspace}/jobs"
    body = {"yaml": COUNTING, "set": [f"compute={studio.compute}"]}
    return httpx.post(url, json=body, headers={"Authorization": f"Bearer {studio.token}"}, timeout=60)
