"""A job's objects: made once in its cluster, never made again, and taken out when it is over."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from compute import watching
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.errors import Unreachable
from jobs import launch, observing, services, sweeping
from jobs.models import Job, Process
from jobs.progress import saw_object, settle
from tests.conftest import People
from tests.fakekube import FakeKube
from tests.jobs.conftest import NAMESPACE

pytestmark = pytest.mark.django_db
Make = Callable[..., Job]
POSTED_JOBS = ("POST", f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs")


@pytest.fixture(autouse=True)
def sent(nudges: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return nudges


@pytest.fixture
def kube(fakekube: FakeKube) -> Iterator[KubeClient]:
    yield KubeClient(fakekube.connection())


def posted(fakekube: FakeKube) -> int:
    return sum(1 for method, path in fakekube.requests if (method, path.partition("?")[0]) == POSTED_JOBS)


def foreign_job(kube: KubeClient, job: Job) -> dict[str, Any]:
    manifest = {"metadata": {"name": job.object_name}, "spec": {"template": {"spec": {}}}}
    return kube.create(kinds.JOB, manifest, NAMESPACE)


def test_a_job_and_its_secret_are_made_and_the_uid_is_kept(make_job: Make, kube: KubeClient) -> None:
    job = make_job()
    launch.start_job(job.pk)
    job.refresh_from_db()
    made, secret = (kube.get(kind, job.object_name, NAMESPACE) for kind in (kinds.JOB, kinds.SECRET))
    assert job.status == "Queued" and job.object_uid == made["metadata"]["uid"]
    assert base64.b64decode(secret["data"]["token"]).decode() == "the-token"
    assert secret["metadata"]["ownerReferences"][0]["uid"] == job.object_uid
    assert made["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "cpu"}


def test_a_job_is_made_once_however_often_it_is_started(make_job: Make, fakekube: FakeKube) -> None:
    job = make_job()
    for _ in range(3):
        launch.start_job(job.pk)
    assert posted(fakekube) == 1 and len(fakekube.pods_of(NAMESPACE, job.object_name)) == 1


def test_credentials_that_the_cluster_does_not_take_any_more_keep_a_job_waiting_and_fail_none(make_job: Make, fakekube: FakeKube) -> None:
    job = make_job()
    fakekube.fail(401, method="POST", path="/jobs")
    launch.start_job(job.pk)
    job.refresh_from_db()
    assert (job.status, job.waits_for) == ("Queued", "credentials") and "operator" in job.next_step
    fakekube.heal()
    launch.start_job(job.pk)
    job.refresh_from_db()
    assert job.object_uid and posted(fakekube) >= 1


def test_an_object_that_carries_our_id_is_taken_as_made(make_job: Make, fakekube: FakeKube) -> None:
    job = make_job()
    launch.start_job(job.pk)
    uid = Job.objects.get(pk=job.pk).object_uid
    # Cut off between the answer and the row.
    Job.objects.filter(pk=job.pk).update(object_uid="")
    launch.start_job(job.pk)
    job.refresh_from_db()
    assert job.object_uid == uid and job.status == "Queued"
    assert len(fakekube.pods_of(NAMESPACE, job.object_name)) == 1


def test_a_start_whose_job_did_not_arrive_goes_on(make_job: Make, fakekube: FakeKube) -> None:
    job = make_job()
    fakekube.fail("reset", method="POST", path="/jobs")
    launch.start_job(job.pk)
    job.refresh_from_db()
    assert job.status == "Queued" and not job.object_uid and "does not answer" in job.reason
    fakekube.heal()
    launch.start_job(job.pk)
    assert Job.objects.get(pk=job.pk).object_uid


def test_a_start_that_was_cut_off_before_the_secret_goes_on_when_pods_were_told_of(
    make_job: Make, compute: Any, kube: KubeClient, fakekube: FakeKube, sent: list[tuple[str, int]], django_capture_on_commit_callbacks: Any
) -> None:
    job = make_job()
    fakekube.fail("reset", method="POST", path="/secrets")
    launch.start_job(job.pk)
    (pod,) = fakekube.pods_of(NAMESPACE, job.object_name)
    fakekube.heal()
    observing.changed(compute.cluster.pk, "Pod", "ADDED", fakekube.pod_running(NAMESPACE, pod["metadata"]["name"]))
    job.refresh_from_db()
    assert job.status == "Running" and not job.object_uid
    Job.objects.filter(pk=job.pk).update(status_at=timezone.now() - timedelta(seconds=10))
    with django_capture_on_commit_callbacks(execute=True):
        sent.clear()
        sweeping.sweep()
    assert ("jobs.start", job.pk) in sent
    launch.start_job(job.pk)
    job.refresh_from_db()
    secret = kube.get(kinds.SECRET, job.object_name, NAMESPACE)
    assert job.object_uid and secret["metadata"]["ownerReferences"][0]["uid"] == job.object_uid and posted(fakekube) == 1


def test_a_job_that_went_before_its_uid_was_noted_is_not_made_again(make_job: Make, kube: KubeClient, fakekube: FakeKube) -> None:
    job = make_job("Running")
    Process.objects.create(job=job, index=0, pod_uid="a", pod_name="a", gone=True)
    launch.start_job(job.pk)
    assert posted(fakekube) == 0 and Job.objects.get(pk=job.pk).status == "Failed"


def test_an_object_of_somebody_elses_is_neither_taken_nor_deleted(make_job: Make, kube: KubeClient) -> None:
    job = make_job()
    theirs = foreign_job(kube, job)
    launch.start_job(job.pk)
    job.refresh_from_db()
    assert (job.status, job.problem_id) == ("Failed", "job-refused-by-cluster")
    launch.remove_job(job.pk)
    assert kube.get(kinds.JOB, job.object_name, NAMESPACE)["metadata"]["uid"] == theirs["metadata"]["uid"]
    assert Job.objects.get(pk=job.pk).cleaned


def test_a_secret_of_somebody_elses_is_neither_taken_nor_deleted(make_job: Make, kube: KubeClient) -> None:
    job = make_job()
    kube.create(kinds.SECRET, {"metadata": {"name": job.object_name}, "data": {"password": "eA=="}}, NAMESPACE)
    launch.start_job(job.pk)
    assert Job.objects.get(pk=job.pk).status == "Failed"
    launch.remove_job(job.pk)
    assert kube.get(kinds.SECRET, job.object_name, NAMESPACE)["data"] == {"password": "eA=="}


def test_a_cluster_that_refuses_fails_the_job_with_its_own_words(make_job: Make, fakekube: FakeKube) -> None:
    job = make_job()
    fakekube.fail(403, method="POST", path="/jobs", message="exceeded quota: team-quota")
    launch.start_job(job.pk)
    job.refresh_from_db()
    assert job.status == "Failed" and "exceeded quota: team-quota" in job.reason


def test_a_job_canceled_before_its_start_gets_no_pod(make_job: Make, people: People, fakekube: FakeKube) -> None:
    job = make_job()
    assert services.cancel_job(people.contributor, job).status == "Canceled"
    launch.start_job(job.pk)
    assert not [request for request in fakekube.requests if request[0] == "POST"]
    assert Job.objects.get(pk=job.pk).status == "Canceled"


def test_a_job_canceled_while_it_was_posted_leaves_nothing(
    make_job: Make, people: People, kube: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job()
    create = launch._create

    def slow_create(client: KubeClient, kind: kinds.Kind, manifest: dict[str, Any], row: Job) -> dict[str, Any]:
        if kind == kinds.JOB:
            # Meanwhile a person cancels, and another worker removes what is not there yet.
            services.cancel_job(people.contributor, Job.objects.get(pk=job.pk))
            launch.remove_job(job.pk)
            launch.remove_job(job.pk)
            assert Job.objects.get(pk=job.pk).status == "Canceled"
        return create(client, kind, manifest, row)

    monkeypatch.setattr(launch, "_create", slow_create)
    launch.start_job(job.pk)
    assert kube.list(kinds.JOB, NAMESPACE) == [] and kube.list(kinds.SECRET, NAMESPACE) == []
    assert Job.objects.get(pk=job.pk).status == "Canceled"


def test_an_object_that_appears_after_its_jobs_end_is_removed(
    make_job: Make, compute: Any, kube: KubeClient, sent: list[tuple[str, int]], django_capture_on_commit_callbacks: Any
) -> None:
    job = make_job()
    launch.start_job(job.pk)
    Job.objects.filter(pk=job.pk).update(status="Canceled", cleaned=True)
    with django_capture_on_commit_callbacks(execute=True):
        observing.changed(compute.cluster.pk, "Job", "ADDED", kube.get(kinds.JOB, job.object_name, NAMESPACE))
    assert ("jobs.remove", job.pk) in sent
    launch.remove_job(job.pk)
    assert kube.list(kinds.JOB, NAMESPACE) == []


def test_a_running_job_that_is_canceled_loses_its_pods_at_once(
    make_job: Make, people: People, compute: Any, kube: KubeClient, fakekube: FakeKube
) -> None:
    job = make_job()
    launch.start_job(job.pk)
    (pod,) = fakekube.pods_of(NAMESPACE, job.object_name)
    observing.changed(compute.cluster.pk, "Pod", "MODIFIED", fakekube.pod_running(NAMESPACE, pod["metadata"]["name"]))
    services.cancel_job(people.contributor, Job.objects.get(pk=job.pk))
    launch.remove_job(job.pk)
    assert kube.list(kinds.POD, NAMESPACE) == [] and kube.find(kinds.JOB, job.object_name, NAMESPACE) is None
    assert Job.objects.get(pk=job.pk).status == "Canceled"


def test_a_secret_that_was_left_when_its_job_was_deleted_is_removed(make_job: Make, kube: KubeClient) -> None:
    job = make_job()
    launch.start_job(job.pk)
    kube.delete(kinds.JOB, job.object_name, NAMESPACE, propagation="Orphan")
    Job.objects.filter(pk=job.pk).update(status="Failed")
    assert kube.find(kinds.SECRET, job.object_name, NAMESPACE) is not None
    launch.remove_job(job.pk)
    assert kube.list(kinds.SECRET, NAMESPACE) == []


def test_an_ended_job_is_removed_once_with_its_secret(make_job: Make, kube: KubeClient, fakekube: FakeKube) -> None:
    job = make_job()
    launch.start_job(job.pk)
    Job.objects.filter(pk=job.pk).update(status="Completed")
    launch.remove_job(job.pk)
    assert kube.list(kinds.JOB, NAMESPACE) == [] and kube.list(kinds.SECRET, NAMESPACE) == []
    asked = len(fakekube.requests)
    launch.remove_job(job.pk)
    assert len(fakekube.requests) == asked and Job.objects.get(pk=job.pk).cleaned


def test_a_removal_that_cannot_reach_the_cluster_is_tried_again(make_job: Make, kube: KubeClient, fakekube: FakeKube) -> None:
    job = make_job()
    launch.start_job(job.pk)
    Job.objects.filter(pk=job.pk).update(status="Failed")
    fakekube.fail("reset", method="DELETE")
    launch.remove_job(job.pk)
    assert not Job.objects.get(pk=job.pk).cleaned
    fakekube.heal()
    launch.remove_job(job.pk)
    assert Job.objects.get(pk=job.pk).cleaned and kube.list(kinds.JOB, NAMESPACE) == []


def test_a_job_that_runs_is_never_removed(make_job: Make, kube: KubeClient) -> None:
    job = make_job()
    launch.start_job(job.pk)
    launch.remove_job(job.pk)
    assert len(kube.list(kinds.JOB, NAMESPACE)) == 1


def test_an_object_that_somebody_deleted_is_noticed_and_not_made_again(make_job: Make, kube: KubeClient, fakekube: FakeKube) -> None:
    job = make_job()
    launch.start_job(job.pk)
    launch.verify_job(job.pk)
    assert Job.objects.get(pk=job.pk).status == "Queued"
    kube.delete(kinds.JOB, job.object_name, NAMESPACE)
    launch.verify_job(job.pk)
    job.refresh_from_db()
    assert (job.status, job.problem_id) == ("Failed", "job-object-lost")
    launch.start_job(job.pk)
    assert posted(fakekube) == 1


def test_a_cluster_that_does_not_answer_proves_no_loss(make_job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job("Queued", object_uid="uid-1")

    def nobody(*_: Any, **__: Any) -> None:
        raise Unreachable("no route")

    monkeypatch.setattr(KubeClient, "find", nobody)
    launch.verify_job(job.pk)
    assert Job.objects.get(pk=job.pk).status == "Queued"


def test_a_job_whose_cluster_was_detached_says_so(make_job: Make) -> None:
    job = make_job(cluster=None, compute=None)
    launch.start_job(job.pk)
    assert Job.objects.get(pk=job.pk).problem_id == "job-cluster-detached"


def test_a_job_of_another_studio_on_the_same_cluster_is_left_alone(make_job: Make, compute: Any, kube: KubeClient) -> None:
    job = make_job()
    launch.start_job(job.pk)
    thing = kube.get(kinds.JOB, job.object_name, NAMESPACE)
    thing["metadata"]["namespace"] = "of-another-studio"
    observing.changed(compute.cluster.pk, "Job", "DELETED", thing)
    assert Job.objects.get(pk=job.pk).object_state == ""


def test_after_a_new_list_what_is_missing_is_noted(
    make_job: Make, compute: Any, fakekube: FakeKube, sent: list[tuple[str, int]], django_capture_on_commit_callbacks: Any
) -> None:
    job = make_job()
    launch.start_job(job.pk)
    (pod,) = fakekube.pods_of(NAMESPACE, job.object_name)
    observing.changed(compute.cluster.pk, "Pod", "ADDED", fakekube.pod_running(NAMESPACE, pod["metadata"]["name"]))
    with django_capture_on_commit_callbacks(execute=True):
        observing.listed(compute.cluster.pk, "Job", None, set())
    assert ("jobs.verify", job.pk) in sent
    observing.listed(compute.cluster.pk, "Pod", "another-namespace", set())
    assert Job.objects.get(pk=job.pk).status == "Running"
    with django_capture_on_commit_callbacks(execute=True):
        sent.clear()
        observing.listed(compute.cluster.pk, "Pod", NAMESPACE, set())
    # The list was older than the pod: the cluster has it.
    assert sent == [("jobs.verify", job.pk)]
    launch.verify_job(job.pk)
    assert Job.objects.get(pk=job.pk).status == "Running"
    launch.computes.kube_client(compute.cluster).delete(kinds.POD, pod["metadata"]["name"], NAMESPACE, grace=0)
    launch.verify_job(job.pk)
    assert Job.objects.get(pk=job.pk).problem_id == "job-pod-lost"


def test_a_pod_that_is_told_of_while_the_cluster_is_asked_is_not_lost(make_job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job()
    launch.start_job(job.pk)
    Process.objects.create(job=job, index=0, pod_uid="older", pod_name="older")
    ask = KubeClient.list

    def answer(self: KubeClient, *given: Any, **how: Any) -> Any:
        found = ask(self, *given, **how)
        Process.objects.create(job=job, index=0, pod_uid="newer", pod_name="newer", attempt=2)
        return found

    monkeypatch.setattr(KubeClient, "list", answer)
    launch.verify_job(job.pk)
    assert dict(Process.objects.values_list("pod_uid", "gone")) == {"older": True, "newer": False}


def test_a_job_of_another_studio_in_the_same_namespace_is_neither_taken_nor_told(make_job: Make, compute: Any, kube: KubeClient) -> None:
    job = make_job()
    launch.start_job(job.pk)
    thing = kube.get(kinds.JOB, job.object_name, NAMESPACE)
    thing["metadata"]["annotations"]["mooring.dev/job"] = "of_another_studio"
    observing.changed(compute.cluster.pk, "Job", "DELETED", thing)
    assert Job.objects.get(pk=job.pk).object_state == ""
    assert not launch._is_ours(thing, job)


def test_rows_that_never_move_keep_no_others_from_their_turn(
    make_job: Make, sent: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(sweeping, "MOST", 2)
    sweeping._last.clear()
    jobs = [make_job(name=f"job_{number}").pk for number in range(5)]
    turns = []
    for _ in range(4):
        with django_capture_on_commit_callbacks(execute=True):
            sent.clear()
            sweeping.sweep()
        turns.append([id for task, id in sent if task == "jobs.start"])
    assert [id for turn in turns for id in turn] == [*jobs, *jobs[:3]]


def test_a_job_canceled_before_its_object_came_is_over_without_one(make_job: Make, people: People) -> None:
    job = make_job("Queued")
    services.cancel_job(people.contributor, job)
    saw_object(job, "Gone")
    settle(job.pk)
    assert Job.objects.get(pk=job.pk).status == "Canceled"


def test_a_namespace_is_watched_until_the_last_job_that_was_left_in_it_is_over(make_job: Make, compute: Any) -> None:
    running, ended = make_job("Running"), make_job("Failed", cleaned=True, name="ended", namespace="of-the-ended")
    cluster = compute.cluster
    compute.delete()
    assert watching._namespaces(cluster.pk) == {running.namespace}
    Job.objects.filter(pk=running.pk).update(status="Completed")
    assert watching._namespaces(cluster.pk) == {running.namespace}
    Job.objects.filter(pk=running.pk).update(cleaned=True)
    assert ended.namespace == "of-the-ended" and watching._namespaces(cluster.pk) == set()
