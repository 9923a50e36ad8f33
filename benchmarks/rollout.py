"""Requests at a constant rate through everything that may happen to an endpoint: none of them may fail.

A caller as there are many: connections are kept, used 50 times and opened anew (so that handshakes meet the rotation of the
certificate, too), and nothing is tried again. What fails is told with the step during which it was due.
"""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.deploy import certify
from benchmarks.load import Answers, Connection, Failure, Load
from benchmarks.serving import ENDPOINT, READY_SECONDS, Served, served
from benchmarks.studio import NotMeasuredError, say

RATE, USES, CONNECTIONS = 100, 50, 8
# What a step may still do to requests after it has ended is counted as its own.
AFTER_SECONDS, QUICK_AFTER_SECONDS = 5, 1
SHARES = (10, 25, 50, 75, 100)
MOST_SECONDS, KILL_SECONDS, TOLD = 1800, 10, 20


@dataclass(frozen=True)
class Step:
    """Something that was done while requests went through; times are seconds of time.time()."""

    name: str
    began: float
    ended: float
    # From when processes were killed to when none of them was left, if they were.
    killed: tuple[float, float] | None = None


class Steps:
    """Do one thing after another and note when."""

    def __init__(self, after: float) -> None:
        self.after = after
        self.done: list[Step] = []
        self.killed: tuple[float, float] | None = None

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Note a step from its begin to when its consequences are over."""
        say(name)
        began, self.killed = time.time(), None
        yield
        time.sleep(self.after)
        self.done.append(Step(name, began, time.time(), self.killed))


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    with served("python") as one:
        steps = Steps(QUICK_AFTER_SECONDS if quick else AFTER_SECONDS)
        load = Load(one.place, one.request(one.keys()["primaryKey"]), connections=CONNECTIONS, uses=USES)
        caller = threading.Thread(target=load.run, args=(RATE, MOST_SECONDS), daemon=True)
        try:
            caller.start()
            with steps.step("nothing"):
                pass
            everything(one, load, steps)
        finally:
            load.stop()
            caller.join(30)
            load.close()
        return {**summed(load.answers, steps.done), "settings": {"rate": RATE, "uses": USES, "after_seconds": steps.after}}


def everything(one: Served, load: Load, steps: Steps) -> None:
    """Do everything that people do to an endpoint, and what happens to its pods."""
    client, images = one.studio.client, one.status["images"]
    with steps.step("second deployment"):
        one.deploy("green", image=images["python"], count=2)
    for share in SHARES:
        with steps.step(f"traffic {share}"):
            client.endpoints.set_traffic(ENDPOINT, {"blue": 100 - share, "green": share} if share < 100 else {"green": 100})
            one.routed()
    with steps.step("image change"):
        client.deployments.update("green", endpoint=ENDPOINT, overrides=[f"environment.image={images['sklearn']}"])
        one.ready("green")
    with steps.step("first deployment deleted"):
        client.deployments.delete("blue", endpoint=ENDPOINT)
        one.studio.until(lambda: names(one) == ["green"], seconds=READY_SECONDS, what="the first deployment to be gone")
    with steps.step("key rotation"):
        # As one does it without an interruption: the callers have one key, the other is made anew; then the other way round.
        for which in ("secondary", "primary"):
            client.endpoints.regenerate_key(ENDPOINT, which)
            one.routed()
            load.request = one.request(one.keys()[f"{which}Key"])
    with steps.step("certificate rotation"):
        before = shown(one)
        certify(one.studio)
        one.studio.until(lambda: shown(one) != before, seconds=READY_SECONDS, what="the router to show the new certificate")
    for number, pod in enumerate(pods(one)):
        with steps.step(f"pod deleted {number + 1}"):
            with one.server.client() as http:
                http.delete(f"/api/v1/namespaces/{one.studio.namespace}/pods/{pod['metadata']['name']}").raise_for_status()
            replaced(one, pod)
    for number, pod in enumerate(pods(one)):
        with steps.step(f"pod killed {number + 1}"):
            steps.killed = kill(pod)
            restarted(one, pod)


def shown(one: Served) -> bytes:
    """Return the certificate that the router shows now."""
    connection = Connection(one.place)
    try:
        assert isinstance(connection.sock, ssl.SSLSocket)
        return connection.sock.getpeercert(binary_form=True) or b""
    finally:
        connection.sock.close()


def names(one: Served) -> list[str]:
    """Return the names of the endpoint's deployments."""
    return [each.name for each in one.studio.client.deployments.list(endpoint=ENDPOINT)]


def pods(one: Served) -> list[dict[str, Any]]:
    """Return the pods of the second deployment that serve."""
    return [each for each in one.objects("pods", "green") if is_ready(each) and "deletionTimestamp" not in each["metadata"]]


def is_ready(pod: dict[str, Any]) -> bool:
    """Tell whether a pod is ready."""
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions") or [])


def replaced(one: Served, old: dict[str, Any]) -> None:
    """Wait until the pod is gone and two are ready."""

    def done() -> bool:
        found = one.objects("pods", "green")
        return len(pods(one)) == 2 and old["metadata"]["uid"] not in [each["metadata"]["uid"] for each in found]

    one.studio.until(done, seconds=READY_SECONDS, what="the pod to be replaced")


def restarted(one: Served, pod: dict[str, Any]) -> None:
    """Wait until the pod's container has been started again and both are ready."""

    def restarts(each: dict[str, Any]) -> int:
        return sum(int(status["restartCount"]) for status in each["status"].get("containerStatuses") or [])

    def done() -> bool:
        found = {each["metadata"]["uid"]: each for each in pods(one)}
        same = found.get(pod["metadata"]["uid"])
        return len(found) == 2 and same is not None and restarts(same) > restarts(pod)

    one.studio.until(done, seconds=READY_SECONDS, what="the pod to be started again")


def kill(pod: dict[str, Any]) -> tuple[float, float]:
    """Kill all processes of the pod's containers at once (SIGKILL); return when, and when none of them was left."""
    uid = pod["metadata"]["uid"]
    found = [path.parent for path in Path("/proc").glob("[0-9]*/cgroup") if of_pod(_text(path), uid)]
    found = [folder for folder in found if "pause" not in _text(folder / "comm")]
    if not found:
        raise NotMeasuredError("the pod's processes are not on this machine")
    began = time.time()
    for folder in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(folder.name), signal.SIGKILL)
    # Until a process is really gone its sockets take requests.
    while time.time() < began + KILL_SECONDS and any(is_alive(_text(folder / "stat")) for folder in found):
        time.sleep(0.001)
    return began, time.time()


def is_alive(stat: str) -> bool:
    """Tell by its /proc/<pid>/stat whether a process has not ended."""
    return stat.rpartition(")")[2].split()[:1] not in ([], ["Z"], ["X"])


def of_pod(cgroup: str, uid: str) -> bool:
    """Tell whether a process with this /proc/<pid>/cgroup belongs to a pod."""
    return f"pod{uid}" in cgroup or f"pod{uid.replace('-', '_')}" in cgroup


def summed(answers: Answers, steps: Sequence[Step]) -> dict[str, Any]:
    """Return how many requests failed, in which step, and apart from them those that a killed pod had begun."""
    kills = [step.killed for step in steps if step.killed]
    with_killed = [each for each in answers.failures if was_with_killed(each, kills)]
    others = [each for each in answers.failures if each not in with_killed]
    return {
        "requests": answers.sent,
        "not_2xx": len(others),
        "in_flight_killed": len(with_killed),
        "kills": len(kills),
        "killing_ms": [round((gone - killed) * 1000, 1) for killed, gone in kills],
        "slowest_ms": round(max(answers.seconds, default=0.0) * 1000, 1),
        "connections": answers.connections,
        "by_step": {step.name: {"seconds": round(step.ended - step.began, 1), "not_2xx": during(others, step)} for step in steps},
        "by_status": dict(Counter(str(each.status) for each in others)),
        "failures": [each.told | {"step": step_of(each, steps)} for each in others[:TOLD]],
        "failures_killed": [each.told for each in with_killed[:TOLD]],
    }


def was_with_killed(failure: Failure, kills: Sequence[tuple[float, float]]) -> bool:
    """Tell whether a request was under way while killed processes ended."""
    return any(failure.sent <= gone and failure.ended >= killed for killed, gone in kills)


def during(failures: Sequence[Failure], step: Step) -> int:
    """Return how many of the failures were due during a step."""
    return sum(step.began <= each.due < step.ended for each in failures)


def step_of(failure: Failure, steps: Sequence[Step]) -> str:
    """Return during which step a request was due."""
    return next((step.name for step in steps if step.began <= failure.due < step.ended), "")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
