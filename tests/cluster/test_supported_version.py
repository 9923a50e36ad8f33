"""A studio on the Kubernetes that `make test-versions` has brought up: the oldest or the newest that is supported."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest

from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.preflight import OLDEST, version_of
from tests.studio_process import Studio, clean_up, start, stop

SIZE = {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}}
NAMED = os.environ.get("MOORING_TEST_SANDBOX", "")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not NAMED, reason="`make test-versions` runs it, on clusters of its own"),
]


@pytest.fixture(scope="module")
def attached(sandbox: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Run a studio with that cluster and a compute on it."""
    folder = tmp_path_factory.mktemp("version")
    one = start(folder / "data", folder / "studio.log", sandbox)
    try:
        one.furnish()
        yield one
    finally:
        with contextlib.suppress(Exception):
            clean_up(one)
        stop(one)


def test_it_is_attached_with_its_version(attached: Studio, kube: KubeClient) -> None:
    cluster = attached.client.clusters.get(attached.cluster)
    assert cluster.answer["kubernetes_version"] == kube.version()["gitVersion"]
    assert version_of(kube.version()["gitVersion"]) >= OLDEST
    assert kube.has_api(kinds.INSTANCE_TYPE)


def test_an_instance_type_is_made_read_and_removed(attached: Studio, kube: KubeClient) -> None:
    attached.client.clusters.create_instance_type(attached.cluster, "test-size", SIZE)
    assert kube.get(kinds.INSTANCE_TYPE, "test-size")["spec"]["resources"]["limits"]["memory"] == "1Gi"
    attached.client.clusters.delete_instance_type(attached.cluster, "test-size")
    attached.until(lambda: kube.find(kinds.INSTANCE_TYPE, "test-size") is None, what="the instance type to be gone")


def test_a_jobs_pod_keeps_its_native_sidecar_and_is_scheduled(attached: Studio, kube: KubeClient) -> None:
    job = attached.submit("type: command\nenvironment: {image: 'python:3.12'}\ncommand: echo no container runs\n")

    def placed() -> dict[str, Any] | None:
        pods = kube.list(kinds.POD, attached.namespace, labels={"mooring.dev/kind": "job"})
        return next((pod for pod in pods if pod["spec"].get("nodeName")), None)

    pod = attached.until(placed, seconds=60, what=f"the pod of {job.name} to be placed")
    sidecars = [each["name"] for each in pod["spec"]["initContainers"] if each.get("restartPolicy") == "Always"]
    assert sidecars == ["runner"]
    attached.client.jobs.cancel(job.name)
    attached.ended(job.name)
