"""A cluster and a studio that may be broken: nobody else uses them, and each test finds them whole."""

from __future__ import annotations

import base64
import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from benchmarks.process import SANDBOX_SECONDS, sandbox
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import connection
from tests.cluster.test_main_job import browserless
from tests.faults.breaking import Cluster, answers, small_disk, tidy_machine
from tests.studio_process import Studio, furnished, start

NAME = os.environ.get("MOORING_FAULTS_SANDBOX", "faults")
HERE = Path(__file__).parent
# So small that it is full in a moment, so large that what one run leaves fits.
DISK = "300m"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here, so that no other target takes it."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.faults)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(420))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Bring up a cluster of its own, a full node; it is removed afterwards when it was not there before."""
    if os.geteuid() != 0:
        pytest.skip("a full node, and breaking it, takes root")
    tidy_machine()
    before = sandbox("status", "--name", NAME, seconds=60)
    # It is given up after a few deaths in a row, as a command; here each is meant.
    status = sandbox("up", "--name", NAME, seconds=SANDBOX_SECONDS)
    try:
        yield Cluster(NAME, status)
    finally:
        if before.get("state") == "absent":
            sandbox("down", "--name", NAME, "--purge", seconds=180)


@pytest.fixture(scope="session")
def kube(cluster: Cluster) -> Iterator[KubeClient]:
    """Give a client of the cluster with all rights, which no test takes away."""
    with KubeClient(connection(Path(cluster.status["kubeconfig"]).read_text(encoding="utf-8")), timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def account(cluster: Cluster, kube: KubeClient, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """Make an account of the cluster for the studio, whose credentials can be revoked."""
    folder = tmp_path_factory.mktemp("account")
    return Account(kube, Path(cluster.status["kubeconfig"]), folder / "kubeconfig")


class Account:
    """An account with all rights and a token; a new token makes the old one worthless when that is revoked."""

    def __init__(self, kube: KubeClient, admin: Path, file: Path) -> None:
        self.kube, self.admin, self.file = kube, admin, file
        self.number = 0
        self.name = f"studio-{os.getpid()}"
        metadata = {"name": self.name}
        kube.create(kinds.SERVICE_ACCOUNT, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}, "default")
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        subjects = [{"kind": "ServiceAccount", "name": self.name, "namespace": "default"}]
        binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": metadata}
        kube.create(kinds.CLUSTER_ROLE_BINDING, {**binding, "roleRef": role, "subjects": subjects})
        self.renew()

    @property
    def secret(self) -> str:
        return f"{self.name}-{self.number}"

    def renew(self) -> str:
        """Make another token and return the kubeconfig with it."""
        self.number += 1
        metadata = {"name": self.secret, "annotations": {"kubernetes.io/service-account.name": self.name}}
        manifest = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token", "metadata": metadata}
        self.kube.create(kinds.SECRET, manifest, "default")
        deadline = time.monotonic() + 30
        while not (token := (self.kube.get(kinds.SECRET, self.secret, "default").get("data") or {}).get("token")):
            assert time.monotonic() < deadline, "the account got no token"
            time.sleep(0.1)
        content: dict[str, Any] = yaml.safe_load(self.admin.read_text(encoding="utf-8"))
        for user in content["users"]:
            user["user"] = {"token": base64.b64decode(token).decode()}
        self.file.write_text(yaml.safe_dump(content), encoding="utf-8")
        return self.file.read_text(encoding="utf-8")

    def revoke(self) -> None:
        """Make the present token worthless."""
        self.kube.delete(kinds.SECRET, self.secret, "default")


@pytest.fixture(scope="session")
def running_studio(cluster: Cluster, account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Run a studio on a small disk, attached to the cluster by an account."""
    folder = tmp_path_factory.mktemp("studio")
    with small_disk(folder / "data", DISK):
        status = cluster.status | {"kubeconfig": str(account.file)}
        with furnished(start(folder / "data", folder / "studio.log", status)) as one:
            yield one


@pytest.fixture
def studio(running_studio: Studio, kube: KubeClient) -> Iterator[Studio]:
    """Give the studio once it and its cluster are whole, whatever the test before did to them."""
    whole_again(running_studio, kube)
    yield running_studio
    _leave_nothing_running(running_studio)


@pytest.fixture(scope="session")
def person(running_studio: Studio) -> Iterator[httpx.Client]:
    """Give a person who has signed in, without a browser."""
    with contextlib.closing(browserless(running_studio)) as client:
        yield client


def whole_again(one: Studio, kube: KubeClient) -> None:
    """Wait until the studio answers and sees its cluster, and the cluster takes work."""
    if one.process.poll() is not None:
        one.again()
    deadline = time.monotonic() + 150
    while not answers(kube):
        assert time.monotonic() < deadline, "the cluster is not whole again"
        time.sleep(0.2)
    one.until(lambda: is_ready(one), seconds=120, what="the studio to be ready")
    one.until(lambda: _sees(one), seconds=120, what=lambda: f"the cluster to be seen ({one.client.clusters.get(one.cluster)})")


def is_ready(one: Studio) -> bool:
    """Tell whether the studio says that it is ready, Redis included."""
    with contextlib.suppress(httpx.TransportError, ValueError):
        answer = httpx.get(f"{one.url}/readyz", timeout=5)
        return answer.status_code == 200 and set(answer.json()["checks"].values()) == {"ok"}
    return False


def _sees(one: Studio) -> bool:
    return one.client.clusters.get(one.cluster).status in ("ready", "degraded") and one.client.computes.get(one.compute).status == "ready"


def _leave_nothing_running(one: Studio) -> None:
    """Cancel what a test that failed has left running: two cores are few."""
    with contextlib.suppress(Exception):
        for job in one.client.jobs.list(most=20):
            if not one.client.jobs.get(job.name).is_final:
                one.client.jobs.cancel(job.name)
