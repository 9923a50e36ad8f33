"""Job files of the original's form, with only the compute replaced, brought to their end on the real cluster."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.studio_process import ROOT, Studio

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]

OURS = ROOT / "tests" / "jobs" / "spec" / "examples"
SNAPSHOT = os.environ.get("MOORING_AZML_EXAMPLES", "")
BASICS = "cli/jobs/basics"


def stream(studio: Studio, file: Path) -> tuple[str, set[str]]:
    """Submit a file as a person would; return its log and the paths of what it left."""
    done = studio.cli("job", "create", "-f", str(file), "-w", "demo", "--set", "compute=local", "--stream")
    name = next(line for line in done.stderr.splitlines() if line and "_" in line and " " not in line and "/" not in line)
    assert studio.client.jobs.get(name).status == "Completed"
    return done.stdout, {f"{one.root}:{one.path}" for one in studio.client.jobs.outputs(name)}


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("hello", "ahoy\n"),
        ("variable", "Hamburg has 320 berths\n"),
        ("literals", "Port of Rotterdam 24\n"),
        ("folder_without_type", "a.csv\n"),
    ],
)
def test_a_job_prints_what_its_file_says(studio: Studio, name: str, printed: str) -> None:
    log, _ = stream(studio, OURS / f"{name}.yml")
    assert log.startswith(printed)


def test_code_and_a_local_file_come_to_the_job(studio: Studio) -> None:
    log, _ = stream(studio, OURS / "code.yml")
    assert log.strip() == str(len((OURS / "words" / "words.txt").read_text().split()))


def test_outputs_of_every_kind_are_kept(studio: Studio) -> None:
    _, left = stream(studio, OURS / "outputs.yml")
    assert left == {"artifacts:outputs/left_behind.txt", "report:report.txt", "table:table"}


@pytest.fixture(scope="module")
def basics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the original's basic examples, taken out of the clone that was named."""
    if not SNAPSHOT:
        pytest.skip("set MOORING_AZML_EXAMPLES to a clone of Azure/azureml-examples")
    if (Path(SNAPSHOT) / BASICS).is_dir():
        return Path(SNAPSHOT) / BASICS
    packed = subprocess.run(["git", "-C", SNAPSHOT, "archive", "HEAD", BASICS], capture_output=True, check=True).stdout
    folder = tmp_path_factory.mktemp("examples")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder / BASICS


@pytest.mark.parametrize(
    ("name", "printed", "kept"),
    [
        ("hello-world", "hello world\n", set()),
        ("hello-world-env-var", "hello world\n", set()),
        ("hello-world-input", "hello world\n42\n", set()),
        ("hello-world-output", "", {"artifacts:outputs/helloworld.txt"}),
        ("hello-code", None, set()),
    ],
)
def test_a_public_example_completes(studio: Studio, basics: Path, name: str, printed: str | None, kept: set[str]) -> None:
    log, left = stream(studio, basics / f"{name}.yml")
    if printed is None:
        assert {path.name for path in (basics / "src").iterdir()} <= set(log.split())
    else:
        assert log == printed
    assert left == kept
