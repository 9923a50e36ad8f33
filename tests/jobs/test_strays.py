"""A Job that was deleted here is taken out when it comes back with its cluster; any other without a row stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from compute.connections import kube_client
from compute.kube import kinds
from compute.models import Compute
from jobs import observing
from jobs.models import Job
from jobs.services import delete_job, erase_job
from jobs.strays import remove_strays
from tests.conftest import People
from tests.fakekube import FakeKube
from tests.jobs.conftest import NAMESPACE

pytestmark = pytest.mark.django_db
Nudges = list[tuple[str, int]]


@pytest.fixture
def deleted(make_job: Callable[..., Job], people: People, nudges: Nudges) -> tuple[str, str]:
    """Delete a job; return its id and name."""
    job = make_job("Completed", cleaned=True)
    id, name = str(job.pk), job.name
    delete_job(people.contributor, job)
    erase_job(job.pk)
    assert not Job.objects.exists()
    return id, name


def made(fakekube: FakeKube, id: str, name: str) -> dict[str, Any]:
    """Put a Job into the cluster as the studio makes them."""
    labels = {"app.kubernetes.io/managed-by": "mooring", "mooring.dev/kind": "job", "mooring.dev/id": id, "mooring.dev/workspace": "team"}
    metadata = {"name": f"mj-{id}", "namespace": NAMESPACE, "labels": labels, "annotations": {"mooring.dev/job": name}}
    return fakekube.store.create(kinds.JOB, NAMESPACE, {"metadata": metadata, "spec": {"template": {"spec": {"containers": []}}}})


def left(compute: Compute) -> list[str]:
    return [each["metadata"]["name"] for each in kube_client(compute.cluster).list(kinds.JOB, NAMESPACE)]


def test_a_deleted_job_that_is_back_is_taken_out_and_one_with_a_row_stays(
    compute: Compute, deleted: tuple[str, str], make_job: Callable[..., Job], fakekube: FakeKube
) -> None:
    made(fakekube, *deleted)
    job = make_job("Running", id=int(deleted[0]) + 100)
    made(fakekube, str(job.pk), job.name)
    remove_strays(compute.cluster_id)
    assert left(compute) == [f"mj-{job.pk}"]


def test_one_that_was_submitted_after_the_backup_of_this_database_is_left_to_its_owner(
    compute: Compute, deleted: tuple[str, str], fakekube: FakeKube
) -> None:
    made(fakekube, "4711", "made_after_the_backup")
    made(fakekube, deleted[0], "of_another_studio")
    remove_strays(compute.cluster_id)
    assert set(left(compute)) == {"mj-4711", f"mj-{deleted[0]}"}


def test_the_watch_asks_for_it_only_where_it_is_ours_and_not_going_already(
    compute: Compute, deleted: tuple[str, str], fakekube: FakeKube, nudges: Nudges, django_capture_on_commit_callbacks: Any
) -> None:
    stray = made(fakekube, *deleted)
    elsewhere = stray | {"metadata": stray["metadata"] | {"namespace": "of-others"}}
    going = stray | {"metadata": stray["metadata"] | {"deletionTimestamp": "2024-01-15T12:00:00Z"}}
    nudges.clear()
    with django_capture_on_commit_callbacks(execute=True):
        for thing in (elsewhere, going):
            observing.changed(compute.cluster_id, "Job", "MODIFIED", thing)
        observing.changed(compute.cluster_id, "Job", "DELETED", stray)
    assert nudges == []
    with django_capture_on_commit_callbacks(execute=True):
        observing.changed(compute.cluster_id, "Job", "ADDED", stray)
    assert nudges == [("jobs.remove_strays", compute.cluster_id)]
