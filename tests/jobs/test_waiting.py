"""Every wait says what it is for and what would end it; what no pod tells is read from the cluster's events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from compute.kube import kinds
from compute.kube.client import KubeClient
from jobs import explaining, launch, services, sweeping
from jobs.models import Job
from jobs.observe import observe
from jobs.progress import saw_pod
from jobs.waiting import NEXT_STEPS, not_made, stuck
from tests.conftest import People
from tests.fakekube import FakeKube
from tests.jobs.conftest import NAMESPACE, START, pod, seen

Make = Callable[..., Job]
QUOTA = 'Error creating: pods "mj-1-0-{}" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0'


@pytest.fixture(autouse=True)
def sent(nudges: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return nudges


def unplaced(message: str, reason: str = "Unschedulable") -> dict[str, Any]:
    return pod("created", conditions=[{"type": "PodScheduled", "status": "False", "reason": reason, "message": message}])


def held_up(reason: str, message: str) -> dict[str, Any]:
    waiting = {"name": "job", "image": "nope:1", "state": {"waiting": {"reason": reason, "message": message}}}
    return pod("starting", containerStatuses=[waiting])


@pytest.mark.parametrize(
    ("thing", "key"),
    [
        (pod("created"), "scheduler"),
        (unplaced("0/2 nodes are available: 2 Insufficient cpu."), "room"),
        (unplaced("0/1 nodes are available: 1 node(s) had untolerated taint {gpu: }."), "taint"),
        (unplaced("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."), "labels"),
        (unplaced("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."), "volume"),
        (unplaced("0/1 nodes are available: 1 Too many pods."), "placement"),
        (unplaced("Scheduling is blocked due to non-empty scheduling gates", "SchedulingGated"), "gate"),
        (pod("scheduled"), "node"),
        (pod("starting"), "creating"),
        (held_up("ErrImagePull", "no such image"), "image"),
        (held_up("CreateContainerConfigError", "secret \"x\" not found"), "container"),
    ],
)
def test_every_wait_that_a_pod_shows_has_a_next_step(thing: dict[str, Any], key: str) -> None:
    found = observe(thing, now=START + timedelta(seconds=26))
    assert (found.waits_for, bool(found.reason), bool(NEXT_STEPS[key])) == (key, True, True)


@pytest.mark.parametrize("stage", ["preparing", "running", "ended"])
def test_what_goes_on_waits_for_nothing(stage: str) -> None:
    assert seen(stage).waits_for == ""


@pytest.mark.parametrize(
    ("message", "key", "said"),
    [
        (QUOTA.format("x"), "quota", "(exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0)"),
        ('Error creating: pods "a" is forbidden: failed quota: q: must specify limits.cpu for: runner', "limits", "must specify"),
        ('Error creating: pods "a" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi', "limits", "1Gi"),
        ('Error creating: pods "a" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', "policy", "runAsNonRoot"),
        ('Error creating: admission webhook "v.example" denied the request: no', "policy", "v.example"),
        ('Error creating: pods "a" is forbidden: error looking up service account x/default', "refused", "service account"),
    ],
)
def test_a_job_that_gets_no_pod_says_who_refuses_it(message: str, key: str, said: str) -> None:
    wait = not_made([{"reason": "FailedCreate", "type": "Warning", "message": message}])
    assert wait and wait.key == key and said in wait.text and 'pods "' not in wait.text and NEXT_STEPS[key]
    made = {"reason": "SuccessfulCreate", "type": "Normal", "message": "Created pod: a"}
    assert not_made([{"reason": "FailedCreate", "message": message}, made]) is None


def test_what_holds_a_pod_up_is_the_last_trouble_that_nothing_followed() -> None:
    scheduled = {"reason": "Scheduled", "type": "Normal", "message": "assigned"}
    mount = {"reason": "FailedMount", "type": "Warning", "message": 'MountVolume.SetUp failed: configmap "x" not found'}
    place = {"reason": "FailedScheduling", "type": "Warning", "message": "0/1 nodes are available: 1 Insufficient cpu."}
    wait = stuck([scheduled, mount])
    assert wait and wait.key == "volume" and 'configmap "x" not found' in wait.text
    assert stuck([scheduled, mount, {"reason": "Pulling", "type": "Normal"}]) is None
    found = [stuck([place]), stuck([scheduled, {**mount, "reason": "FailedAttachVolume"}]), stuck([{**mount, "reason": "FailedCreatePodSandBox"}])]
    assert [each and each.key for each in found] == ["room", "volume", "network"]


@pytest.mark.django_db
def test_a_job_without_a_pod_takes_its_reason_from_the_events(
    make_job: Make, fakekube: FakeKube, people: People, client_for: Any, sent: list[tuple[str, int]], django_capture_on_commit_callbacks: Any
) -> None:
    job = make_job()
    launch.start_job(job.pk)
    job.refresh_from_db()
    assert (job.reason, job.waits_for) == ("Handing it to the cluster", "handing")
    with KubeClient(fakekube.connection()) as kube:
        made = kube.get(kinds.JOB, job.object_name, NAMESPACE)
    fakekube.event(NAMESPACE, made, "FailedCreate", QUOTA.format("aaaaa"))
    Job.objects.filter(pk=job.pk).update(status_at=timezone.now() - timedelta(seconds=30))
    with django_capture_on_commit_callbacks(execute=True):
        sweeping.sweep()
    assert ("jobs.explain", job.pk) in sent
    explaining.explain_from_events(job.pk)
    job.refresh_from_db()
    assert job.status == "Queued" and job.reason.startswith("Waiting: the namespace's quota has no room for its pod (exceeded quota: none")
    version = job.version
    fakekube.event(NAMESPACE, made, "FailedCreate", QUOTA.format("bbbbb"))
    explaining.explain_from_events(job.pk)
    job.refresh_from_db()
    assert job.version == version, "another try of the same is no news"
    client = client_for(people.reader)
    told = client.get(f"/api/v1/workspaces/team/jobs/{job.name}").json()
    assert (told["reason"], told["next_step"]) == (job.reason, NEXT_STEPS["quota"])
    page = client.get(f"/w/team/jobs/{job.name}/").content.decode()
    assert "exceeded quota" in page and NEXT_STEPS["quota"] in page


@pytest.mark.django_db
def test_a_pod_that_waits_for_a_volume_takes_its_reason_from_the_events_until_it_goes_on(make_job: Make, fakekube: FakeKube) -> None:
    job = make_job("Queued", object_uid="uid-1")
    saw_pod(job, seen("starting"))
    thing = {"kind": "Pod", "metadata": {"name": "mj", "namespace": NAMESPACE, "uid": "pod-a"}}
    fakekube.event(NAMESPACE, thing, "FailedAttachVolume", "the disk is attached elsewhere")
    explaining.explain_from_events(job.pk)
    job.refresh_from_db()
    assert (job.status, job.reason) == ("Starting", "Waiting for a volume: the disk is attached elsewhere")
    assert job.next_step == NEXT_STEPS["volume"]
    saw_pod(job, seen("running"))
    job.refresh_from_db()
    assert (job.status, job.reason, job.next_step) == ("Running", "", "")


@pytest.mark.django_db
def test_events_are_asked_for_only_where_a_pod_does_not_say_why(make_job: Make, fakekube: FakeKube, people: People) -> None:
    job = make_job("Queued", object_uid="uid-1")
    saw_pod(job, seen("unschedulable"))
    fakekube.requests.clear()
    explaining.explain_from_events(job.pk)
    job.refresh_from_db()
    assert not fakekube.requests and job.next_step == NEXT_STEPS["room"]
    assert services.cancel_job(people.contributor, job).next_step == ""
