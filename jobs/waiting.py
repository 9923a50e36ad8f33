"""What jobs wait for: the words for what a cluster says, and what would end each wait. Pure: events in, values out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jobs.texts import shortened

# Each thing that a job may wait for, and what would end it.
NEXT_STEPS = {
    "handing": "This takes a moment. If it lasts for minutes, ask an operator whether the cluster's controllers run.",
    "scheduler": "This takes a moment. If it lasts for minutes, ask an operator whether the cluster's scheduler runs.",
    "room": "It starts by itself when there is room. To start sooner, choose a smaller instance type or another compute: "
            "Computes shows what fits now.",
    "taint": "Choose another instance type, or ask an operator to give this one a toleration for the taint.",
    "labels": "Choose another instance type, or ask an operator to correct this one's node selector.",
    "gate": "Something in the cluster holds the pod back, such as a queue. It starts by itself when that lets it go.",
    "placement": "It starts by itself when a node takes it. If it lasts, choose another instance type or compute.",
    "node": "This takes a moment. If it lasts for minutes, ask an operator to look at the node.",
    "creating": "The first pull of a large image takes minutes. If it lasts, Events has what the node says.",
    "image": "It is tried again for a minute. Check the image's name and tag; for a private registry, ask an operator for an image rule.",
    "container": "It is tried again by itself. If it lasts, check the image and what the message names.",
    "volume": "It is tried again by itself. If it lasts for minutes, ask an operator to look at what the message names.",
    "network": "It is tried again by itself. If it lasts for minutes, ask an operator to look at the node's network.",
    "quota": "It starts by itself when the quota has room again: when other work in the namespace ends, or an operator raises it. "
             "A smaller instance type may fit.",
    "limits": "Choose an instance type within these limits, or ask an operator to change the namespace's limits.",
    "policy": "Ask an operator to allow it or to choose other settings for the compute; the cluster tries again by itself.",
    "refused": "Ask an operator to mend what the message names; the cluster tries again by itself.",
    "cluster": "It goes on by itself when the cluster answers. If it lasts, ask an operator, or cancel it and choose another compute.",
    "credentials": "Ask an operator to replace the cluster's credentials; then it goes on by itself.",
}  # fmt: skip
# Where the state of a pod says no more than this, or there is no pod, the cluster's events are asked.
ASKED = frozenset({"handing", "scheduler", "node", "creating", "volume", "network", "quota", "limits", "policy", "refused"})
_STUCK = {
    "FailedScheduling": ("placement", "Waiting"),
    "FailedMount": ("volume", "Waiting for a volume"),
    "FailedAttachVolume": ("volume", "Waiting for a volume"),
    "FailedCreatePodSandBox": ("network", "Waiting for the pod's network"),
    "NetworkNotReady": ("network", "Waiting for the node's network"),
}
# Each try names another pod: without it the words stay the same as long as the cause does.
_TRY = re.compile(r"^(?:Error creating: )?(?:pods \"[^\"]*\" is forbidden: )?")


@dataclass(frozen=True)
class Wait:
    """What is waited for: a key of NEXT_STEPS, and the sentence."""

    key: str
    text: str


def unscheduled(condition: dict[str, Any]) -> Wait:
    """Return what a pod waits for that has no node yet."""
    message = str(condition.get("message") or "")
    if condition.get("reason") == "SchedulingGated":
        return Wait("gate", f"Waiting: {shortened(message or 'the pod is held back')}")
    if not message:
        return Wait("scheduler", "Waiting for the scheduler")
    return _placed(message)


def not_made(events: Iterable[dict[str, Any]]) -> Wait | None:
    """Return why a Job has no pod, from its events, oldest first; None when they do not say."""
    refusal = ""
    for event in events:
        if event.get("reason") == "FailedCreate":
            refusal = _TRY.sub("", str(event.get("message") or "")) or "no reason given"
        elif event.get("reason") == "SuccessfulCreate":
            refusal = ""
    return _refused(shortened(refusal)) if refusal else None


def stuck(events: Iterable[dict[str, Any]]) -> Wait | None:
    """Return what holds a pod up, from its events, oldest first; None when the last of them is no trouble."""
    found = None
    for event in events:
        key, words = _STUCK.get(str(event.get("reason")), ("", ""))
        message = str(event.get("message") or "")
        if event.get("type") != "Warning":
            found = None
        elif key == "placement":
            found = _placed(message)
        elif key:
            found = Wait(key, f"{words}: {shortened(message)}")
    return found


def _placed(message: str) -> Wait:
    text = shortened(message)
    if "untolerated taint" in message and "Insufficient" not in message:
        return Wait("taint", f"Waiting: no node accepts it ({text})")
    if "Insufficient" in message:
        return Wait("room", f"Waiting for room: {text}")
    if "node affinity/selector" in message:
        return Wait("labels", f"Waiting: no node has the labels that its instance type asks for ({text})")
    if "olume" in message:
        return Wait("volume", f"Waiting for a volume: {text}")
    return Wait("placement", f"Waiting: {text}")


def _refused(text: str) -> Wait:
    if "exceeded quota" in text:
        return Wait("quota", f"Waiting: the namespace's quota has no room for its pod ({text})")
    if "failed quota" in text or re.search(r"(?:maximum|minimum) .+ usage per |ratio per ", text):
        return Wait("limits", f"Waiting: the namespace's limits refuse its pod ({text})")
    if "PodSecurity" in text or "admission webhook" in text or "ValidatingAdmissionPolicy" in text:
        return Wait("policy", f"Waiting: the cluster's rules refuse its pod ({text})")
    return Wait("refused", f"Waiting: the cluster cannot make its pod ({text})")
