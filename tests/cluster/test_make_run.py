"""`make run` once everything is installed: the first run goes from nothing to an endpoint that answers, the second changes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
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

from compute.extension.release import history
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.manifests import STUDIO
from sandbox import studios
from tests import studio_process
from tests.studio_process import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@dataclass
class Runs:
    """A data folder, what the first run on it printed, how it ended, and what the one before it had printed when it was killed."""

    data: Path
    printed: str
    code: int
    before: str


def surroundings(data: Path, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MOORING_", "DJANGO_", "REDIS", "KUBECONFIG", "DATABASE_"))}
    if cache := os.environ.get("MOORING_CACHE"):
        kept["MOORING_CACHE"] = cache
    if named := os.environ.get("MOORING_TEST_SANDBOX"):
        kept["MOORING_SANDBOX"] = named
    return {**kept, "MOORING_DATA": str(data), **more}


def run(data: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run it as `make run` does, to its end after the first answer."""
    command = [sys.executable, "setup/run.py"]
    return subprocess.run(
        command, cwd=ROOT, env=surroundings(data, RUN_ONCE="1", **more), capture_output=True, text=True, timeout=480, check=False
    )


def rows(data: Path) -> dict[str, list[Any]]:
    """Return what the studio's tables of people's things hold."""
    tables = ("jobs_job", "compute_cluster", "compute_compute", "accounts_workspace", "assets_imagerule", "accounts_user")
    tables += ("compute_extensionoperation", "assets_modelversion", "endpoints_endpoint", "endpoints_revision")
    with contextlib.closing(sqlite3.connect(data / "mooring.sqlite3")) as database:
        return {table: database.execute(f"select id from {table} order by id").fetchall() for table in tables}


@pytest.fixture(scope="module")
def first(sandbox: dict[str, Any], real_pods: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Run it for the first time, after one that was killed and whose data folder was deleted; take out again what it put into the cluster."""
    folder = tmp_path_factory.mktemp("run")
    before = killed(folder / "data", folder / "killed.log")
    shutil.rmtree(folder / "data")
    done = run(folder / "data")
    yield Runs(folder / "data", done.stdout + done.stderr, done.returncode, before)
    if folder.joinpath("data").exists():
        taken_out(folder / "data", sandbox)


def killed(data: Path, log: Path) -> str:
    """Start it, kill it when it has begun to use the cluster, and return what it printed."""
    with log.open("wb") as file:
        command = [sys.executable, "setup/run.py"]
        running = subprocess.Popen(command, cwd=ROOT, env=surroundings(data), stdout=file, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 240
        while "run: submitted the sample job" not in log.read_text():
            assert running.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
    finally:
        running.kill()
        running.wait()
    # Its children end when they see that it has gone.
    while subprocess.run(["pgrep", "-f", str(data)], capture_output=True).stdout and time.monotonic() < deadline:
        time.sleep(0.1)
    return log.read_text()


def taken_out(data: Path, sandbox: dict[str, Any]) -> None:
    """Start the studio of a data folder once more and detach its cluster, so that it takes along what it put there."""
    with contextlib.suppress(Exception):
        one = studio_process.start(data, data.parent / "studio.log", sandbox)
        try:
            studio_process.clean_up(one)
        finally:
            studio_process.stop(one)


@dataclass
class Live:
    """A later run that stays."""

    process: subprocess.Popen[bytes]
    log: Path

    def line(self, begin: str) -> str:
        """Return what stands behind a word at the begin of a line that it has printed."""
        return next(line for line in self.log.read_text().splitlines() if line.startswith(begin)).removeprefix(begin).strip()


@pytest.fixture(scope="module")
def live(first: Runs) -> Iterator[Live]:
    """Run it once more, to stay."""
    log = first.data.parent / "third.log"
    with log.open("wb") as file:
        command, environment = [sys.executable, "setup/run.py"], surroundings(first.data)
        running = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 120
        while "stop  " not in log.read_text():
            assert running.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield Live(running, log)
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(30)


def shell(line: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line in the checkout as a person's shell does, without what a test's surroundings have."""
    return subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env=surroundings(Path("unset")) | more, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_first_run_ends_with_an_answer_and_says_where_to_look(first: Runs) -> None:
    assert first.code == 0, first.printed
    assert re.search(r"Administrator: admin +Password: \S+", first.printed)
    assert "round 16 of 16" in first.printed
    assert "the sample job has completed" in first.printed
    assert re.search(r"Objects ready: All \d+ are there and ready", first.printed)
    answer = re.search(r"the endpoint has answered, (\d+) s after the job: (.+)", first.printed)
    assert answer and {each["kind"] for each in json.loads(answer[2])} == {"brightbell", "sandcup", "duskbell"}
    assert re.search(r"open +http://127\.0\.0\.1:\d+/w/demo/jobs/", first.printed)
    assert re.search(r"endpoint +http://127\.0\.0\.1:\d+/w/demo/endpoints/demo", first.printed)
    assert "mooring job create -f sample/train/job.yml" in first.printed


def test_what_one_had_left_that_was_killed_and_deleted_is_removed_first_and_its_names_are_free_again(first: Runs) -> None:
    (namespace,) = re.findall(r"attached namespace (demo\S*) as compute", first.before)
    (removed,) = re.findall(rf"the data folder {first.data} is gone; what its studio had left in the cluster was removed: (.+)", first.printed)
    assert f"namespace {namespace}" in removed.split(", ")
    assert f"attached namespace {namespace} as compute" in first.printed


def test_nothing_is_left_running_after_it(first: Runs) -> None:
    assert not list((first.data / "run").glob("*.sock"))
    assert not subprocess.run(["pgrep", "-f", str(first.data)], capture_output=True).stdout


def test_a_second_run_changes_nothing_and_shows_no_password(first: Runs) -> None:
    before = rows(first.data)
    again = run(first.data)
    assert again.returncode == 0, again.stdout + again.stderr
    assert rows(first.data) == before
    assert "Password" not in again.stdout
    assert "submitted" not in again.stdout and "install" not in again.stdout
    assert "call it    curl " in again.stdout


def test_a_cluster_of_ones_own_is_used_as_it_is(first: Runs, sandbox: dict[str, Any], tmp_path: Path) -> None:
    # The same cluster by a kubeconfig that the sandbox did not write: nothing is known of it but what this says.
    foreign = tmp_path / "kubeconfig"
    foreign.write_text(Path(sandbox["kubeconfig"]).read_text())
    images = {name: sandbox["images"][name] for name in ("python", "sklearn")}
    named = {"KUBECONFIG": str(foreign), "MOORING_JOB_IMAGES": ",".join(f"{name}={image}" for name, image in images.items())}
    data = tmp_path / "data"
    try:
        without = run(data, **named)
        assert without.returncode == 1
        assert "no runner image" in without.stdout and "MOORING_RUNNER_IMAGE" in without.stdout
        done = run(data, **named, MOORING_RUNNER_IMAGE=sandbox["images"]["runner"])
        printed = done.stdout + done.stderr
        assert done.returncode == 0, printed
        assert f"using the cluster of {foreign}" in printed
        assert "round 16 of 16" in printed
        # The extension that another studio has there is not taken from it.
        assert "the sample job has completed; its model is not deployed" in printed
    finally:
        taken_out(data, sandbox)


def test_the_printed_line_calls_the_endpoint_from_this_machine(live: Live) -> None:
    line = live.line("call it ")
    called = shell(f"{line} --fail-with-body --silent --show-error")
    assert called.returncode == 0, called.stdout + called.stderr
    assert [each["kind"] for each in json.loads(called.stdout)] == ["brightbell", "sandcup", "duskbell"]
    # The key is not in it, and without it nobody gets in.
    keyless = re.sub(r"Bearer [^\"]+", "Bearer nothing", line)
    # Over HTTP/2 this curl may trip over an answer that comes before it has sent its body.
    refused = shell(f"{keyless} --http1.1 --silent --output /dev/null --write-out '%{{http_code}}'")
    assert refused.stdout == "401"
    distrusted = shell(f"{re.sub('--cacert [^ ]+', '', line)} --silent")
    assert distrusted.returncode == 60


def test_the_lines_of_the_readme_do_the_same_from_a_terminal(live: Live, first: Runs) -> None:
    readme = (ROOT / "README.md").read_text()
    lines = [line for line in readme.splitlines() if line.startswith(("mooring model ", "mooring online-"))]
    assert len(lines) == 4
    job, name = json.loads((first.data / "seed.json").read_text())["sample"], f"again-{os.getpid() % 10000}"
    for line in lines:
        said = line.replace("NAME", job).replace(" mine ", f" {name} ").replace("mooring ", ".venv/bin/mooring ", 1)
        done = shell(said, MOORING_DATA=str(first.data))
        assert done.returncode == 0, f"{said}\n{done.stdout}\n{done.stderr}"
    assert "sandcup" in done.stdout
    shell(f".venv/bin/mooring online-endpoint delete -n {name} -w demo --yes", MOORING_DATA=str(first.data))


def test_sigterm_stops_the_studio_and_a_second_start_meanwhile_is_told(first: Runs, live: Live) -> None:
    told = run(first.data)
    assert told.returncode == 1
    assert "is running already" in told.stdout
    live.process.send_signal(signal.SIGTERM)
    live.process.wait(30)
    assert not subprocess.run(["pgrep", "-f", str(first.data)], capture_output=True).stdout


def test_what_a_studio_left_whose_data_folder_was_deleted_is_swept_with_its_extension(first: Runs, sandbox: dict[str, Any], kube: KubeClient) -> None:
    """The last one: it takes the place of letting the cluster go by the studio itself."""
    identity = studios.identity_of(first.data)
    if identity:  # else an earlier try has come this far
        shutil.rmtree(first.data)
        words = ["-m", "sandbox", "sweep", "--json", "--name", sandbox["name"]]
        swept = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert swept.returncode == 0, swept.stderr
        removed = json.loads(swept.stdout)["removed"]
        assert any(each.startswith("the extension with its router") for each in removed)
        assert any(each.startswith("namespace demo") for each in removed)
        assert not kube.list(kinds.NAMESPACE, labels={STUDIO: identity})
        assert not [route for route in kube.list(kinds.HTTP_ROUTE) if route["metadata"]["labels"].get(STUDIO) == identity]
    assert history(kube) == [] and kube.find(kinds.GATEWAY_CLASS, "mooring") is None
