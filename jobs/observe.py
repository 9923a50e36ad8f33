"""Read a pod of a job: where it stands, why it waits, and why it failed. Pure: dictionaries in, values out."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jobs.texts import shortened
from jobs.waiting import Wait, unscheduled
from studio.core.texts import read_json

PULL_PROBLEMS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
CONFIG_PROBLEMS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"}
# A pull that fails may be a passing fault of the network; after so many seconds it is told as the job's failure.
PULL_PATIENCE_SECONDS = 60
# What the sandbox's simulated nodes write where a kubelet writes the end of a pod and of its containers.
SIMULATED = "simulated: no container ran"


@dataclass(frozen=True)
class Told:
    """A problem of the catalogue with its words' parameters."""

    id: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What one pod says of one process.

    `status` is the job's state as far as this pod goes; `ended` is set when its main container (or the whole pod)
    has ended for good; `problem` says why it failed, or why it will never start.
    """

    uid: str
    name: str
    node: str
    index: int
    attempt_at: datetime | None
    phase: str
    status: str
    reason: str
    times: dict[str, datetime]
    # What it waits for: a key of jobs.waiting.NEXT_STEPS, or nothing.
    waits_for: str = ""
    serving: bool = False
    preparing: bool = False
    ended: bool = False
    pod_over: bool = False
    exit_code: int | None = None
    problem: Told | None = None
    hopeless: bool = False


def observe(pod: dict[str, Any], *, now: datetime) -> Seen:
    """Return what the pod says; never raises, whatever the cluster left out or wrote oddly."""
    pod = fields(pod)
    metadata, spec, status = fields(pod.get("metadata")), fields(pod.get("spec")), fields(pod.get("status"))
    inits = status.get("initContainerStatuses")
    main, prepare, sidecar = named(status.get("containerStatuses"), "job"), named(inits, "prepare"), named(inits, "runner")
    main_end = state_of(main, "terminated")
    phase = str(status.get("phase") or "Pending")
    over = phase in {"Succeeded", "Failed"}
    times = _times(status, prepare, main)
    name, wait = _standing(status, prepare, sidecar, main, phase)
    problem, hopeless = _problem(pod, prepare, main, times, now)
    return Seen(
        uid=str(metadata.get("uid") or ""),
        name=str(metadata.get("name") or ""),
        node=str(spec.get("nodeName") or ""),
        index=_index(metadata),
        attempt_at=time_of(metadata.get("creationTimestamp")),
        phase=phase,
        status=name,
        reason=wait.text,
        waits_for=wait.key,
        times=times,
        serving=bool(state_of(sidecar, "running")),
        preparing=bool(state_of(prepare, "running")),
        ended=bool(main_end) or over,
        pod_over=over,
        exit_code=code if isinstance(code := main_end.get("exitCode"), int) else None,
        problem=problem,
        hopeless=hopeless,
    )


def _standing(status: dict[str, Any], prepare: Any, sidecar: Any, main: Any, phase: str) -> tuple[str, Wait]:
    """Return the job's state as this pod shows it, and what it waits for in words."""
    if state_of(main, "terminated") or phase in {"Succeeded", "Failed"}:
        return "Finalizing", Wait("", "Keeping the log and the outputs")
    if state_of(main, "running"):
        return "Running", Wait("", "")
    scheduled = condition(status, "PodScheduled")
    if scheduled.get("status") != "True":
        return "Queued", unscheduled(scheduled)
    if state_of(prepare, "terminated").get("exitCode") == 0:
        return "Starting", _why_waiting(main, "Starting the container")
    waiting = state_of(prepare, "waiting")
    if waiting:
        return "Preparing", _why_waiting(prepare, "Starting to prepare")
    if state_of(prepare, "running"):
        return "Preparing", Wait("", "Bringing code and inputs")
    return "Preparing", Wait("node", "Waiting for the node")


def why_unscheduled(condition: dict[str, Any]) -> str:
    """Return what a pod waits for that has no node yet, in words."""
    return unscheduled(condition).text


def _why_waiting(container: dict[str, Any], default: str) -> Wait:
    waiting = state_of(container, "waiting")
    reason = str(waiting.get("reason") or "")
    if reason in PULL_PROBLEMS or reason in CONFIG_PROBLEMS:
        text = f"{reason}: {shortened(str(waiting.get('message') or ''))}"
        return Wait("image" if reason in PULL_PROBLEMS else "container", text)
    if reason == "ContainerCreating":
        return Wait("creating", "Pulling the image or creating the container")
    return Wait("creating" if waiting else "", default)


def _problem(pod: dict[str, Any], prepare: Any, main: Any, times: dict[str, datetime], now: datetime) -> tuple[Told | None, bool]:
    """Return why the pod failed or cannot start, and whether waiting longer is hopeless."""
    status = fields(pod.get("status"))
    if status.get("reason") == "Evicted" or condition(status, "DisruptionTarget").get("status") == "True":
        text = status.get("message") or condition(status, "DisruptionTarget").get("message") or "no reason given"
        return Told("job-evicted", {"text": shortened(str(text))}), True
    end = state_of(main, "terminated")
    if end:
        return _why_ended(end, pod), True
    failed = state_of(prepare, "terminated")
    if failed and failed.get("exitCode") != 0:
        return Told("job-preparing-failed", {"text": _termination_text(failed)}), True
    for container in (prepare, main):
        told = _why_not_started(container, pod, times, now)
        if told:
            return told, True
    if status.get("phase") == "Failed":
        return Told("job-container-not-started", {"text": shortened(str(status.get("message") or "the pod failed"))}), True
    return None, False


def _why_ended(end: dict[str, Any], pod: dict[str, Any]) -> Told | None:
    code, reason = end.get("exitCode"), end.get("reason")
    if SIMULATED == end.get("message") == fields(pod.get("status")).get("message"):
        return Told("job-simulated")
    if reason == "OOMKilled":
        return Told("job-out-of-memory", {"limit": _memory_limit(pod), "where": ""})
    if reason in {"StartError", "ContainerCannotRun"}:
        return Told("job-container-not-started", {"text": shortened(str(end.get("message") or reason))})
    if code in (0, None):
        return None
    if end.get("signal"):
        return Told("job-signal", {"signal": end["signal"], "where": ""})
    return Told("job-exit-code", {"code": code, "where": ""})


def _why_not_started(container: dict[str, Any], pod: dict[str, Any], times: dict[str, datetime], now: datetime) -> Told | None:
    waiting = state_of(container, "waiting")
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    image = str(container.get("image") or "")
    since = times.get("Starting") or times.get("Preparing") or now
    if reason == "InvalidImageName":
        return Told("job-image-pull", {"image": image, "text": shortened(message)})
    if reason in PULL_PROBLEMS and (now - since).total_seconds() > PULL_PATIENCE_SECONDS:
        return Told("job-image-pull", {"image": image, "text": shortened(message)})
    if reason in CONFIG_PROBLEMS:
        if "runAsNonRoot" in message or "non-numeric user" in message:
            return Told("job-image-runs-as-root", {"image": image})
        # A Secret that is not there yet passes by itself.
        if "not found" not in message:
            return Told("job-container-not-started", {"text": shortened(message)})
    return None


def _times(status: dict[str, Any], prepare: Any, main: Any) -> dict[str, datetime]:
    """Return when each state was entered, as far as the pod tells (to the second, the API server's way)."""
    found = {
        "Preparing": condition(status, "PodScheduled").get("lastTransitionTime")
        if condition(status, "PodScheduled").get("status") == "True"
        else None,
        "Starting": state_of(prepare, "terminated").get("finishedAt"),
        "Running": state_of(main, "running").get("startedAt") or state_of(main, "terminated").get("startedAt"),
        "Finalizing": state_of(main, "terminated").get("finishedAt"),
    }
    return {state: at for state, text in found.items() if (at := time_of(text))}


def _termination_text(end: dict[str, Any]) -> str:
    message = str(end.get("message") or "")
    try:
        told = read_json(message)
        return shortened(str(told.get("text") or message))
    except (ValueError, AttributeError):
        return shortened(message or f"preparing ended with code {end.get('exitCode')} ({end.get('reason') or 'no reason'})")


def _memory_limit(pod: dict[str, Any]) -> str:
    main = named(fields(pod.get("spec")).get("containers"), "job")
    return str(fields(fields(main.get("resources")).get("limits")).get("memory") or "the node")


def _index(metadata: dict[str, Any]) -> int:
    text = fields(metadata.get("annotations")).get("batch.kubernetes.io/job-completion-index", "0")
    return int(str(text)) if str(text).isdecimal() else 0


def fields(value: Any) -> dict[str, Any]:
    """Return a mapping as it is, and nothing for what is none: clusters leave out what they like."""
    return value if isinstance(value, dict) else {}


def named(listed: Any, name: str, key: str = "name") -> dict[str, Any]:
    """Return the entry of that name in a list, or an empty one."""
    rows = listed if isinstance(listed, list) else []
    return next((row for row in rows if isinstance(row, dict) and row.get(key) == name), {})


def state_of(container: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the state of a container (`waiting`, `running`, `terminated`) if it is in it."""
    return fields(fields(container.get("state")).get(name))


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a condition by its type."""
    return named(status.get("conditions"), kind, "type")


def time_of(text: Any) -> datetime | None:
    """Return a time as Kubernetes writes it; None for anything else."""
    try:
        at = datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
    # Kubernetes always writes a zone; times with and without one cannot be compared.
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)
