"""The studio of the tests: `mooring up` beside the sandbox's real cluster, with a workspace and a compute, or alone."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks.databases import database_of
from benchmarks.machine import ROOT
from benchmarks.process import SANDBOX_SECONDS, NotThereError, StudioProcess, free_port, sandbox, without_ours
from mooring.client import Job
from sandbox import studios
from tests.cluster.sweeping import claim

__all__ = ["ROOT", "NotThereError", "Studio", "clean_up", "free_port", "start", "stop", "studio", "studio_alone"]


@dataclass
class Studio(StudioProcess):
    """A running studio, and what tests ask of it."""

    images: dict[str, str] = field(default_factory=dict)

    def pid(self, name: str) -> int | None:
        """Return the process id of one of the studio's parts (web, worker, beat, redis), nothing while it is down."""
        status = json.loads((self.data / "run" / "status.json").read_text(encoding="utf-8"))
        return next((child["pid"] for child in status["children"] if child["name"] == name), None)

    def cli(self, *words: str, check: bool = True, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Run the `mooring` command as a person of this machine would."""
        environment = without_ours(dict(os.environ)) | database_of(self.data)
        environment |= {"MOORING_DATA": str(self.data), "MOORING_WORKSPACE": self.workspace}
        done = subprocess.run(
            [sys.executable, "-m", "mooring", *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
        return done

    def submit(self, yaml: str, *overrides: str, folder: Path | str = ".") -> Job:
        """Submit the job of a YAML text to the studio's compute."""
        return self.client.jobs.create_from_text(yaml, folder=folder, overrides=[f"compute={self.compute}", *overrides])

    def ended(self, name: str, *, seconds: float = 180) -> Job:
        """Wait until a job has ended."""

        def final() -> Job | None:
            job = self.client.jobs.get(name)
            return job if job.is_final else None

        job: Job = self.until(final, seconds=seconds, what=f"{name} to end")
        return job

    def log_of(self, name: str, *, process: int = 0, file: str = "std_log.txt") -> bytes:
        """Return what the studio has kept of a job's log."""
        path = f"workspaces/{self.workspace}/jobs/{name}/logs/{process}"
        return self.client.transport.send("GET", path, query={"file": file}, headers={"Accept": "*/*"}).content


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Run a studio for the whole session on the sandbox's cluster; skip where no container runs."""
    status = sandbox_status()
    if status.get("simulated"):
        pytest.skip("the nodes are simulated: no container runs")
    folder = tmp_path_factory.mktemp("studio")
    with furnished(start(folder / "data", folder / "studio.log", status)) as one:
        yield one


@contextlib.contextmanager
def furnished(one: Studio) -> Iterator[Studio]:
    """Give a studio what jobs need, as long as the block lasts; then take out of the cluster what is its own, and stop it."""
    try:
        one.furnish()
        _rewrite_images(one)
        yield one
    finally:
        with contextlib.suppress(Exception):
            clean_up(one)
        stop(one)


@pytest.fixture(scope="session")
def studio_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Run a studio with a workspace and no cluster: enough for pages that ask nothing of one."""
    folder = tmp_path_factory.mktemp("studio-alone")
    one = start(folder / "data", folder / "studio.log", {})
    try:
        one.client.workspaces.create(one.workspace, display_name="Demo")
        yield one
    finally:
        stop(one)


def start(data: Path, log: Path, status: dict[str, Any], *, namespace: str = "") -> Studio:
    """Start `mooring up` on a data folder and wait until it is ready."""
    namespace = namespace or f"mooring-test-{uuid.uuid4().hex[:8]}"
    return Studio.start(data, log, status, namespace=namespace, images=dict(status.get("images") or {}))


def clean_up(one: Studio) -> None:
    """Detach the cluster, so that the studio takes along what it put there."""
    if one.process.poll() is not None:
        return
    one.client.clusters.detach(one.cluster)
    one.until(lambda: not one.client.clusters.list(), seconds=90, what="the cluster to be detached")
    studios.forget(one.sandbox["name"], one.data)


def stop(one: Studio) -> None:
    """Stop a studio and wait for its end."""
    one.stop()


def sandbox_status() -> dict[str, Any]:
    """Return the sandbox's status, brought up if it is not."""
    status = sandbox("status", seconds=60)
    status = status if status.get("state") == "up" else sandbox("up", seconds=SANDBOX_SECONDS)
    claim(status)
    return status


def _rewrite_images(one: Studio) -> None:
    rules = (
        *(("python:3*", "python"), ("library/python:*", "python")),
        *(("mcr.microsoft.com/azureml/*", "sklearn"), ("*sklearn*", "sklearn")),
    )
    for position, (pattern, image) in enumerate(rules):
        rule = {"pattern": pattern, "image": one.images[image], "position": 10 + position}
        one.client.transport.json("PUT", "image-rules", json=rule)
