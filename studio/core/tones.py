"""The word and the tone of every state, the same in lists, pages, the command line and notices.

Five tones for everything: neutral (waiting), moving (running), good, look (amber), wrong (red). Free of Django.
"""

from typing import Literal

Tone = Literal["neutral", "moving", "good", "look", "wrong"]

STATES: dict[str, tuple[str, Tone]] = {
    # jobs
    "NotStarted": ("Not started", "neutral"),
    "Queued": ("Queued", "neutral"),
    "Preparing": ("Preparing", "moving"),
    "Starting": ("Starting", "moving"),
    "Running": ("Running", "moving"),
    "Finalizing": ("Finalizing", "moving"),
    "Completed": ("Completed", "good"),
    "Failed": ("Failed", "wrong"),
    "CancelRequested": ("Canceling", "look"),
    "Canceled": ("Canceled", "neutral"),
    "NotResponding": ("Not responding", "look"),
    # models
    "archived": ("Archived", "neutral"),
    # clusters and computes
    "connecting": ("Connecting", "moving"),
    "attaching": ("Attaching", "moving"),
    "creating": ("Creating", "moving"),
    "updating": ("Updating", "moving"),
    "checking": ("Checking", "moving"),
    "ready": ("Ready", "good"),
    "healthy": ("Healthy", "good"),
    "degraded": ("Degraded", "look"),
    "unreachable": ("Unreachable", "wrong"),
    "detaching": ("Detaching", "look"),
    "detached": ("Detached", "neutral"),
    "failed": ("Failed", "wrong"),
    "unknown": ("Unknown", "neutral"),
    # endpoints and deployments, their revisions and replicas
    "deleting": ("Deleting", "look"),
    "rolling-back": ("Rolling back", "moving"),
    "rolling-out": ("Rolling out", "moving"),
    "good": ("Good", "good"),
    "passed-over": ("Passed over", "neutral"),
    "waiting": ("Waiting", "neutral"),
    "preparing": ("Preparing", "moving"),
    "starting": ("Starting", "moving"),
    "warming": ("Warming up", "moving"),
    "not-ready": ("Not ready", "look"),
    "ending": ("Ending", "neutral"),
    "ended": ("Ended", "neutral"),
    # processes of the studio
    "failing": ("Failing", "wrong"),
    "stopping": ("Stopping", "look"),
    # nodes, checks, probes
    "NotReady": ("Not ready", "wrong"),
    "Ready": ("Ready", "good"),
    "cordoned": ("Cordoned", "look"),
    "passed": ("Passed", "good"),
    "warning": ("Look", "look"),
    "refused": ("Refused", "wrong"),
    "pending": ("Waiting", "neutral"),
    # certificates of routers, checks of the way out
    "drifted": ("Changed in the cluster", "look"),
    "absent": ("Not installed", "neutral"),
    "installing": ("Installing", "moving"),
    "removing": ("Removing", "moving"),
    "running": ("Running", "moving"),
    "done": ("Done", "good"),
    "insecure": ("Plain HTTP", "wrong"),
}


def tone_of(state: str) -> Tone:
    """Return the tone of `state`; a state that is not listed is neutral."""
    return STATES.get(state, ("", "neutral"))[1]


def word_of(state: str) -> str:
    """Return how `state` is written for people."""
    known = STATES.get(state)
    return known[0] if known else state.replace("_", " ").replace("-", " ").capitalize()
