"""A cluster of its own with the studio in it, installed by Helm from images made from deploy/images: two of each on PostgreSQL."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.process import SANDBOX_SECONDS, sandbox
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import connection
from compute.kube.errors import KubeError
from mooring.client import Client
from mooring.client.sign_in import token_for
from sandbox.kubectl import binary
from tests.deploy.conftest import CHART
from tests.studio_process import ROOT, without_ours

NAME = os.environ.get("MOORING_CHART_SANDBOX", "chart")
HERE = Path(__file__).parent
RELEASE, NAMESPACE, TEAM = "mooring", "studio", "team-a"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest"}
READY_SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here, so that no other target takes it."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.chart)
            item.add_marker(pytest.mark.timeout(1800))


@dataclass
class InCluster:
    """A cluster, the programs to talk to it, and the studio that runs in it."""

    kube: KubeClient
    helm: str
    kubectl: str
    kubeconfig: str
    images: dict[str, str]
    home: Path
    token: str = ""
    values: tuple[str, ...] = ()
    clients: list[Client] = field(default_factory=list)

    def run_helm(self, *words: str) -> str:
        """Run Helm on the cluster; its words are told when it fails."""
        environment = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "KUBECONFIG": self.kubeconfig}
        done = subprocess.run([self.helm, *words], env=environment, capture_output=True, text=True, timeout=READY_SECONDS + 60, check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.told()}"
        return done.stdout

    def pods(self, component: str = "", namespace: str = NAMESPACE) -> list[dict[str, Any]]:
        """Return the chart's pods that are not on their way out, of one component or all."""
        found = [pod for pod in self.kube.list(kinds.POD, namespace=namespace) if not pod["metadata"].get("deletionTimestamp")]
        return [pod for pod in found if component in ("", pod["metadata"]["labels"].get("app.kubernetes.io/component"))]

    def ready(self, component: str) -> list[dict[str, Any]]:
        """Return the pods of a component that are ready."""
        return [pod for pod in self.pods(component) if is_ready(pod)]

    def secret(self, name: str, key: str, namespace: str = NAMESPACE) -> str:
        """Return a value of a Secret."""
        return base64.b64decode(self.kube.get(kinds.SECRET, name, namespace)["data"][key]).decode()

    def address(self, namespace: str = NAMESPACE) -> str:
        """Return the address of the studio's Service, which this machine reaches as pods do."""
        return f"http://{self.kube.get(kinds.SERVICE, RELEASE, namespace)['spec']['clusterIP']}"

    def client(self) -> Client:
        """Return a client of the studio, signed in as its first administrator."""
        self.token = self.token or token_for(self.address(), "admin", self.secret("mooring-administrator", "password"))
        self.clients.append(Client(self.address(), self.token, workspace="demo"))
        return self.clients[-1]

    def command(self, *words: str) -> list[str]:
        """Return a `mooring` command."""
        return [sys.executable, "-m", "mooring", *words]

    def surroundings(self) -> dict[str, str]:
        """Return the environment of a person who has signed in with `mooring login`."""
        return without_ours(dict(os.environ)) | {"MOORING_URL": self.address(), "MOORING_TOKEN": self.token, "MOORING_DATA": str(self.home)}

    def until(self, condition: Callable[[], Any], *, seconds: float = 90, what: str) -> Any:
        """Ask again until the answer is true; fails with what the pods say when it never was."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(httpx.TransportError, KubeError):
                if found := condition():
                    return found
            assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s\n{self.told()}"
            time.sleep(0.3)

    def told(self) -> str:
        """Return how the pods are, what happened to them, and the end of what each printed."""
        lines = []
        for pod in self.kube.list(kinds.POD, namespace=NAMESPACE):
            name, status = pod["metadata"]["name"], pod["status"]
            states = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
            lines.append(f"{name}: {status.get('phase')} {[(one['name'], one['ready'], one['restartCount'], one['state']) for one in states]}")
            for one in states:
                with contextlib.suppress(KubeError):
                    lines.append(self.kube.logs(NAMESPACE, name, one["name"], tail=15).read().decode(errors="replace"))
        for event in self.kube.list(kinds.EVENT, namespace=NAMESPACE)[-20:]:
            lines.append(f"{event.get('reason')}: {event.get('message')}")
        return "\n".join(lines)


def is_ready(pod: dict[str, Any]) -> bool:
    """Tell whether a pod is ready."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InCluster]:
    """Bring up a full node of its own, with the studio's images; it is removed afterwards when it was not there before."""
    if os.geteuid() != 0:
        pytest.skip("a full node takes root")
    before = sandbox("status", "--name", NAME, seconds=60)
    status = sandbox("up", "--name", NAME, seconds=SANDBOX_SECONDS)
    try:
        images = sandbox("images", "--studio", "--name", NAME, seconds=SANDBOX_SECONDS)["images"]
        path = Path(status["kubeconfig"])
        with KubeClient(connection(path.read_text(encoding="utf-8")), timeout=30) as kube:
            found = InCluster(kube, status["programs"]["helm"], str(binary(status["version"])), str(path), images, tmp_path_factory.mktemp("home"))
            yield found
            for client in found.clients:
                client.close()
    finally:
        if before.get("state") == "absent":
            sandbox("down", "--name", NAME, "--purge", seconds=180)


@pytest.fixture(scope="session")
def studio(cluster: InCluster) -> InCluster:
    """Install the studio as an operator would: two web replicas, two workers, PostgreSQL and Redis, in a restricted namespace."""
    for name in (NAMESPACE, TEAM):
        if cluster.kube.find(kinds.NAMESPACE, name) is None:
            cluster.kube.create(kinds.NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})
    cluster.values = (
        *("-f", str(CHART / "examples" / "trial.yaml")),
        *("--set", f"image={cluster.images['studio']}", "--set", f"runnerImage={cluster.images['runner']}"),
        *("--set", f"redis.image={cluster.images['redis']}", "--set", f"postgresql.image={cluster.images['postgresql']}"),
        *("--set", f"rbac.namespaces={{{TEAM}}}", "--set", "storage.size=2Gi", "--set", "postgresql.storage.size=1Gi"),
    )
    wait = ("--wait", "--timeout", f"{READY_SECONDS}s")
    cluster.run_helm("upgrade", "--install", RELEASE, str(CHART), "-n", NAMESPACE, *cluster.values, *wait)
    return cluster


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str], out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside what is done meanwhile, its output in a file; ended when that is over."""
    with out.open("wb") as file, out.with_suffix(".told").open("wb") as told:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=told)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
