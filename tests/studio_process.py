"""A whole studio as a person runs it: `mooring up` beside the sandbox's real cluster, with a workspace and a compute."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from mooring.client import Client, Job
from sandbox.environment import of_studio

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 120
SANDBOX_SECONDS = 45 * 60  # with empty caches Kubernetes itself is built


@dataclass
class Studio:
    """A running studio: where it is, who may sign in, and what it is attached to."""

    url: str
    token: str
    password: str
    data: Path
    log: Path
    namespace: str
    images: dict[str, str]
    sandbox: dict[str, Any]
    client: Client
    process: subprocess.Popen[bytes] = field(repr=False)
    username: str = "admin"
    workspace: str = "demo"
    compute: str = "local"

    @property
    def kubeconfig(self) -> str:
        """Return the text of the cluster's kubeconfig, with all rights."""
        return Path(self.sandbox["kubeconfig"]).read_text(encoding="utf-8")

    def pid(self, name: str) -> int | None:
        """Return the process id of one of the studio's parts (web, worker, beat, redis), nothing while it is down."""
        status = json.loads((self.data / "run" / "status.json").read_text(encoding="utf-8"))
        return next((child["pid"] for child in status["children"] if child["name"] == name), None)

    def cli(self, *words: str, check: bool = True, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Run the `mooring` command as a person of this machine would."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("MOORING_", "DJANGO_"))}
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

    def until(self, condition: Callable[[], Any], *, seconds: float = 60, what: str = "it") -> Any:
        """Ask again until the answer is true; fail with the end of the studio's log when it never was."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s\n{self.tail()}"
            assert self.process.poll() is None, f"the studio ended with {self.process.returncode}\n{self.tail()}"
            time.sleep(0.1)
        return found

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

    def tail(self, lines: int = 60) -> str:
        """Return the end of the studio's log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Run a studio for the whole session on the sandbox's cluster; skip where no container runs."""
    status = sandbox_status()
    if status.get("simulated"):
        pytest.skip("the nodes are simulated: no container runs")
    folder = tmp_path_factory.mktemp("studio")
    one = start(folder / "data", folder / "studio.log", status)
    try:
        furnish(one)
        yield one
    finally:
        with contextlib.suppress(Exception):
            clean_up(one)
        stop(one)


def start(data: Path, log: Path, status: dict[str, Any], *, namespace: str = "") -> Studio:
    """Start `mooring up` on a data folder and wait until it is ready."""
    host = status.get("host_address") or "127.0.0.1"
    port = free_port(host)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MOORING_", "DJANGO_", "REDIS"))}
    if cache := os.environ.get("MOORING_CACHE"):
        environment["MOORING_CACHE"] = cache
    environment |= of_studio(status) | {
        "MOORING_DATA": str(data),
        "MOORING_LISTEN": f"127.0.0.1:{port},{host}:{port}" if host != "127.0.0.1" else f"127.0.0.1:{port}",
        "MOORING_POD_URL": f"http://{host}:{port}",
        "MOORING_RUNNER_IMAGE": status["images"]["runner"],
    }
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        command = [sys.executable, "-m", "mooring", "up", "--no-browser"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(f"{url}/readyz"):
        text = log.read_text(encoding="utf-8", errors="replace")
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"the studio did not become ready:\n{text[-6000:]}")
        time.sleep(0.1)
    token = json.loads((data / "run" / "cli-token.json").read_text(encoding="utf-8"))["token"]
    printed = re.search(r"Administrator: (\S+)\s+Password: (\S+)", log.read_text(encoding="utf-8", errors="replace"))
    return Studio(
        url=url,
        token=token,
        password=printed[2] if printed else "",
        username=printed[1] if printed else "admin",
        data=data,
        log=log,
        namespace=namespace or f"mooring-test-{uuid.uuid4().hex[:8]}",
        images=dict(status["images"]),
        sandbox=status,
        client=Client(url, token, workspace="demo"),
        process=process,
    )


def furnish(one: Studio) -> None:
    """Give a fresh studio what `make run` seeds: workspace, cluster, compute, image rules."""
    one.client.workspaces.create(one.workspace, display_name="Demo")
    one.client.clusters.attach("local", kubeconfig=one.kubeconfig)
    one.until(lambda: one.client.clusters.get("local").status in ("ready", "degraded"), what="the cluster to be ready")
    one.client.computes.attach(one.compute, cluster="local", namespace=one.namespace, create_namespace=True)
    one.until(lambda: one.client.computes.get(one.compute).status == "ready", what="the compute to be ready")
    rules = (
        *(("python:3*", "python"), ("library/python:*", "python")),
        *(("mcr.microsoft.com/azureml/*", "sklearn"), ("*sklearn*", "sklearn")),
    )
    for position, (pattern, image) in enumerate(rules):
        rule = {"pattern": pattern, "image": one.images[image], "position": 10 + position}
        one.client.transport.json("PUT", "image-rules", json=rule)


def clean_up(one: Studio) -> None:
    """Detach the cluster, so that the studio takes along what it put there."""
    if one.process.poll() is not None:
        return
    one.client.clusters.detach("local")
    one.until(lambda: not one.client.clusters.list(), seconds=90, what="the cluster to be detached")


def stop(one: Studio) -> None:
    """Stop a studio and wait for its end."""
    one.client.close()
    if one.process.poll() is None:
        one.process.send_signal(signal.SIGTERM)
        try:
            one.process.wait(20)
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()


def sandbox_status() -> dict[str, Any]:
    """Return the sandbox's status, brought up if it is not."""
    status = _sandbox("status", 60)
    return status if status.get("state") == "up" else _sandbox("up", SANDBOX_SECONDS)


def free_port(host: str) -> int:
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
    raise AssertionError(f"no port is free on 127.0.0.1 and {host}")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def _sandbox(command: str, seconds: float) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", command, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    status = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else None
    if not isinstance(status, dict) or (done.returncode and command == "up"):
        pytest.fail(f"python -m sandbox {command} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return status
