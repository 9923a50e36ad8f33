"""An endpoint on a compute, with deployments in whatever state a test needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from compute.extension.models import Extension, ExtensionStatus
from compute.models import Cluster, Compute, InstanceType, Node
from endpoints.models import Deployment, Endpoint, Replica, Revision
from tests.conftest import People

ADDRESS = "https://scoring.example.test:30443"


@pytest.fixture
def cluster(db: None) -> Cluster:
    """Make a ready cluster whose router answers."""
    now = timezone.now()
    made = Cluster.objects.create(name="gpu-a", server="https://127.0.0.1:1", status="ready", seen_at=now)
    room = {"cpu": 8, "memory": 32 * 2**30, "pods": 110, "exact": {"cpu": "8", "memory": "32Gi", "pods": "110"}}
    Node.objects.create(cluster=made, name="node-a", uid="1", ready=True, seen_at=now, allocatable=room, capacity=room)
    for name, cores, default in (("small", "1", True), ("large", "4", False)):
        sizes = {"cpu": cores, "memory": "2Gi"}
        spec = {"resources": {"requests": sizes, "limits": sizes}}
        InstanceType.objects.create(cluster=made, group="mooring.dev", name=name, spec=spec, is_default=default)
    settings = {"enableInference": True, "inferenceRouterServiceType": "nodePort", "sslCname": "scoring.example.test"}
    router = {"ready": True, "base_url": ADDRESS, "scheme": "https", "host": "scoring.example.test", "port": 30443, "address": "10.0.0.1"}
    Extension.objects.create(cluster=made, status=ExtensionStatus.READY, settings=settings, router=router, revision=1)
    return made


@pytest.fixture
def compute(people: People, cluster: Cluster) -> Compute:
    """Give the team's workspace a compute on the cluster."""
    return Compute.objects.create(workspace=people.workspace, cluster=cluster, name="local", namespace="mooring-team", status="ready")


@pytest.fixture
def make_endpoint(people: People, compute: Compute) -> Callable[..., Endpoint]:
    """Return a function that makes an endpoint's row."""

    def make(name: str = "flowers", status: str = "ready", **values: Any) -> Endpoint:
        given = {
            "workspace": people.workspace, "compute": compute, "cluster": compute.cluster, "compute_name": compute.name,
            "namespace": compute.namespace, "created_by": people.contributor,
        }  # fmt: skip
        return Endpoint.objects.create(name=name, status=status, **{**given, **values})

    return make


@pytest.fixture
def make_deployment(people: People) -> Callable[..., Deployment]:
    """Return a function that gives an endpoint a deployment with one good revision and its ready replicas."""

    def make(endpoint: Endpoint, name: str = "blue", status: str = "ready", *, count: int = 1, ready: int = 1, **values: Any) -> Deployment:
        spec = {
            "image": "registry.example/python:1", "image_asked": "python:3.11", "scoring_script": "score.py", "instance_type": "small",
            "model": {"name": "flowers", "version": "1", "digest": "sha256:" + "0" * 64, "base_name": "model", "is_file": False},
            "environment_variables": {}, "request_settings": {"request_timeout_ms": 5000, "max_concurrent_requests_per_instance": 1,
                                                              "max_queue_wait_ms": 500},
        }  # fmt: skip
        given = {"instance_count": count, "observed": {"wanted": count, "ready": ready}, "created_by": people.contributor}
        made = Deployment.objects.create(endpoint=endpoint, name=name, status=status, **{**given, **values})
        revision = Revision.objects.create(
            deployment=made, number=1, spec=spec, status="good", created_by=people.contributor, ready_at=timezone.now()
        )
        Deployment.objects.filter(pk=made.pk).update(wanted=revision, current=revision, good=revision)
        for index in range(count):
            Replica.objects.create(
                deployment=made, revision=1, pod_uid=f"{made.pk}-{index}", pod_name=f"md-{made.pk}-{index}", node="node-a", phase="Running",
                state="ready" if index < ready else "warming", ready=index < ready, created_at=timezone.now(),
            )  # fmt: skip
        made.refresh_from_db()
        return made

    return make
