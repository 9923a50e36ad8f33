"""A compute on a fake API server, a job's row on it, and pods as a cluster would tell of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from compute.models import Cluster, Compute, InstanceType
from jobs.models import Job, Process
from jobs.observe import Seen, observe
from studio.core import nudge
from tests.conftest import People
from tests.fakekube import FakeKube

YAML = "command: echo hello\nenvironment:\n  image: python:3.11\ncompute: azureml:local\n"
NAMESPACE = "mooring-team"
# The cluster's clock tells whole seconds.
START = datetime(2024, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
def compute(people: People, fakekube: FakeKube) -> Compute:
    """Make a ready compute whose namespace is there, with one instance type."""
    fakekube.namespace(NAMESPACE)
    cluster = Cluster.objects.create(
        name="gpu-a", server=fakekube.url, credentials=fakekube.kubeconfig(), context="fake", status="ready",
        seen_at=timezone.now(), pods_reach_studio=True,
    )  # fmt: skip
    spec = {
        "nodeSelector": {"pool": "cpu"},
        "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
    }
    InstanceType.objects.create(cluster=cluster, group="mooring.dev", name="small", spec=spec, is_default=True)
    return Compute.objects.create(workspace=people.workspace, cluster=cluster, name="local", namespace=NAMESPACE, status="ready")


@pytest.fixture
def studio_address(settings: Any) -> None:
    """Give the studio the address and the image that its settings need before a job can run."""
    settings.STUDIO_URL_FOR_PODS = "http://10.0.0.1:8080"
    settings.RUNNER_IMAGE = "registry/runner:1"


@pytest.fixture
def make_job(people: People, compute: Compute, studio_address: None) -> Callable[..., Job]:
    """Return a function that makes a job's row."""

    def make(status: str = "NotStarted", **values: Any) -> Job:
        given = {
            "workspace": people.workspace, "submitted_by": people.contributor, "yaml": YAML, "command": "echo hello",
            "image": "python:3.11", "image_asked": "python:3.11", "compute": compute, "cluster": compute.cluster,
            "compute_name": compute.name, "namespace": compute.namespace, "instance_type": "small", "token": "the-token",
        }  # fmt: skip
        job = Job.objects.create(**{**given, "status": status, **values})
        job.transitions.create(old="", status=status, at=job.created_at)
        # The pods of these tests lived at START: a row is never older than what is seen of it.
        Job.objects.filter(pk=job.pk).update(status_at=START - timedelta(minutes=1))
        job.refresh_from_db()
        return job

    return make


@pytest.fixture(autouse=True)
def _own_folder(settings: Any, tmp_path: Path) -> None:
    """Keep logs in a folder of each test's own: rows get the same ids again and again."""
    settings.RUNS = tmp_path / "runs"


@pytest.fixture
def nudges(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Collect the messages that would wake a worker."""
    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(nudge, "_send", lambda task, row_id, last: sent.append((task, row_id)))
    return sent


def at(seconds: float) -> str:
    """Return a time as the API server writes it."""
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


_RUNNER = {"name": "runner", "state": {"running": {"startedAt": at(12)}}}
_PREPARED = {"name": "prepare", "state": {"terminated": {"exitCode": 0, "startedAt": at(5), "finishedAt": at(10)}}}
_SCHEDULED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(2)}


def pod(stage: str = "running", *, uid: str = "pod-a", index: int = 0, created: float = 0, **status: Any) -> dict[str, Any]:
    """Return a pod as clusters tell of it at a stage of its life; `status` overrides parts of it."""
    stages: dict[str, dict[str, Any]] = {
        "created": {"phase": "Pending"},
        "unschedulable": {
            "phase": "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                 "message": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."}
            ],
        },
        "scheduled": {"phase": "Pending", "conditions": [_SCHEDULED]},
        "preparing": {
            "phase": "Pending",
            "conditions": [_SCHEDULED],
            "initContainerStatuses": [{"name": "prepare", "state": {"running": {"startedAt": at(5)}}}],
        },
        "starting": {
            "phase": "Pending",
            "conditions": [_SCHEDULED],
            "initContainerStatuses": [_PREPARED, _RUNNER],
            "containerStatuses": [{"name": "job", "image": "python:3.11", "state": {"waiting": {"reason": "ContainerCreating"}}}],
        },
        "running": {
            "phase": "Running",
            "conditions": [_SCHEDULED],
            "initContainerStatuses": [_PREPARED, _RUNNER],
            "containerStatuses": [{"name": "job", "image": "python:3.11", "state": {"running": {"startedAt": at(15)}}}],
        },
        "ended": {
            "phase": "Running",
            "conditions": [_SCHEDULED],
            "initContainerStatuses": [_PREPARED, _RUNNER],
            "containerStatuses": [ended(0)],
        },
    }  # fmt: skip
    annotations = {"batch.kubernetes.io/job-completion-index": str(index)}
    return {
        "metadata": {"name": f"mj-1-{index}-{uid}", "uid": uid, "annotations": annotations, "creationTimestamp": at(created)},
        "spec": {
            "nodeName": "" if stage in {"created", "unschedulable"} else "node-a",
            "containers": [{"name": "job", "resources": {"limits": {"memory": "2Gi"}}}],
        },
        "status": {**copy.deepcopy(stages[stage]), **status},
    }


def ended(code: int, reason: str = "", **more: Any) -> dict[str, Any]:
    """Return the status of a command's container that has ended."""
    told = {"exitCode": code, "reason": reason or ("Completed" if code == 0 else "Error")}
    return {"name": "job", "image": "python:3.11", "state": {"terminated": {**told, "startedAt": at(15), "finishedAt": at(25), **more}}}


def seen(stage: str = "running", **how: Any) -> Seen:
    """Return what is made of a pod at a stage of its life."""
    return observe(pod(stage, **how), now=START + timedelta(seconds=26))


def exited(code: int = 0, *, log_bytes: int = 0, **more: Any) -> dict[str, Any]:
    """Return what the entrypoint writes of a command's end."""
    times = {"started": "2024-01-15T12:00:15.250000+00:00", "ended": "2024-01-15T12:00:24.500000+00:00"}
    return {"code": code, "signal": None, "reason": "exited", "error": None, "log_bytes": log_bytes, **times, **more}


def write_log(process: Process, log: bytes) -> None:
    """Keep bytes as the process's log."""
    process.log_path().parent.mkdir(parents=True, exist_ok=True)
    process.log_path().write_bytes(log)
