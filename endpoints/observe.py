"""Read a pod of a deployment: where it stands, why it waits, and why it does not serve. Pure: dictionaries in, values out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from endpoints.manifests import PREPARE, REVISION, SERVER
from jobs.observe import (
    CONFIG_PROBLEMS,
    PULL_PROBLEMS,
    Told,
    condition,
    fields,
    named,
    state_of,
    time_of,
    why_unscheduled,
)
from jobs.texts import shortened
from studio.core.texts import read_json

__all__ = ["Rollout", "Seen", "Told", "observe", "refused_since", "rollout_of", "route_accepted"]

# A pull that fails may be a passing fault of the network; after so many seconds it is told as the rollout's failure.
PULL_PATIENCE_SECONDS = 60
# A crash may be, too: so many starts have to end the same way.
CRASHES = 3
# What the scoring server says it ended of, and what no further start would change.
FATAL = frozenset(
    {
        "scoring-settings-invalid",
        "scoring-python-missing",
        "user-script-missing",
        "user-script-import-error",
        "user-script-function-not-found",
        "mlflow-missing",
    }
)
SCORING = FATAL | {"scoring-port-taken", "user-script-init-failed", "scoring-worker-died"}


@dataclass(frozen=True)
class Seen:
    """What one pod says.

    `state` is one of waiting, preparing, starting, warming, ready, not-ready, failing, ending, ended. `problem` says why
    it does not serve, `hopeless` that waiting longer will not help.
    """

    uid: str
    name: str
    node: str
    phase: str
    revision: int
    state: str
    reason: str
    ready: bool
    restarts: int
    ending: bool
    preparing: bool
    created_at: datetime | None
    ready_at: datetime | None
    problem: Told | None = None
    hopeless: bool = False


def observe(pod: dict[str, Any], *, now: datetime) -> Seen:
    """Return what the pod says; never raises, whatever the cluster left out or wrote oddly."""
    pod = fields(pod)
    metadata, spec, status = fields(pod.get("metadata")), fields(pod.get("spec")), fields(pod.get("status"))
    prepare, server = named(status.get("initContainerStatuses"), PREPARE), named(status.get("containerStatuses"), SERVER)
    ready = condition(status, "Ready")
    is_ready = ready.get("status") == "True"
    ending = bool(metadata.get("deletionTimestamp"))
    problem, hopeless = _problem(pod, status, prepare, server, now)
    state, reason = _standing(status, prepare, server, ready=is_ready, ending=ending)
    revision = str(fields(metadata.get("labels")).get(REVISION) or "0")
    return Seen(
        uid=str(metadata.get("uid") or ""),
        name=str(metadata.get("name") or ""),
        node=str(spec.get("nodeName") or ""),
        phase=str(status.get("phase") or "Pending"),
        revision=int(revision) if revision.isdecimal() else 0,
        state=state,
        reason=reason,
        ready=is_ready and not ending,
        restarts=_count(server) + _count(prepare),
        ending=ending,
        preparing=bool(state_of(prepare, "running")),
        created_at=time_of(metadata.get("creationTimestamp")),
        ready_at=time_of(ready.get("lastTransitionTime")) if is_ready else None,
        problem=None if is_ready or ending else problem,
        hopeless=hopeless and not is_ready and not ending,
    )


@dataclass(frozen=True)
class Rollout:
    """What a Deployment object says of its pods; `current` is False while it speaks of an older version of itself."""

    wanted: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    total: int = 0
    current: bool = False

    @property
    def done(self) -> bool:
        """Tell whether all pods are of the newest revision and serve."""
        return self.current and self.updated >= self.wanted and self.available >= self.wanted and self.total <= self.updated


def rollout_of(thing: dict[str, Any]) -> Rollout:
    """Return what a Deployment object says."""
    spec, status = fields(thing.get("spec")), fields(thing.get("status"))
    generation = fields(thing.get("metadata")).get("generation") or 0
    return Rollout(
        wanted=_number(spec, "replicas"),
        updated=_number(status, "updatedReplicas"),
        ready=_number(status, "readyReplicas"),
        available=_number(status, "availableReplicas"),
        total=_number(status, "replicas"),
        current=_number(status, "observedGeneration") >= generation,
    )


def route_accepted(route: dict[str, Any], gateway: str) -> tuple[bool | None, str]:
    """Return whether the router has taken an HTTPRoute over as it is now (None: it has not said yet), and what it says.

    What it says of an older version of the route does not count.
    """
    generation = fields(route.get("metadata")).get("generation") or 0
    parents = fields(route.get("status")).get("parents")
    for parent in parents if isinstance(parents, list) else []:
        parent = fields(parent)
        if fields(parent.get("parentRef")).get("name") != gateway:
            continue
        said = {"conditions": parent.get("conditions")}
        accepted, resolved = condition(said, "Accepted"), condition(said, "ResolvedRefs")
        if min(_number(accepted, "observedGeneration"), _number(resolved, "observedGeneration")) < generation:
            continue
        for one in (accepted, resolved):
            if one.get("status") != "True":
                return False, shortened(str(one.get("message") or one.get("reason") or "it does not say why"))
        return True, ""
    return None, ""


def refused_since(route: dict[str, Any], gateway: str) -> datetime | None:
    """Return since when the router has not found something that the route names; None where it has, or says no to the route."""
    parents = fields(route.get("status")).get("parents")
    for parent in parents if isinstance(parents, list) else []:
        if fields(fields(parent).get("parentRef")).get("name") == gateway:
            said = {"conditions": fields(parent).get("conditions")}
            resolved = condition(said, "ResolvedRefs")
            if condition(said, "Accepted").get("status") == "True" and resolved.get("status") == "False":
                return time_of(resolved.get("lastTransitionTime"))
    return None


def _standing(status: dict[str, Any], prepare: Any, server: Any, *, ready: bool, ending: bool) -> tuple[str, str]:
    """Return where the pod stands, and what it waits for in words."""
    if ending:
        return "ending", "Ending what it has begun"
    if status.get("phase") in {"Succeeded", "Failed"}:
        return "ended", shortened(str(status.get("message") or ""))
    if ready:
        return "ready", ""
    scheduled = condition(status, "PodScheduled")
    if scheduled.get("status") != "True":
        return "waiting", why_unscheduled(scheduled)
    if state_of(prepare, "terminated").get("exitCode") != 0:
        return _preparing(prepare)
    if state_of(server, "running"):
        if server.get("started"):
            return "not-ready", "It does not answer its readiness probe"
        return "warming", "Loading the model" if not _count(server) else f"Loading the model again (start {_count(server) + 1})"
    waiting = state_of(server, "waiting")
    reason = str(waiting.get("reason") or "")
    if reason == "CrashLoopBackOff" or state_of(server, "terminated"):
        return "failing", f"It ended and is started again (start {_count(server) + 1})"
    if reason in PULL_PROBLEMS or reason in CONFIG_PROBLEMS:
        return "failing", f"{reason}: {shortened(str(waiting.get('message') or ''))}"
    return "starting", "Pulling the image or creating the container"


def _preparing(prepare: Any) -> tuple[str, str]:
    if state_of(prepare, "running"):
        return "preparing", "Bringing the model and the code"
    reason = str(state_of(prepare, "waiting").get("reason") or "")
    if reason in PULL_PROBLEMS or reason in CONFIG_PROBLEMS:
        return "failing", f"{reason}: {shortened(str(state_of(prepare, 'waiting').get('message') or ''))}"
    if reason == "CrashLoopBackOff" or state_of(prepare, "terminated"):
        return "failing", "The model and the code could not be brought; it is tried again"
    return "preparing", "Waiting for the node"


def _problem(pod: dict[str, Any], status: dict[str, Any], prepare: Any, server: Any, now: datetime) -> tuple[Told | None, bool]:
    """Return why the pod does not serve, and whether waiting longer is hopeless."""
    if status.get("phase") == "Failed":
        text = shortened(str(status.get("message") or status.get("reason") or "no reason given"))
        return Told("deployment-evicted", {"text": text}), False
    for container in (prepare, server):
        told = _not_started(container, status, now)
        if told:
            return told, True
    failed = _last_end(prepare)
    if failed and failed.get("exitCode") != 0 and state_of(prepare, "terminated").get("exitCode") != 0:
        return Told("deployment-preparing-failed", {"text": _said(failed)[1]}), _count(prepare) + 1 >= CRASHES
    end = _last_end(server)
    if end:
        told = _why_ended(end, pod)
        return told, told.id in FATAL or _count(server) + (0 if state_of(server, "running") else 1) >= CRASHES
    scheduled = condition(status, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return Told("deployment-unschedulable", {"text": shortened(str(scheduled.get("message") or "no reason given"))}), False
    return None, False


def _why_ended(end: dict[str, Any], pod: dict[str, Any]) -> Told:
    code, reason = end.get("exitCode"), str(end.get("reason") or "")
    id, text = _said(end)
    if reason == "OOMKilled":
        return Told("deployment-out-of-memory", {"limit": _memory_limit(pod)})
    if id in SCORING:
        # What stands behind it is another sentence.
        return Told(id, {"text": text if not text or text.endswith((".", "…")) else f"{text}."})
    if reason in {"StartError", "ContainerCannotRun"}:
        return Told("deployment-container-not-started", {"text": text})
    return Told("deployment-crashed", {"code": code, "text": text or "It printed nothing."})


def _not_started(container: dict[str, Any], status: dict[str, Any], now: datetime) -> Told | None:
    waiting = state_of(container, "waiting")
    reason, message = str(waiting.get("reason") or ""), shortened(str(waiting.get("message") or ""))
    image = str(container.get("image") or "")
    if reason == "InvalidImageName":
        return Told("deployment-image-pull", {"image": image, "text": message})
    since = time_of(condition(status, "PodScheduled").get("lastTransitionTime")) or now
    if reason in PULL_PROBLEMS and (now - since).total_seconds() > PULL_PATIENCE_SECONDS:
        return Told("deployment-image-pull", {"image": image, "text": message})
    if reason in CONFIG_PROBLEMS:
        if "runAsNonRoot" in message or "non-numeric user" in message:
            return Told("deployment-image-runs-as-root", {"image": image})
        # A Secret that is not there yet passes by itself.
        if "not found" not in message:
            return Told("deployment-container-not-started", {"text": message})
    return None


def _last_end(container: dict[str, Any]) -> dict[str, Any]:
    """Return how a container last ended, now or before it was started again."""
    return state_of(container, "terminated") or fields(fields(container.get("lastState")).get("terminated"))


def _said(end: dict[str, Any]) -> tuple[str, str]:
    """Return the id and the text that a container left when it ended; else the end of what it printed."""
    message = str(end.get("message") or "")
    last = message.strip().rpartition("\n")[2]
    for text in (message, last):
        try:
            told = read_json(text)
            return str(told.get("id") or ""), _cut(str(told.get("text") or ""))
        except (ValueError, AttributeError):
            continue
    return "", _cut(message.strip()) if message.strip() else ""


def _cut(text: str, most: int = 1500) -> str:
    """Keep the end: it says why."""
    return text if len(text) <= most else "…" + text[-most:]


def _memory_limit(pod: dict[str, Any]) -> str:
    server = named(fields(pod.get("spec")).get("containers"), SERVER)
    return str(fields(fields(server.get("resources")).get("limits")).get("memory") or "the node")


def _count(container: Any) -> int:
    return _number(fields(container), "restartCount")


def _number(values: dict[str, Any], name: str) -> int:
    value = values.get(name)
    return value if isinstance(value, int) else 0
