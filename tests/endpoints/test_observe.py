"""What a deployment's pod says, at each stage of its life."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from endpoints.observe import observe, refused_since, rollout_of, route_accepted

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCHEDULED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": (NOW - timedelta(seconds=10)).isoformat()}
PREPARED = {"name": "prepare", "state": {"terminated": {"exitCode": 0}}}


def pod(
    *, server: dict[str, Any] | None = None, prepare: dict[str, Any] | None = None, deleted: bool = False, **status: Any
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"uid": "u", "name": "md-7-x", "labels": {"mooring.dev/revision": "3"}}
    if deleted:
        metadata["deletionTimestamp"] = NOW.isoformat()
    whole = {"phase": "Pending", "conditions": [SCHEDULED], "initContainerStatuses": [prepare or PREPARED], **status}
    if server is not None:
        whole["containerStatuses"] = [{"name": "inference-server", "image": "registry/x:1", **server}]
    limits = {"resources": {"limits": {"memory": "200Mi"}}}
    return {"metadata": metadata, "spec": {"nodeName": "node-a", "containers": [{"name": "inference-server", **limits}]}, "status": whole}


def ended(message: str = "", code: int = 1, reason: str = "Error", count: int = 0, *, now: bool = True) -> dict[str, Any]:
    end = {"terminated": {"exitCode": code, "reason": reason, "message": message}}
    if now:
        return {"state": end, "restartCount": count}
    return {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": end, "restartCount": count}


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (pod(conditions=[]), "waiting"),
        (pod(prepare={"name": "prepare", "state": {"waiting": {"reason": "PodInitializing"}}}), "preparing"),
        (pod(prepare={"name": "prepare", "state": {"running": {"startedAt": "2026-01-01T11:59:50Z"}}}), "preparing"),
        (pod(server={"state": {"waiting": {"reason": "PodInitializing"}}}), "starting"),
        (pod(server={"state": {"running": {"startedAt": "2026-01-01T11:59:50Z"}}, "started": False}), "warming"),
        (pod(server={"state": {"running": {"startedAt": "2026-01-01T11:59:50Z"}}, "started": True}), "not-ready"),
        (
            pod(
                server={"state": {"running": {"startedAt": "2026-01-01T11:59:50Z"}}, "started": True},
                conditions=[SCHEDULED, {"type": "Ready", "status": "True"}],
            ),
            "ready",
        ),
        (pod(server=ended()), "failing"),
        (pod(deleted=True), "ending"),
        (pod(phase="Failed"), "ended"),
        ({}, "waiting"),
    ],
)
def test_each_stage_has_its_state(given: dict[str, Any], state: str) -> None:
    assert observe(given, now=NOW).state == state


def test_it_says_which_revision_and_whether_it_serves() -> None:
    seen = observe(
        pod(
            server={"state": {"running": {"startedAt": "2026-01-01T11:59:50Z"}}, "started": True},
            conditions=[SCHEDULED, {"type": "Ready", "status": "True"}],
        ),
        now=NOW,
    )
    assert (seen.revision, seen.ready, seen.problem) == (3, True, None)
    going = observe(pod(deleted=True, conditions=[SCHEDULED, {"type": "Ready", "status": "True"}]), now=NOW)
    assert not going.ready and going.ending


def test_what_no_further_start_would_change_is_hopeless_at_once() -> None:
    said = json.dumps({"id": "user-script-import-error", "text": "No module named 'x'"})
    seen = observe(pod(server=ended(f"Traceback\n{said}")), now=NOW)
    assert seen.problem and (seen.problem.id, seen.problem.params) == ("user-script-import-error", {"text": "No module named 'x'."})
    assert seen.hopeless


@pytest.mark.parametrize(("count", "hopeless"), [(0, False), (1, False), (2, True)])
def test_a_crash_is_hopeless_the_third_time(count: int, hopeless: bool) -> None:
    said = json.dumps({"id": "user-script-init-failed", "text": "no such file"})
    assert observe(pod(server=ended(said, count=count)), now=NOW).hopeless is hopeless
    crashed = observe(pod(server=ended("Segmentation fault", 139, count=count, now=False)), now=NOW)
    assert crashed.problem and crashed.problem.id == "deployment-crashed" and crashed.problem.params["code"] == 139


def test_out_of_memory_is_told_with_its_limit() -> None:
    seen = observe(pod(server=ended(code=137, reason="OOMKilled")), now=NOW)
    assert seen.problem and (seen.problem.id, seen.problem.params) == ("deployment-out-of-memory", {"limit": "200Mi"})


def test_a_pull_is_given_a_minute() -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}
    assert observe(pod(server=waiting), now=NOW).problem is None
    seen = observe(pod(server=waiting), now=NOW + timedelta(seconds=60))
    assert seen.problem and seen.problem.id == "deployment-image-pull" and seen.hopeless


def test_no_room_is_told_and_waited_for() -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: Insufficient cpu."}
    seen = observe(pod(conditions=[unscheduled]), now=NOW)
    assert seen.problem and seen.problem.id == "deployment-unschedulable" and not seen.hopeless


def test_an_image_that_runs_as_root_is_told() -> None:
    waiting = {
        "state": {"waiting": {"reason": "CreateContainerConfigError", "message": "container has runAsNonRoot and image will run as root"}}
    }
    seen = observe(pod(server=waiting), now=NOW)
    assert seen.problem and seen.problem.id == "deployment-image-runs-as-root" and seen.hopeless


def test_a_rollout_is_done_when_all_pods_are_new_and_serve() -> None:
    thing = {"metadata": {"generation": 2}, "spec": {"replicas": 2},
             "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}}  # fmt: skip
    assert rollout_of(thing).done
    for status in ({"observedGeneration": 1}, {"replicas": 3}, {"updatedReplicas": 1}, {"availableReplicas": 1}):
        assert not rollout_of({**thing, "status": thing["status"] | status}).done  # type: ignore[operator]


def test_the_routers_word_counts_when_it_is_about_the_newest_route() -> None:
    def route(accepted: str, generation: int = 2) -> dict[str, Any]:
        conditions = [
            {"type": kind, "status": accepted, "observedGeneration": generation, "message": "why"} for kind in ("Accepted", "ResolvedRefs")
        ]
        return {"metadata": {"generation": 2}, "status": {"parents": [{"parentRef": {"name": "mooring-router"}, "conditions": conditions}]}}

    assert route_accepted(route("True"), "mooring-router") == (True, "")
    assert route_accepted(route("False"), "mooring-router") == (False, "why")
    assert route_accepted(route("True", 1), "mooring-router")[0] is None
    assert route_accepted(route("True"), "another")[0] is None


def test_what_the_router_does_not_find_is_told_with_its_time_and_what_another_controller_said_before_is_not_heard() -> None:
    def said(status: str, generation: int, since: str = "2026-01-02T03:04:05Z") -> list[dict[str, Any]]:
        return [
            {"type": "Accepted", "status": "True", "observedGeneration": generation},
            {
                "type": "ResolvedRefs",
                "status": status,
                "observedGeneration": generation,
                "message": "no filter",
                "lastTransitionTime": since,
            },
        ]

    parent = {"name": "mooring-router"}
    old, new = ({"parentRef": parent, "conditions": said("False", number)} for number in (1, 2))
    route = {"metadata": {"generation": 2}, "status": {"parents": [old, new]}}
    assert route_accepted(route, "mooring-router") == (False, "no filter")
    since = refused_since(route, "mooring-router")
    assert since is not None and since.isoformat() == "2026-01-02T03:04:05+00:00"
    found = {"metadata": {"generation": 2}, "status": {"parents": [{"parentRef": parent, "conditions": said("True", 2)}]}}
    assert refused_since(found, "mooring-router") is None
