"""`make run` once everything is installed: the first run brings the sample to its end, the second changes nothing."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import studio_process
from tests.studio_process import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]


@dataclass
class Runs:
    """A data folder, what the first run on it printed, and how it ended."""

    data: Path
    printed: str
    code: int


def surroundings(data: Path, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MOORING_", "DJANGO_", "REDIS", "KUBECONFIG"))}
    if cache := os.environ.get("MOORING_CACHE"):
        kept["MOORING_CACHE"] = cache
    return {**kept, "MOORING_DATA": str(data), **more}


def run(data: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run it as `make run` does, to its end after the sample."""
    command = [sys.executable, "setup/run.py"]
    return subprocess.run(
        command, cwd=ROOT, env=surroundings(data, RUN_ONCE="1", **more), capture_output=True, text=True, timeout=300, check=False
    )


def rows(data: Path) -> dict[str, list[Any]]:
    """Return what the studio's tables of people's things hold."""
    tables = ("jobs_job", "compute_cluster", "compute_compute", "accounts_workspace", "assets_imagerule", "accounts_user")
    with contextlib.closing(sqlite3.connect(data / "mooring.sqlite3")) as database:
        return {table: database.execute(f"select id from {table} order by id").fetchall() for table in tables}


@pytest.fixture(scope="module")
def first(sandbox: dict[str, Any], real_pods: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Run it for the first time; take what it put into the cluster out again in the end."""
    folder = tmp_path_factory.mktemp("run")
    done = run(folder / "data")
    yield Runs(folder / "data", done.stdout + done.stderr, done.returncode)
    with contextlib.suppress(Exception):
        one = studio_process.start(folder / "data", folder / "studio.log", sandbox)
        try:
            studio_process.clean_up(one)
        finally:
            studio_process.stop(one)


def test_the_first_run_ends_with_the_sample_completed_and_says_where_to_look(first: Runs) -> None:
    assert first.code == 0, first.printed
    assert re.search(r"Administrator: admin +Password: \S+", first.printed)
    assert "round 16 of 16" in first.printed
    assert "the sample job has completed" in first.printed
    assert re.search(r"open +http://127\.0\.0\.1:\d+/w/demo/jobs/", first.printed)
    assert "mooring job create -f sample/train/job.yml" in first.printed


def test_nothing_is_left_running_after_it(first: Runs) -> None:
    assert not list((first.data / "run").glob("*.sock"))
    assert not subprocess.run(["pgrep", "-f", str(first.data)], capture_output=True).stdout


def test_a_second_run_changes_nothing_and_shows_no_password(first: Runs) -> None:
    before = rows(first.data)
    again = run(first.data)
    assert again.returncode == 0, again.stdout + again.stderr
    assert rows(first.data) == before
    assert "Password" not in again.stdout
    assert "submitted" not in again.stdout


def test_sigterm_stops_the_studio_and_a_second_start_meanwhile_is_told(first: Runs) -> None:
    log = first.data.parent / "third.log"
    with log.open("wb") as file:
        running = subprocess.Popen(
            [sys.executable, "setup/run.py"], cwd=ROOT, env=surroundings(first.data), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 120
        while "open  " not in log.read_text():
            assert running.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        told = run(first.data)
        assert told.returncode == 1
        assert "is running already" in told.stdout
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(30)
    assert not subprocess.run(["pgrep", "-f", str(first.data)], capture_output=True).stdout
