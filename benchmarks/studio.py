"""A studio for one measurement: `mooring up` on a data folder of its own, beside a cluster of the sandbox."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.machine import ROOT
from mooring.client import Client
from mooring.errors import MooringError
from sandbox.environment import of_studio

READY_SECONDS = 120
SANDBOX_SECONDS = 45 * 60  # with empty caches Kubernetes itself is built
STOP_SECONDS = 25
WORKSPACE, CLUSTER, COMPUTE = "bench", "bench", "bench"


class NotMeasuredError(Exception):
    """Something that the measurement needs is not there; the message says what."""


@dataclass(frozen=True)
class Studio:
    """A running studio: where it is and who may sign in."""

    url: str
    token: str
    username: str
    password: str
    namespace: str
    log: Path
    client: Client
    process: subprocess.Popen[bytes]

    def tail(self, lines: int = 40) -> str:
        """Return the end of the studio's log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def until(self, condition: Callable[[], Any], *, seconds: float, what: str) -> Any:
        """Ask again until the answer is true."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise NotMeasuredError(f"{what} did not happen within {seconds} s; the studio's last lines:\n{self.tail()}")
            time.sleep(0.1)
        return found


def say(text: str) -> None:
    """Tell of progress, beside the result."""
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def cluster(name: str, *options: str) -> Iterator[dict[str, Any]]:
    """Bring a cluster of the sandbox up and give its status; one that was not there before is removed afterwards."""
    before = _sandbox("status", "--name", name, seconds=60)
    found = before
    if before.get("state") != "up":
        say(f"bringing up the cluster “{name}”")
        found = _sandbox("up", "--name", name, *options, seconds=SANDBOX_SECONDS)
    try:
        if found.get("state") != "up":
            raise NotMeasuredError(f"the cluster “{name}” is {found.get('state') or 'not there'}; `python -m sandbox status` says more")
        yield found
    finally:
        if before.get("state") == "absent" and name != "main":
            say(f"removing the cluster “{name}”")
            _sandbox("down", "--name", name, "--purge", seconds=180)


@contextlib.contextmanager
def studio(status: dict[str, Any]) -> Iterator[Studio]:
    """Run a studio with a workspace, that cluster and a compute in a namespace of its own; take all of it away again."""
    folder = Path(tempfile.mkdtemp(prefix="mooring-bench-"))
    one: Studio | None = None
    try:
        one = _start(folder, status)
        _furnish(one, status)
        yield one
    finally:
        if one is not None:
            _detach(one)
            one.client.close()
            stop(one.process)
        shutil.rmtree(folder, ignore_errors=True)


def stop(process: subprocess.Popen[Any]) -> None:
    """End a process and wait until it has gone."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(folder: Path, status: dict[str, Any]) -> Studio:
    host = status.get("host_address") or "127.0.0.1"
    port = _free_port(host)
    data, log = folder / "data", folder / "studio.log"
    say("starting a studio")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MOORING_", "DJANGO_", "REDIS_", "DATABASE_"))}
    if cache := os.environ.get("MOORING_CACHE"):
        environment["MOORING_CACHE"] = cache
    environment |= of_studio(status) | {
        "MOORING_DATA": str(data),
        "MOORING_LISTEN": ",".join(dict.fromkeys((f"127.0.0.1:{port}", f"{host}:{port}"))),
        "MOORING_POD_URL": f"http://{host}:{port}",
        # A simulated cluster starts no container: any name will do.
        "MOORING_RUNNER_IMAGE": (status.get("images") or {}).get("runner", "mooring.local/runner:simulated"),
    }
    with log.open("ab") as file:
        command = [sys.executable, "-m", "mooring", "up", "--no-browser"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + READY_SECONDS
    while not _answers(f"{url}/readyz"):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process)
            raise NotMeasuredError(f"the studio did not become ready:\n{log.read_text(encoding='utf-8', errors='replace')[-4000:]}")
        time.sleep(0.1)
    token = json.loads((data / "run" / "cli-token.json").read_text(encoding="utf-8"))["token"]
    printed = re.search(r"Administrator: (\S+)\s+Password: (\S+)", log.read_text(encoding="utf-8", errors="replace"))
    name, password = (printed[1], printed[2]) if printed else ("admin", "")
    namespace = f"mooring-bench-{uuid.uuid4().hex[:8]}"
    return Studio(url, token, name, password, namespace, log, Client(url, token, workspace=WORKSPACE), process)


def _furnish(one: Studio, status: dict[str, Any]) -> None:
    kubeconfig = Path(status["kubeconfig"]).read_text(encoding="utf-8")
    one.client.workspaces.create(WORKSPACE, display_name="Bench")
    one.client.clusters.attach(CLUSTER, kubeconfig=kubeconfig)
    one.until(lambda: one.client.clusters.get(CLUSTER).status in ("ready", "degraded"), seconds=90, what="the cluster to be ready")
    one.client.computes.attach(COMPUTE, cluster=CLUSTER, namespace=one.namespace, create_namespace=True)
    one.until(lambda: one.client.computes.get(COMPUTE).status == "ready", seconds=60, what="the compute to be ready")


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
    except NotMeasuredError as error:
        say(f"the cluster was not detached: {problem or error}")


def _free_port(host: str) -> int:
    """Return a port that is free on the loopback and on another address of this machine."""
    for _ in range(50):
        with socket.socket() as here, socket.socket() as there:
            here.bind(("127.0.0.1", 0))
            port = int(here.getsockname()[1])
            try:
                if host != "127.0.0.1":
                    there.bind((host, port))
            except OSError:
                continue
            return port
    raise NotMeasuredError(f"no port is free on 127.0.0.1 and {host}")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def _sandbox(*words: str, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "sandbox", *words, "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=seconds, check=False)
    lines = done.stdout.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise NotMeasuredError(f"`python -m sandbox {' '.join(words)}` ended with {done.returncode}; its reason is above")
    return dict(json.loads(lines[-1]))
