"""API server, etcd, kubelet, scheduler and node broken: what is shown says so and how old it is, and every job ends once."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from compute.kube import kinds
from compute.kube.client import KubeClient
from tests.faults.breaking import Cluster, answers, paused
from tests.faults.truth import Watcher, count, objects, unbroken, whole
from tests.studio_process import Studio

RETRIED = """
type: command
environment: {image: 'python:3.12'}
retry_settings: {max_retries: 1}
command: |
  n=0
  until [ -e go ]; do n=$((n+1)); echo "line $n"; sleep 0.1; done
  echo end
"""


def test_an_api_server_that_is_killed_costs_no_line_and_no_job(studio: Studio, kube: KubeClient, cluster: Cluster) -> None:
    first = count(studio, kube).running()
    cluster.kill("kube-apiserver")
    second = count(studio, kube)
    first.goes_on()
    second.running()
    first.end()
    cluster.kill("kube-apiserver")
    first.completed()
    second.completes()


def test_while_the_api_server_stands_still_the_cluster_is_shown_as_lost_and_jobs_are_accepted(
    studio: Studio, kube: KubeClient, cluster: Cluster, person: httpx.Client
) -> None:
    running = count(studio, kube).running()
    with paused(cluster.pid("kube-apiserver")):
        studio.until(lambda: studio.client.clusters.get(studio.cluster).status == "unreachable", seconds=60, what="the cluster to be lost")
        _shown_as_lost(studio, person)
        # What was seen last stays, and nothing is decided from silence.
        assert running.now().status == "Running"
        waiting = count(studio, kube)
        studio.until(lambda: "does not answer" in waiting.now().reason, seconds=60, what="the wait to say for what")
        assert waiting.now().next_step
    running.goes_on()
    waiting.running()
    running.completes()
    waiting.completes()


def test_a_cluster_that_is_cut_off_comes_back_by_itself_with_every_line(
    studio: Studio, kube: KubeClient, cluster: Cluster, person: httpx.Client
) -> None:
    job, ends = count(studio, kube).running(), count(studio, kube).running()
    with cluster.cut_off():
        studio.until(lambda: studio.client.clusters.get(studio.cluster).status == "unreachable", seconds=60, what="the cluster to be lost")
        _shown_as_lost(studio, person)
        ends.end()
        asked = count(studio, kube)
        studio.client.jobs.cancel(job.name)
        time.sleep(5)
        assert job.now().status == "CancelRequested"
    ends.completed()
    job.ended("Canceled")
    unbroken(studio.log_of(job.name))
    asked.running()
    asked.completes()


def test_etcd_killed_costs_no_job(studio: Studio, kube: KubeClient, cluster: Cluster) -> None:
    first, second = count(studio, kube).running(), count(studio, kube)
    cluster.kill("etcd")
    third = count(studio, kube)
    first.goes_on()
    for job in (second, third):
        job.running()
    for job in (first, second, third):
        job.completes()


def test_while_etcd_stands_still_a_job_waits_with_the_reason_and_then_starts_once(
    studio: Studio, kube: KubeClient, cluster: Cluster
) -> None:
    running = count(studio, kube).running()
    with paused(cluster.pid("etcd")):
        waiting = count(studio, kube)
        studio.until(lambda: "cluster" in waiting.now().reason.lower(), seconds=90,
                     what=lambda: f"the wait to name the cluster ({waiting.now().reason})")  # fmt: skip
        assert running.now().status == "Running"
    waiting.running()
    running.completes()
    waiting.completes()


def test_a_kubelet_that_is_killed_disturbs_no_running_job(studio: Studio, kube: KubeClient, cluster: Cluster) -> None:
    job = count(studio, kube).running()
    cluster.kill("kubelet")
    job.goes_on()
    job.completes()


def test_a_node_that_is_not_heard_of_is_told_and_its_job_goes_on(studio: Studio, kube: KubeClient, cluster: Cluster) -> None:
    job = count(studio, kube).running()
    with paused(cluster.pid("kubelet")):
        studio.until(lambda: "cluster-no-nodes-ready" in _findings(studio), seconds=120,
                     what=lambda: f"the node to be told of ({_findings(studio)})")  # fmt: skip
        assert studio.client.clusters.get(studio.cluster).status == "degraded"
        # Its containers go on without it, and their log is still read.
        job.goes_on()
        waiting = count(studio, kube)
        studio.until(lambda: waiting.now().status == "Queued" and "node" in waiting.now().reason, seconds=60,
                     what=lambda: f"the wait to name the node ({waiting.now().reason})")  # fmt: skip
    studio.until(lambda: "cluster-no-nodes-ready" not in _findings(studio), seconds=90, what="the node to be well again")
    job.completes()
    waiting.running()
    waiting.completes()


def test_a_node_that_is_cordoned_and_emptied_fails_what_ran_and_lets_the_retried_wait(
    studio: Studio, kube: KubeClient, cluster: Cluster
) -> None:
    once, retried = count(studio, kube).running(), count(studio, kube, yaml=RETRIED).running()
    kube.patch(kinds.NODE, cluster.node, {"spec": {"unschedulable": True}})
    try:
        for job in (once, retried):
            pod = job.pod()["metadata"]
            kube.delete(kinds.POD, pod["name"], studio.namespace, grace=0)
        ended = once.ended("Failed")
        assert (ended.problem or {}).get("id") in ("job-pod-lost", "job-evicted"), ended.problem
        unbroken(studio.log_of(once.name))
        studio.until(lambda: retried.now().status == "Queued" and "Attempt 2" in "".join(str(each) for each in retried.now().timeline), seconds=90,
                     what=lambda: f"the second attempt to wait ({retried.now().status}: {retried.now().reason})")  # fmt: skip
    finally:
        kube.patch(kinds.NODE, cluster.node, {"spec": {"unschedulable": None}})
    retried.running()
    retried.end()
    ended = retried.ended("Completed")
    assert [each["attempt"] for each in ended.answer["processes"]] == [1, 2]
    whole(studio.log_of(retried.name))


def test_a_scheduler_and_controllers_that_stand_still_leave_a_job_waiting_and_then_it_runs_once(
    studio: Studio, kube: KubeClient, cluster: Cluster
) -> None:
    with paused(cluster.pid("kube-scheduler"), cluster.pid("kube-controller-manager")):
        job = count(studio, kube)
        studio.until(lambda: objects(kube, studio.namespace, job.name), what="the Job to be made")
        time.sleep(10)
        assert job.now().status == "Queued" and not job.now().answer["processes"]
    job.running()
    job.completes()


def test_a_node_without_power_fails_what_ran_and_keeps_its_log_so_far(studio: Studio, kube: KubeClient, cluster: Cluster) -> None:
    job = count(studio, kube).running()
    lines = job.lines
    cluster.without_power()
    studio.until(lambda: answers(kube), seconds=150, what="the cluster to be back")
    ended = job.ended("Failed", seconds=240)
    assert (ended.problem or {}).get("id") in ("job-pod-lost", "job-evicted", "job-container-not-started", "job-signal", "job-exit-code"), (
        ended.problem
    )
    unbroken(studio.log_of(job.name))
    assert job.lines >= lines
    again = count(studio, kube).running()
    again.completes()


def test_a_cluster_restored_from_an_older_state_has_lost_what_came_after_and_the_studio_sees_it(
    studio: Studio, kube: KubeClient, cluster: Cluster, tmp_path: Path
) -> None:
    before = count(studio, kube).running()
    state = cluster.state(tmp_path / "etcd")
    after = count(studio, kube).running()
    # The versions of before are far behind those that the studio has seen.
    for _ in range(50):
        answers(kube)
    cluster.restore(state)
    studio.until(lambda: answers(kube), seconds=150, what="the cluster to be back")
    ended = after.ended("Failed", seconds=120)
    assert (ended.problem or {}).get("id") in ("job-object-lost", "job-pod-lost"), ended.problem
    unbroken(studio.log_of(after.name))
    before.goes_on()
    before.completes(seconds=180)
    again = count(studio, kube).running(seconds=180)
    again.completes()


def test_a_restored_cluster_brings_nothing_back_that_had_ended_or_was_deleted(
    studio: Studio, kube: KubeClient, cluster: Cluster, tmp_path: Path
) -> None:
    ended, deleted = count(studio, kube).running(), count(studio, kube).running()
    state = cluster.state(tmp_path / "etcd")
    for job in (ended, deleted):
        job.completes()
    studio.client.jobs.delete(deleted.name)
    studio.until(lambda: deleted.name not in {each.name for each in studio.client.jobs.list(most=50)}, what="the job to be gone")
    cluster.restore(state)
    studio.until(lambda: answers(kube), seconds=150, what="the cluster to be back")
    watcher = Watcher(studio, kube, {studio.namespace})
    studio.until(
        lambda: not objects(kube, studio.namespace), seconds=150, what=lambda: f"{objects(kube, studio.namespace)} to be taken out"
    )
    assert not watcher.look()
    assert ended.now().status == "Completed"
    whole(studio.log_of(ended.name))


def _shown_as_lost(studio: Studio, person: httpx.Client) -> None:
    """Check that page and API say that the cluster does not answer, and how old what they show is."""
    found = studio.client.clusters.get(studio.cluster)
    assert found.reason and found.answer["seen_at"]
    page = person.get(f"/ops/clusters/{studio.cluster}/")
    assert page.status_code == 200 and "nreachable" in page.text and "<time" in page.text


def _findings(studio: Studio) -> list[str]:
    return [each["id"] for each in studio.client.clusters.get(studio.cluster).answer["findings"]]
