"""What a pod says of a job: where it stands, what it waits for, why it failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jobs.problems  # noqa: F401 - the catalogue that the ids below are of
from jobs.models import ACTIVE
from jobs.observe import SIMULATED, Told, observe
from sandbox import stages
from studio.core.problems import CATALOGUE
from tests.jobs.conftest import START, at, ended, pod

SOON = START + timedelta(seconds=26)
LATE = START + timedelta(minutes=5)
SCHEDULED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(2)}


def waiting(container: str, reason: str, message: str = "") -> dict[str, Any]:
    told = {"name": container, "image": f"registry/{container}:1", "state": {"waiting": {"reason": reason, "message": message}}}
    if container == "prepare":
        return pod("scheduled", initContainerStatuses=[told])
    return pod("starting", containerStatuses=[told])


@pytest.mark.parametrize(
    ("stage", "status", "reason"),
    [
        ("created", "Queued", "Waiting for the scheduler"),
        ("unschedulable", "Queued", "Waiting for room: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu."),
        ("scheduled", "Preparing", "Waiting for the node"),
        ("preparing", "Preparing", "Bringing code and inputs"),
        ("starting", "Starting", "Pulling the image or creating the container"),
        ("running", "Running", ""),
        ("ended", "Finalizing", "Keeping the log and the outputs"),
    ],
)
def test_each_stage_of_a_pods_life_is_a_state_of_the_job(stage: str, status: str, reason: str) -> None:
    seen = observe(pod(stage), now=SOON)
    assert (seen.status, seen.reason, seen.problem) == (status, reason, None)
    assert seen.hopeless is (stage == "ended") and seen.ended is (stage == "ended")


def test_a_taint_is_told_as_nodes_that_do_not_accept() -> None:
    message = "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: }."
    seen = observe(pod("created", conditions=[{"type": "PodScheduled", "status": "False", "message": message}]), now=SOON)
    assert seen.reason == f"Waiting: no node accepts it ({message})"


def test_times_are_those_of_the_cluster() -> None:
    seen = observe(pod("ended"), now=SOON)
    seconds = {"Preparing": 2, "Starting": 10, "Running": 15, "Finalizing": 25}
    assert seen.times == {state: START + timedelta(seconds=after) for state, after in seconds.items()}
    assert (seen.uid, seen.node, seen.index, seen.exit_code) == ("pod-a", "node-a", 0, 0)


@pytest.mark.parametrize("container", ["prepare", "job"])
@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_an_image_that_cannot_be_pulled_is_given_a_minute(container: str, reason: str) -> None:
    young, old = (observe(waiting(container, reason, "not found in the registry"), now=now) for now in (SOON, LATE))
    assert (young.problem, young.hopeless) == (None, False)
    assert young.reason == f"{reason}: not found in the registry"
    assert old.hopeless and old.problem == Told(
        "job-image-pull", {"image": f"registry/{container}:1", "text": "not found in the registry"}
    )


def test_a_name_that_is_no_image_is_hopeless_at_once() -> None:
    seen = observe(waiting("job", "InvalidImageName", "couldn't parse image name"), now=SOON)
    assert seen.hopeless and seen.problem and seen.problem.id == "job-image-pull"


def test_an_image_that_wants_root_is_told_as_such() -> None:
    text = "container has runAsNonRoot and image will run as root (pod: ...)"
    seen = observe(waiting("job", "CreateContainerConfigError", text), now=SOON)
    assert seen.hopeless and seen.problem == Told("job-image-runs-as-root", {"image": "registry/job:1"})


def test_a_secret_that_is_not_there_yet_is_waited_for() -> None:
    seen = observe(waiting("prepare", "CreateContainerConfigError", 'secret "mj-1" not found'), now=SOON)
    assert (seen.problem, seen.hopeless) == (None, False)


def test_a_container_that_cannot_be_made_is_told_with_the_nodes_words() -> None:
    seen = observe(waiting("job", "CreateContainerError", "no space left on device"), now=SOON)
    assert seen.problem == Told("job-container-not-started", {"text": "no space left on device"})


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ('{"id": "runner-blob", "text": "The studio does not answer."}', "The studio does not answer."),
        ("plain words", "plain words"),
        ("[1, 2]", "[1, 2]"),
        ("", "preparing ended with code 1 (Error)"),
    ],
)
def test_preparing_that_failed_says_why(message: str, text: str) -> None:
    failed = {"name": "prepare", "state": {"terminated": {"exitCode": 1, "reason": "Error", "message": message}}}
    seen = observe(pod("scheduled", initContainerStatuses=[failed]), now=SOON)
    assert seen.hopeless and seen.problem == Told("job-preparing-failed", {"text": text})


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (ended(3), Told("job-exit-code", {"code": 3, "where": ""})),
        (ended(137, "OOMKilled"), Told("job-out-of-memory", {"limit": "2Gi", "where": ""})),
        (ended(0, "OOMKilled"), Told("job-out-of-memory", {"limit": "2Gi", "where": ""})),
        (ended(137, "Error", signal=9), Told("job-signal", {"signal": 9, "where": ""})),
        (ended(128, "StartError", message="exec: not found"), Told("job-container-not-started", {"text": "exec: not found"})),
        (ended(0), None),
    ],
)
def test_each_end_of_a_command_has_its_own_words(end: dict[str, Any], told: Told | None) -> None:
    seen = observe(pod("ended", containerStatuses=[end]), now=SOON)
    assert seen.ended and seen.hopeless and seen.problem == told


def test_an_evicted_pod_tells_what_the_node_said() -> None:
    text = "The node was low on resource: ephemeral-storage."
    seen = observe(pod("running", phase="Failed", reason="Evicted", message=text), now=SOON)
    assert seen.pod_over and seen.ended and seen.problem == Told("job-evicted", {"text": text})


def test_a_pod_that_is_drained_from_its_node_is_evicted() -> None:
    disrupted = {"type": "DisruptionTarget", "status": "True", "message": "Eviction API: evicting"}
    seen = observe(pod("running", conditions=[SCHEDULED, disrupted]), now=SOON)
    assert seen.problem == Told("job-evicted", {"text": "Eviction API: evicting"})


def test_a_pod_that_failed_without_containers_is_over_and_says_so() -> None:
    seen = observe(pod("scheduled", phase="Failed", message="Pod was rejected: UnexpectedAdmissionError"), now=SOON)
    assert seen.pod_over and seen.status == "Finalizing"
    assert seen.problem == Told("job-container-not-started", {"text": "Pod was rejected: UnexpectedAdmissionError"})


def test_a_succeeded_pod_has_no_problem() -> None:
    seen = observe(pod("ended", phase="Succeeded"), now=SOON)
    assert (seen.status, seen.pod_over, seen.exit_code, seen.problem) == ("Finalizing", True, 0, None)


@pytest.mark.parametrize(("said", "by_pod", "told"), [(SIMULATED, SIMULATED, Told("job-simulated")), (SIMULATED, "", None), ("", SIMULATED, None)])
def test_a_pod_that_only_seemed_to_run_says_so_and_a_command_cannot(said: str, by_pod: str, told: Told | None) -> None:
    end = {"name": "job", "state": {"terminated": {"exitCode": 0, "message": said, "finishedAt": at(25)}}}
    seen = observe(pod("ended", phase="Succeeded", message=by_pod, containerStatuses=[end]), now=SOON)
    assert seen.ended and seen.problem == told


def test_its_words_are_those_of_the_simulated_nodes() -> None:
    assert stages.SAID == SIMULATED


def test_a_time_without_a_zone_is_no_reason_to_fail() -> None:
    odd = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2024-01-15T12:00:02"}
    told = {"name": "prepare", "state": {"waiting": {"reason": "ErrImagePull"}}}
    assert observe(pod("scheduled", conditions=[odd], initContainerStatuses=[told]), now=LATE).status == "Preparing"


_SCALAR = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=20),
    st.sampled_from(["job", "prepare", "runner", "True", "PodScheduled", "DisruptionTarget", "Failed", "ErrImagePull",
                     "CreateContainerError", "2024-01-15T12:00:02Z", "2026-11-23", "0001-01-01T00:00:00", "٣", "-1"]),
)  # fmt: skip
_JSON = st.recursive(_SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3))


def _maybe(**fields: Any) -> Any:
    """Return objects that have any of the fields, each as it should be or as anything at all."""
    return st.fixed_dictionaries({}, optional={name: value | _JSON for name, value in fields.items()}) | _JSON


_STATE = _maybe(
    waiting=_maybe(reason=_SCALAR, message=_SCALAR),
    running=_maybe(startedAt=_SCALAR),
    terminated=_maybe(exitCode=_SCALAR, reason=_SCALAR, signal=_SCALAR, message=_SCALAR, startedAt=_SCALAR, finishedAt=_SCALAR),
)
_CONTAINERS = st.lists(_maybe(name=_SCALAR, image=_SCALAR, state=_STATE), max_size=3)
_POD = _maybe(
    metadata=_maybe(uid=_SCALAR, name=_SCALAR, creationTimestamp=_SCALAR,
                    annotations=_maybe(**{"batch.kubernetes.io/job-completion-index": _SCALAR})),
    spec=_maybe(nodeName=_SCALAR, containers=st.lists(_maybe(name=_SCALAR, resources=_maybe(limits=_maybe(memory=_SCALAR))))),
    status=_maybe(phase=_SCALAR, reason=_SCALAR, message=_SCALAR, initContainerStatuses=_CONTAINERS,
                  containerStatuses=_CONTAINERS, conditions=st.lists(_maybe(type=_SCALAR, status=_SCALAR, lastTransitionTime=_SCALAR))),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(_POD, st.datetimes(timezones=st.just(UTC)))
def test_no_pod_however_odd_makes_it_raise(odd: Any, now: datetime) -> None:
    seen = observe(odd, now=now)
    assert seen.status in ACTIVE
    assert all(time.tzinfo for time in seen.times.values())
    assert seen.problem is None or seen.problem.id in CATALOGUE
    assert seen.exit_code is None or isinstance(seen.exit_code, int)
