"""The original's examples for Kubernetes endpoints are deployed and called as they are; they are not part of this repository."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.serving import until
from tests.jobs.spec.test_acceptance import SNAPSHOT, Snapshot
from tests.studio_process import Studio

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(420),
    pytest.mark.skipif(not SNAPSHOT, reason="set MOORING_AZML_EXAMPLES to a clone of Azure/azureml-examples"),
]
ONLINE = "cli/endpoints/online"


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Have the examples as files, beside the models and the code that they name."""
    snapshot = Snapshot(Path(SNAPSHOT))
    if not snapshot.bare:
        return snapshot.root / ONLINE / "kubernetes"
    parts = [f"{ONLINE}/{part}" for part in ("kubernetes", "model-1", "model-2")]
    packed = subprocess.run(["git", "-C", snapshot.root, "archive", "HEAD", *parts], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", tmp_path], check=True, input=packed)
    return tmp_path / ONLINE / "kubernetes"


@pytest.fixture
def removed(studio: Studio) -> Iterator[None]:
    """Leave no endpoint behind."""
    yield
    studio.cli("online-endpoint", "delete", "-n", "my-endpoint", "--yes", check=False)


@pytest.mark.usefixtures("tls_router", "removed")
def test_every_kubernetes_example_is_deployed_with_nothing_but_the_compute_replaced(studio: Studio, examples: Path) -> None:
    def answered(*words: str) -> Any:
        request = str(examples / "sample-request.json")
        done = studio.cli("online-endpoint", "invoke", "-n", "my-endpoint", "-r", request, *words, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    studio.cli("online-endpoint", "create", "-f", str(examples / "kubernetes-endpoint.yml"), "--set", f"compute={studio.compute}")
    studio.cli("online-deployment", "create", "-f", str(examples / "kubernetes-blue-deployment.yml"), "--all-traffic")
    # What the example's own documentation shows for this request.
    assert [round(one, 3) for one in until(answered, seconds=60)] == [11055.977, 4503.080]
    studio.cli("online-deployment", "create", "-f", str(examples / "kubernetes-green-deployment.yml"))
    studio.cli("online-endpoint", "update", "-n", "my-endpoint", "--traffic", "blue=90 green=10")
    assert until(lambda: answered("-d", "green")) == [0.5, 0.5]
    shown = json.loads(studio.cli("online-endpoint", "show", "my-endpoint", "-o", "json").stdout)
    assert (shown["status"], shown["traffic"], shown["tags"]) == ("ready", {"blue": 90, "green": 10}, {"tag1": "endpoint-tag1-value"})
