"""How a deployment moves by what is seen of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from endpoints import rollout, services
from endpoints.models import Deployment, Endpoint, Revision
from endpoints.observe import Rollout, Seen, Told
from studio.core import nudge
from studio.core.errors import ProblemError

DONE = Rollout(wanted=1, updated=1, ready=1, available=1, total=1, current=True)
UNDER_WAY = Rollout(wanted=1, updated=1, ready=0, available=1, total=2, current=True)


@pytest.fixture
def nudges(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any) -> list[tuple[str, int]]:
    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(nudge, "_send", lambda task, row_id, last: sent.append((task, row_id)))
    return sent


def seen(state: str = "warming", *, revision: int = 2, problem: Told | None = None, hopeless: bool = False, uid: str = "new") -> Seen:
    return Seen(
        uid, f"md-{uid}", "node-a", "Running", revision, state, "", state == "ready", 0, False, False, None, None, problem, hopeless
    )


@pytest.fixture
def updating(make_endpoint: Callable[..., Endpoint], make_deployment: Callable[..., Deployment]) -> Deployment:
    """Make a deployment whose second revision is being rolled out; the first one serves."""
    deployment = make_deployment(make_endpoint(), rollout_started_at=timezone.now())
    second = Revision.objects.create(deployment=deployment, number=2, spec={"image": "x"})
    rollout_to(deployment, second)
    return deployment


def rollout_to(deployment: Deployment, revision: Revision) -> None:
    services.deployments._want(deployment, revision, "updating", "Bringing in")
    rollout.begin(deployment)
    applied(deployment)


def applied(deployment: Deployment) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(applied_generation=deployment.generation)
    deployment.refresh_from_db()


def test_a_revision_that_is_wanted_becomes_the_current_one(updating: Deployment) -> None:
    assert (updating.current.number, updating.good.number) == (2, 1)  # type: ignore[union-attr]
    assert updating.current.status == "rolling-out"  # type: ignore[union-attr]


def test_nothing_is_decided_before_what_is_wanted_has_been_applied(updating: Deployment) -> None:
    Deployment.objects.filter(pk=updating.pk).update(applied_generation=0)
    updating.refresh_from_db()
    assert rollout.decide(updating, DONE) is None
    assert updating.status == "updating"


def test_it_is_ready_when_all_its_pods_are_and_the_route_follows(updating: Deployment) -> None:
    before = updating.endpoint.generation
    assert rollout.decide(updating, DONE) is None
    updating.refresh_from_db()
    assert (updating.status, updating.good.number, updating.good.status) == ("ready", 2, "good")  # type: ignore[union-attr]
    assert Endpoint.objects.get().generation == before + 1
    assert [change.status for change in updating.endpoint.changes.all()][-2:] == ["updating", "ready"]


def test_it_says_what_it_waits_for(updating: Deployment) -> None:
    rollout.saw_pod(updating, seen("waiting", problem=Told("deployment-unschedulable", {"text": "no room"})))
    assert rollout.decide(updating, UNDER_WAY) is None
    assert updating.reason == "0 of 1 replicas of revision 2 ready. no room"


def test_a_hopeless_pod_of_the_new_revision_ends_its_rollout(updating: Deployment) -> None:
    rollout.saw_pod(updating, seen("failing", problem=Told("deployment-crashed", {"code": 1, "text": "x"}), hopeless=True))
    told = rollout.decide(updating, UNDER_WAY)
    assert told is not None and told.id == "deployment-crashed"
    rollout.fail(updating, told, {"pods": [{"name": "md-new"}]})
    updating.refresh_from_db()
    failed = updating.revisions.get(number=2)
    assert (updating.status, updating.wanted.number, failed.status) == ("rolling-back", 1, "failed")  # type: ignore[union-attr]
    assert failed.evidence == {"pods": [{"name": "md-new"}]} and failed.problem_id == "deployment-crashed"
    rollout.begin(updating)
    applied(updating)
    rollout.decide(updating, DONE)
    updating.refresh_from_db()
    assert updating.status == "ready" and updating.reason.startswith("Back on revision 1: revision 2 failed.")
    assert updating.problem_id == ""


def test_an_old_revisions_pod_does_not_end_it(updating: Deployment) -> None:
    rollout.saw_pod(updating, seen("failing", revision=1, problem=Told("deployment-crashed", {"code": 1, "text": "x"}), hopeless=True))
    assert rollout.decide(updating, UNDER_WAY) is None


def test_a_rollout_that_is_late_says_what_it_saw_last(updating: Deployment) -> None:
    rollout.saw_pod(updating, seen("warming"))
    Deployment.objects.filter(pk=updating.pk).update(rollout_started_at=timezone.now() - timedelta(seconds=1201))
    updating.refresh_from_db()
    told = rollout.decide(updating, UNDER_WAY)
    assert told is not None and told.id == "deployment-not-ready-in-time" and told.params["limit"] == "20 m"


def test_a_first_revision_that_fails_has_nothing_to_go_back_to(make_endpoint: Callable[..., Endpoint]) -> None:
    deployment = Deployment.objects.create(endpoint=make_endpoint(), name="blue")
    revision = Revision.objects.create(deployment=deployment, number=1)
    rollout_to(deployment, revision)
    rollout.fail(deployment, Told("deployment-out-of-memory", {"limit": "1Gi"}), {})
    deployment.refresh_from_db()
    assert (deployment.status, deployment.problem_id) == ("failed", "deployment-out-of-memory")
    assert deployment.generation > deployment.applied_generation


def test_scaling_that_finds_no_room_leaves_a_deployment_degraded_and_its_revision_good(
    make_endpoint: Callable[..., Endpoint], make_deployment: Callable[..., Deployment], people: Any
) -> None:
    deployment = make_deployment(make_endpoint())
    services.scale_deployment(people.contributor, deployment, instance_count=5)
    rollout.begin(deployment)
    applied(deployment)
    Deployment.objects.filter(pk=deployment.pk).update(rollout_started_at=timezone.now() - timedelta(seconds=1201))
    deployment.refresh_from_db()
    told = rollout.decide(deployment, Rollout(wanted=5, updated=5, available=1, total=5, current=True))
    assert told is not None
    rollout.fail(deployment, told, {})
    deployment.refresh_from_db()
    assert (deployment.status, deployment.good.status) == ("degraded", "good")  # type: ignore[union-attr]


def test_all_traffic_goes_to_a_deployment_that_asked_for_it_when_it_is_ready(updating: Deployment) -> None:
    Endpoint.objects.update(traffic={"other": 100}, mirror_traffic={"blue": 10})
    Deployment.objects.update(traffic_when_ready=True)
    updating.refresh_from_db()
    rollout.decide(updating, DONE)
    endpoint = Endpoint.objects.get()
    assert (endpoint.traffic, endpoint.mirror_traffic) == ({"blue": 100}, {})
    assert not Deployment.objects.get().traffic_when_ready


def test_a_deployment_that_loses_replicas_is_degraded_and_ready_again(
    make_endpoint: Callable[..., Endpoint], make_deployment: Callable[..., Deployment]
) -> None:
    deployment = make_deployment(make_endpoint(), count=2, ready=1, applied_generation=1)
    Deployment.objects.update(status_at=timezone.now() - timedelta(minutes=1))
    deployment.refresh_from_db()
    rollout.decide(deployment, Rollout(wanted=2, updated=2, available=1, total=2, current=True))
    assert (deployment.status, deployment.problem_id) == ("degraded", "deployment-replicas-missing")
    rollout.decide(deployment, Rollout(wanted=2, updated=2, available=2, total=2, current=True))
    assert (deployment.status, deployment.problem_id) == ("ready", "")


def test_a_revision_that_is_overtaken_is_passed_over(updating: Deployment, people: Any) -> None:
    services.roll_back_deployment(people.contributor, updating)
    assert (updating.status, updating.wanted.number) == ("rolling-back", 1)  # type: ignore[union-attr]
    assert updating.revisions.get(number=2).status == "passed-over"


def test_only_a_revision_that_was_good_can_be_gone_back_to(updating: Deployment, people: Any) -> None:
    with pytest.raises(ProblemError, match="deployment-revision-unknown"):
        services.roll_back_deployment(people.contributor, updating, number=2)


def test_a_pod_that_is_gone_is_forgotten_and_a_doubled_word_changes_nothing(updating: Deployment) -> None:
    rollout.saw_pod(updating, seen("warming"))
    version = Deployment.objects.get().version
    rollout.saw_pod(updating, seen("warming"))
    assert Deployment.objects.get().version == version
    rollout.saw_all_pods(updating, [seen("ready")])
    assert [replica.state for replica in updating.replicas.all()] == ["ready"]
