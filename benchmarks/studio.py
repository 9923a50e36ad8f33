"""A studio for one measurement, beside a cluster of the sandbox that is removed again when it was not there before."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.process import SANDBOX_SECONDS, NotThereError, StudioProcess, sandbox, stop
from mooring.errors import MooringError
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.locks import held
from sandbox.places import state_folder

__all__ = ["COMPUTE", "WORKSPACE", "NotMeasuredError", "Studio", "cluster", "say", "stop", "studio"]

WORKSPACE, CLUSTER, COMPUTE = "bench", "bench", "bench"
Studio = StudioProcess


class NotMeasuredError(NotThereError):
    """Something that the measurement needs is not there; the message says what."""


def say(text: str) -> None:
    """Tell of progress, beside the result."""
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def cluster(name: str, *options: str) -> Iterator[dict[str, Any]]:
    """Bring a cluster of the sandbox up and give its status; one that was not there before is removed afterwards.

    Any but the main one is one run's at a time: the first to end would take it away from the other. A second says so and ends.
    """
    with contextlib.nullcontext() if name == "main" else _alone(name), _up(name, *options) as status:
        yield status


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    path = state_folder() / f"{name}.measured.lock"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held(path, f"the cluster “{name}”", Console(quiet=True), patience=0))
        except SandboxError as error:
            raise NotMeasuredError(f"another run measures with the cluster “{name}”: process {path.read_text()}") from error
        yield


@contextlib.contextmanager
def _up(name: str, *options: str) -> Iterator[dict[str, Any]]:
    before = sandbox("status", "--name", name, seconds=60)
    found = before
    if before.get("state") != "up":
        say(f"bringing up the cluster “{name}”")
        found = sandbox("up", "--name", name, *options, seconds=SANDBOX_SECONDS)
    try:
        if found.get("state") != "up":
            raise NotMeasuredError(f"the cluster “{name}” is {found.get('state') or 'not there'}; `python -m sandbox status` says more")
        yield found
    finally:
        if before.get("state") == "absent" and name != "main":
            say(f"removing the cluster “{name}”")
            sandbox("down", "--name", name, "--purge", seconds=180)


@contextlib.contextmanager
def studio(status: dict[str, Any]) -> Iterator[Studio]:
    """Run a studio with a workspace, that cluster and a compute in a namespace of its own; take all of it away again."""
    folder = Path(tempfile.mkdtemp(prefix="mooring-bench-"))
    one: Studio | None = None
    try:
        say("starting a studio")
        names = {"workspace": WORKSPACE, "cluster": CLUSTER, "compute": COMPUTE}
        one = StudioProcess.start(
            folder / "data", folder / "studio.log", status, **names, namespace=f"mooring-bench-{uuid.uuid4().hex[:8]}"
        )
        one.furnish()
        yield one
    finally:
        if one is not None:
            _detach(one)
            one.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _detach(one: Studio) -> None:
    """Have the studio take along what it put into the cluster."""
    if one.process.poll() is not None:
        return
    say("detaching the cluster")

    def gone() -> bool:
        # Right after a load the studio may answer late: asked again, a detach that runs already changes nothing.
        try:
            if any(each.status != "detaching" for each in one.client.clusters.list()):
                one.client.clusters.detach(CLUSTER)
            return not one.client.clusters.list()
        except MooringError as error:
            problem[:] = [str(error)]
            return False

    problem: list[str] = []
    try:
        one.until(gone, seconds=180, what="the cluster to be detached")
    except NotThereError as error:
        say(f"the cluster was not detached: {problem or error}")
