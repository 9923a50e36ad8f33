"""What somebody with kubectl does to what is ours, and credentials that are taken away: told, and mended where it can be."""

from __future__ import annotations

import uuid

import httpx
import pytest

from compute.kube import kinds
from compute.kube.client import KubeClient
from mooring.errors import MooringError
from tests.faults.breaking import children, kill, paused
from tests.faults.conftest import Account
from tests.faults.truth import COUNTING, Counting, audited, count, ends_of, objects, unbroken
from tests.studio_process import Studio


def test_a_job_deleted_by_hand_has_failed_with_that_reason_and_its_log_so_far(studio: Studio, kube: KubeClient) -> None:
    job = count(studio, kube).running()
    kube.delete(kinds.JOB, _name(kube, studio, job), studio.namespace, propagation="Background")
    ended = job.ended("Failed", seconds=180)
    assert (ended.problem or {}).get("id") in ("job-object-lost", "job-evicted"), ended.problem
    unbroken(studio.log_of(job.name))


def test_a_job_deleted_by_hand_while_the_worker_is_away_is_found_missing(studio: Studio, kube: KubeClient) -> None:
    job = count(studio, kube).running()
    with paused(studio.process.pid):  # so that nobody starts another worker
        kill(children(studio.data)["worker"])
        kube.delete(kinds.JOB, _name(kube, studio, job), studio.namespace, propagation="Background")
        pod = job.pod()["metadata"]
        kube.delete(kinds.POD, pod["name"], studio.namespace, grace=0)
    ended = job.ended("Failed", seconds=120)
    assert (ended.problem or {}).get("id") in ("job-object-lost", "job-evicted"), ended.problem


def test_a_pod_deleted_by_hand_fails_its_job_once(studio: Studio, kube: KubeClient) -> None:
    job = count(studio, kube).running()
    pod = job.pod()["metadata"]
    kube.delete(kinds.POD, pod["name"], studio.namespace, grace=0)
    ended = job.ended("Failed", seconds=120)
    assert (ended.problem or {}).get("id") in ("job-pod-lost", "job-evicted"), ended.problem
    unbroken(studio.log_of(job.name))


def test_a_secret_deleted_by_hand_does_not_disturb_a_job_that_runs(studio: Studio, kube: KubeClient) -> None:
    job = count(studio, kube).running()
    kube.delete(kinds.SECRET, _name(kube, studio, job), studio.namespace)
    job.goes_on()
    job.completes()


def test_a_namespace_deleted_by_hand_is_told_and_can_be_made_again(studio: Studio, kube: KubeClient, person: httpx.Client) -> None:
    name = f"hand-{uuid.uuid4().hex[:6]}"
    namespace = f"{studio.namespace}-{name}"
    studio.client.computes.attach(name, cluster=studio.cluster, namespace=namespace, create_namespace=True)
    studio.until(lambda: studio.client.computes.get(name).status == "ready", what="the compute to be ready")
    other = studio.client.jobs.create_from_text(COUNTING, folder=".", overrides=[f"compute={name}"])
    studio.until(lambda: studio.client.jobs.get(other.name).status == "Running", seconds=120, what="the job to run")
    untouched = count(studio, kube).running()
    kube.delete(kinds.NAMESPACE, namespace)
    ended = studio.ended(other.name, seconds=180)
    assert ended.status == "Failed", ended.reason
    assert (ended.problem or {}).get("id") in ("job-object-lost", "job-evicted"), ended.problem
    assert ends_of(studio.data, other.name) == ["Failed"]
    unbroken(studio.log_of(other.name))
    studio.until(lambda: kube.find(kinds.NAMESPACE, namespace) is None, seconds=120, what="the namespace to be gone")
    studio.until(lambda: studio.client.computes.get(name).status == "degraded", seconds=60,
                 what=lambda: f"the compute to say so ({studio.client.computes.get(name)})")  # fmt: skip
    told = studio.client.computes.get(name)
    assert namespace in told.reason, told
    assert namespace in person.get("/w/demo/computes/").text
    # A job for it is refused, or says why, instead of waiting for ever.
    with pytest.raises(MooringError) as refused:
        studio.client.jobs.create_from_text(COUNTING, folder=".", overrides=[f"compute={name}"])
    assert "job-compute-not-ready" in str(refused.value) or name in str(refused.value)
    studio.client.computes.detach(name)
    studio.until(lambda: name not in {each.name for each in studio.client.computes.list()}, what="the compute to be detached")
    studio.client.computes.attach(name, cluster=studio.cluster, namespace=namespace, create_namespace=True)
    again = studio.client.jobs.create_from_text(COUNTING, folder=".", overrides=[f"compute={name}"])
    studio.until(lambda: studio.client.jobs.get(again.name).status == "Running", seconds=120, what="the next job to run")
    studio.client.jobs.cancel(again.name)
    assert studio.ended(again.name).status == "Canceled"
    studio.client.computes.detach(name)
    untouched.completes()


def test_credentials_revoked_in_the_middle_are_told_and_new_ones_take_all_up_again(
    studio: Studio, kube: KubeClient, account: Account, person: httpx.Client
) -> None:
    job = count(studio, kube).running()
    account.revoke()
    try:
        studio.until(lambda: studio.client.clusters.get(studio.cluster).status == "unreachable", seconds=90,
                     what=lambda: f"the refusal to be told ({studio.client.clusters.get(studio.cluster)})")  # fmt: skip
        found = studio.client.clusters.get(studio.cluster)
        assert "credentials" in found.reason.lower() or "refused" in found.reason.lower(), found.reason
        assert person.get(f"/ops/clusters/{studio.cluster}/").status_code == 200
        waiting = count(studio, kube)
        studio.until(lambda: waiting.now().is_final or waiting.now().reason, seconds=60, what="the wait to say why")
        assert not waiting.now().is_final, f"{waiting.now().reason} {waiting.now().problem}"
        assert job.now().status == "Running"
    finally:
        studio.client.transport.json("PUT", f"clusters/{studio.cluster}/credentials", json={"kubeconfig": account.renew()})
    assert audited(studio.data, "replaced the credentials", studio.cluster) == 1
    job.goes_on(seconds=120)
    waiting.running()
    job.completes()
    waiting.completes()


def test_an_object_that_looks_like_a_jobs_and_is_nobodys_disturbs_no_job(studio: Studio, kube: KubeClient) -> None:
    job = count(studio, kube).running()
    known = kube.get(kinds.JOB, _name(kube, studio, job), studio.namespace)
    stray = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "mj-999999",
            # The id of the job that runs: only the name tells them apart.
            "labels": known["metadata"]["labels"],
            "annotations": {"mooring.dev/job": "nobody_knows_it"},
        },
        "spec": {"suspend": True, "template": {"spec": known["spec"]["template"]["spec"]}},
    }
    kube.create(kinds.JOB, stray, studio.namespace)
    job.goes_on()
    kube.delete(kinds.JOB, "mj-999999", studio.namespace, propagation="Background")
    job.completes()


def _name(kube: KubeClient, studio: Studio, job: Counting) -> str:
    return f"mj-{objects(kube, studio.namespace, job.name)[0][1]}"
