"""The public examples of the original are read as they are; the snapshot is not part of this repository."""

import csv
import os
import posixpath
import subprocess
from pathlib import Path
from typing import Literal

import pytest

from jobs import spec

SNAPSHOT = os.environ.get("MOORING_AZML_EXAMPLES", "")
pytestmark = pytest.mark.skipif(not SNAPSHOT, reason="set MOORING_AZML_EXAMPLES to a clone of Azure/azureml-examples")
# Which of them are accepted: E runs, P and D are taken, W is taken with warnings, N is refused.
TABLE = Path(__file__).with_name("acceptance.csv")


class Snapshot:
    """The example repository, as a work tree or as a bare Git directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bare = (root / "HEAD").is_file() and (root / "objects").is_dir()
        self.files: frozenset[str] = frozenset()
        if self.bare:
            self.files = frozenset(self._git("ls-tree", "-r", "--name-only", "HEAD").decode().splitlines())

    def _git(self, *command: str) -> bytes:
        return subprocess.run(["git", "-C", self.root, *command], check=True, capture_output=True).stdout

    def read(self, path: str) -> bytes:
        return self._git("show", f"HEAD:{path}") if self.bare else (self.root / path).read_bytes()

    def kind(self, path: str) -> Literal["file", "folder"] | None:
        if self.bare:
            if path in self.files:
                return "file"
            return "folder" if any(file.startswith(f"{path}/") for file in self.files) else None
        at = self.root / path
        return "file" if at.is_file() else "folder" if at.is_dir() else None


class Beside:
    """The files beside one YAML of the snapshot."""

    def __init__(self, snapshot: Snapshot, yaml_path: str) -> None:
        self.snapshot = snapshot
        self.base = posixpath.dirname(yaml_path)

    def kind(self, path: str) -> Literal["file", "folder"] | None:
        return self.snapshot.kind(posixpath.normpath(posixpath.join(self.base, path)))


ROWS = [(row["path"], row["kind"], row["tier"]) for row in csv.DictReader(TABLE.read_text().splitlines())]


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return Snapshot(Path(SNAPSHOT))


@pytest.mark.parametrize(("path", "kind", "tier"), [row for row in ROWS if row[1] in ("job.command", "empty")])
def test_a_command_job_of_the_examples_is_taken_as_its_tier_says(
    snapshot: Snapshot, path: str, kind: str, tier: str
) -> None:
    text, folder = snapshot.read(path), Beside(snapshot, path)
    known = spec.Known(computes=frozenset({"local"}))
    if tier == "N":
        with pytest.raises(spec.SpecError) as refused:
            spec.load(text, overrides=["compute=local"], folder=folder, known=known)
        assert refused.value.issues[0].problem_id in ("spec-path-not-found", "spec-empty")
        return
    loaded = spec.load(text, overrides=["compute=local"], folder=folder, known=known)
    assert loaded.model.compute_name == "local"
    assert bool(loaded.warnings) == (tier == "W")
    assert spec.load(spec.dump(loaded.model), folder=folder).model == loaded.model


@pytest.mark.parametrize(("path", "kind", "tier"), [row for row in ROWS if row[1] not in ("job.command", "empty")])
def test_every_other_example_is_refused_by_the_name_of_its_kind(
    snapshot: Snapshot, path: str, kind: str, tier: str
) -> None:
    with pytest.raises(spec.SpecError) as refused:
        spec.load(snapshot.read(path))
    if kind.startswith("template-unparseable"):
        assert refused.value.problem_id == "spec-not-yaml"
        return
    assert refused.value.problem_id == "spec-kind-not-supported"
    found = spec.kind_of(snapshot.read(path))
    assert found is not None
    assert kind == found or kind.startswith(f"{found}.")
