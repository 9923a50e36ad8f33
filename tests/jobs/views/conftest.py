"""A workspace with a compute that takes jobs, and jobs in whatever state a test needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from compute.models import Cluster, Compute, InstanceType, Node
from jobs.models import Job, Output, Process
from studio.assets.services import store
from tests.conftest import People

YAML = "command: echo ${{inputs.word}}\nenvironment:\n  image: python:3.11\ninputs:\n  word: hello\ncompute: azureml:local\n"


@pytest.fixture
def compute(people: People) -> Compute:
    """Make a ready compute with one node and two instance types."""
    now = timezone.now()
    cluster = Cluster.objects.create(name="gpu-a", server="https://127.0.0.1:1", status="ready", seen_at=now)
    room = {"cpu": 8, "memory": 32 * 2**30, "pods": 110, "exact": {"cpu": "8", "memory": "32Gi", "pods": "110"}}
    Node.objects.create(cluster=cluster, name="node-a", uid="1", ready=True, seen_at=now, allocatable=room, capacity=room)
    for name, cores, default in (("small", "1", True), ("large", "4", False)):
        sizes = {"cpu": cores, "memory": "2Gi"}
        spec = {"resources": {"requests": sizes, "limits": sizes}}
        InstanceType.objects.create(cluster=cluster, group="mooring.dev", name=name, spec=spec, is_default=default)
    return Compute.objects.create(workspace=people.workspace, cluster=cluster, name="local", namespace="mooring-team", status="ready")


@pytest.fixture
def make_job(people: People, compute: Compute) -> Callable[..., Job]:
    """Return a function that makes a job's row; times are seconds ago."""

    def make(status: str = "Completed", *, started: float | None = 60, lasted: float | None = 30, **values: Any) -> Job:
        now = timezone.now()
        given = {
            "workspace": people.workspace, "submitted_by": people.contributor, "yaml": YAML, "command": "echo hello",
            "image": "python:3.11", "image_asked": "python:3.11", "compute": compute, "cluster": compute.cluster,
            "compute_name": compute.name, "namespace": compute.namespace, "instance_type": "small",
            "inputs": {"word": {"value": "hello"}},
        }  # fmt: skip
        start = now - timedelta(seconds=started) if started is not None else None
        end = start + timedelta(seconds=lasted) if start and lasted is not None else None
        return Job.objects.create(**{**given, "status": status, "started_at": start, "ended_at": end, **values})

    return make


@pytest.fixture
def make_process() -> Callable[..., Process]:
    """Return a function that gives a job a process with a log."""

    def make(job: Job, log: bytes = b"", *, index: int = 0, attempt: int = 1, **values: Any) -> Process:
        uid = f"pod-{job.pk}-{index}-{attempt}"
        process = Process.objects.create(job=job, index=index, attempt=attempt, pod_uid=uid, pod_name=uid, **values)
        process.log_path().parent.mkdir(parents=True, exist_ok=True)
        process.log_path().write_bytes(log)
        return process

    return make


@pytest.fixture
def make_output() -> Callable[..., Output]:
    """Return a function that gives a job an output file."""

    def make(job: Job, path: str, content: bytes, root: str = "artifacts") -> Output:
        kept = store().put(content)
        return Output.objects.create(job=job, root=root, path=path, size=kept.size, digest=kept.digest)

    return make
