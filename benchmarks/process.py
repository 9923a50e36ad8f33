"""A studio as a person runs it: `mooring up` on a data folder of its own, beside a cluster of the sandbox.

What tests and measurements share. Each keeps its own words for what it makes in the studio.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from benchmarks.databases import database_of, rows
from benchmarks.machine import ROOT
from mooring.client import Client
from sandbox import studios
from sandbox.environment import of_studio

READY_SECONDS = 120
STOP_SECONDS = 25
SANDBOX_SECONDS = 45 * 60  # with empty caches Kubernetes itself is built
IDENTITY = "SELECT value FROM compute_studioidentity"
# What of the caller's surroundings a studio of its own must not see.
_FOREIGN = ("MOORING_", "DJANGO_", "REDIS", "DATABASE_")
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class NotThereError(Exception):
    """A studio, a cluster or a part of one is not there in time; the message says what, with the last lines of its log."""


@dataclass
class StudioProcess:
    """A running studio: where it is, who may sign in, and what it is attached to."""

    url: str
    token: str
    username: str
    password: str
    data: Path
    log: Path
    client: Client
    process: subprocess.Popen[bytes] = field(repr=False)
    sandbox: dict[str, Any] = field(repr=False)
    workspace: str = "demo"
    cluster: str = "local"
    compute: str = "local"
    namespace: str = ""

    @classmethod
    def start(cls, data: Path, log: Path, sandbox: dict[str, Any], **values: Any) -> Self:
        """Start `mooring up` on a data folder and wait until it is ready; `sandbox` is what `sandbox status` says."""
        host = sandbox.get("host_address") or "127.0.0.1"
        port = free_port(host)
        process = launch(data, log, sandbox, host, port)
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + READY_SECONDS
        while not _answers(f"{url}/readyz"):
            if process.poll() is not None or time.monotonic() > deadline:
                stop(process)
                raise NotThereError(f"the studio did not become ready:\n{_end(log, 60)}")
            time.sleep(0.1)
        token = json.loads((data / "run" / "cli-token.json").read_text(encoding="utf-8"))["token"]
        printed = re.search(r"Administrator: (\S+)\s+Password: (\S+)", log.read_text(encoding="utf-8", errors="replace"))
        username, password = (printed[1], printed[2]) if printed else ("admin", "")
        client = Client(url, token, workspace=values.get("workspace", cls.workspace))
        return cls(url, token, username, password, data, log, client, process, sandbox, **values)

    @property
    def kubeconfig(self) -> str:
        """Return the text of the cluster's kubeconfig, with all rights."""
        return Path(self.sandbox["kubeconfig"]).read_text(encoding="utf-8")

    def furnish(self) -> None:
        """Give a fresh studio a workspace, the cluster, and a compute in a namespace of its own."""
        self.client.workspaces.create(self.workspace, display_name=self.workspace.capitalize())
        self.client.clusters.attach(self.cluster, kubeconfig=self.kubeconfig)
        answers = ("ready", "degraded")
        self.until(lambda: self.client.clusters.get(self.cluster).status in answers, seconds=90, what="the cluster to be ready")
        self._be_remembered()
        self.client.computes.attach(self.compute, cluster=self.cluster, namespace=self.namespace, create_namespace=True)
        self.until(lambda: self.client.computes.get(self.compute).status == "ready", what="the compute to be ready")

    def _be_remembered(self) -> None:
        """Have the sandbox know whose is what a run leaves in the cluster that is killed, whichever database the studio has."""
        if self.sandbox.get("mode") in ("full", "simulated"):
            ((identity,),) = self.until(lambda: rows(self.data, IDENTITY), what="the studio to have an identity")
            studios.remember(self.sandbox["name"], str(identity), self.data)

    def until(self, condition: Callable[[], Any], *, seconds: float = 60, what: str | Callable[[], str] = "it") -> Any:
        """Ask again until the answer is true; raises with `what` and the end of the studio's log when it never was."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if self.process.poll() is not None:
                raise NotThereError(f"the studio ended with {self.process.returncode}; its last lines:\n{self.tail()}")
            if time.monotonic() > deadline:
                named = what if isinstance(what, str) else what()
                raise NotThereError(f"{named} did not happen within {seconds} s; the studio's last lines:\n{self.tail()}")
            time.sleep(0.1)
        return found

    def again(self) -> None:
        """Start a studio that was stopped on its data folder and its address again; it is not ready yet."""
        port = int(self.url.rpartition(":")[2])
        self.process = launch(self.data, self.log, self.sandbox, self.sandbox.get("host_address") or "127.0.0.1", port)

    def tail(self, lines: int = 60) -> str:
        """Return the end of the studio's log."""
        return _end(self.log, lines)

    def stop(self) -> None:
        """Stop the studio and wait for its end."""
        self.client.close()
        stop(self.process)


def stop(process: subprocess.Popen[Any]) -> None:
    """End a process and wait until it has gone."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def sandbox(*words: str, seconds: float) -> dict[str, Any]:
    """Run a command of the sandbox and return what it says as JSON; its progress goes where ours does."""
    command = [sys.executable, "-m", "sandbox", *words, "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=seconds, check=False)
    lines = done.stdout.strip().splitlines()
    status = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else None
    if not isinstance(status, dict) or (done.returncode and words[0] == "up"):
        raise NotThereError(f"`python -m sandbox {' '.join(words)}` ended with {done.returncode}; its reason is above")
    return status


def free_port(host: str) -> int:
    """Return a port that is free on the loopback and on another address of this machine.

    It is none that the kernel gives to outgoing connections: one of a hundred of these could have it before the studio does.
    """
    for _ in range(50):
        port = random.randrange(20_000, 30_000)
        with socket.socket() as here, socket.socket() as there:
            try:
                here.bind(("127.0.0.1", port))
                if host != "127.0.0.1":
                    there.bind((host, port))
            except OSError:
                continue
            return port
    raise NotThereError(f"no port is free on 127.0.0.1 and {host}")


def without_ours(environment: dict[str, str]) -> dict[str, str]:
    """Return an environment without the settings of another studio, but with its cache of what was built."""
    kept = {name: value for name, value in environment.items() if not name.startswith(_FOREIGN)}
    return kept | ({"MOORING_CACHE": environment["MOORING_CACHE"]} if environment.get("MOORING_CACHE") else {})


def launch(data: Path, log: Path, sandbox: dict[str, Any], host: str, port: int) -> subprocess.Popen[bytes]:
    """Start `mooring up` on a data folder; it is not ready yet."""
    environment = (
        without_ours(dict(os.environ))
        | of_studio(sandbox)
        | database_of(data)
        | {
            "MOORING_DATA": str(data),
            "MOORING_LISTEN": ",".join(dict.fromkeys((f"127.0.0.1:{port}", f"{host}:{port}"))),
            "MOORING_POD_URL": f"http://{host}:{port}",
            # The sandbox has no load balancer: nobody waits two minutes to be told.
            "MOORING_EXTENSION_ADDRESS_SECONDS": "15",
            # Where no container starts any name will do.
            "MOORING_RUNNER_IMAGE": (sandbox.get("images") or {}).get("runner", "mooring.local/runner:simulated"),
        }
    )
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        command = [sys.executable, "-m", "mooring", "up", "--no-browser"]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, preexec_fn=_leash)


def _leash() -> None:
    """Have the kernel end the studio when who started it dies, however that happens: it would go on with the cluster."""
    if _LIBC is not None:
        _LIBC.prctl(1, int(signal.SIGTERM))


def _end(log: Path, lines: int) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False
