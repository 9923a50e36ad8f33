"""The real cluster that the tests marked ``cluster`` run against."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import connection
from tests.cluster.sweeping import claim

ROOT = Path(__file__).parents[2]
RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
    "mooring.dev/test": "yes",
}
UP_SECONDS = 45 * 60  # with empty caches Kubernetes itself is built


@pytest.fixture(scope="session")
def sandbox() -> dict[str, Any]:
    """Return the sandbox's status, brought up if it is not."""
    status = _sandbox("status", seconds=60)
    status = status if status.get("state") == "up" else _sandbox("up", seconds=UP_SECONDS)
    claim(status)
    return status


@pytest.fixture(scope="session")
def kubeconfig(sandbox: dict[str, Any]) -> str:
    """Return the text of the sandbox's kubeconfig."""
    return Path(sandbox["kubeconfig"]).read_text()


@pytest.fixture(scope="session")
def real_pods(sandbox: dict[str, Any]) -> dict[str, str]:
    """Return the images for pods; skip where the nodes are simulated and no container runs."""
    if sandbox.get("simulated"):
        pytest.skip("the nodes are simulated: no container runs")
    return dict(sandbox["images"])


@pytest.fixture(scope="session")
def kube(kubeconfig: str) -> Iterator[KubeClient]:
    """Give a client of the sandbox with all rights."""
    with KubeClient(connection(kubeconfig), timeout=30) as client:
        yield client


@pytest.fixture
def namespace(kube: KubeClient) -> Iterator[str]:
    """Give a test a namespace of its own that enforces the restricted level, and remove it afterwards."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
    kube.create(kinds.NAMESPACE, manifest)
    yield name
    kube.delete(kinds.NAMESPACE, name)


def _sandbox(command: str, *, seconds: float) -> dict[str, Any]:
    named = os.environ.get("MOORING_TEST_SANDBOX")
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", command, "--json", *(["--name", named] if named else [])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    try:
        status = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        status = None
    if not isinstance(status, dict) or (done.returncode and command == "up"):
        pytest.fail(f"python -m sandbox {command} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return status
