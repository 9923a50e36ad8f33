"""How bytes travel between a cluster's pods and the studio, tried out with a pod that answers."""

import http.client
import time
from typing import Any

from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.errors import KubeError
from compute.manifests import PROBE_PORT
from compute.models import LogRoute
from studio.core.texts import read_json

# What the probe sends back, long enough for several frames of a port-forward.
WORDS = "mooring" * 64
# The pod's process needs a moment between "Running" and its port being open.
TRIES = 20


def route_to(client: KubeClient, pod: dict[str, Any], token: str) -> tuple[str, dict[str, str]]:
    """Return the best way to fetch bytes from a serving pod, and what each way that was tried said."""
    detail: dict[str, str] = {}
    for route, ask in ((LogRoute.PROXY, _by_proxy), (LogRoute.PORT_FORWARD, _by_port_forward)):
        detail[route.value] = _tried(lambda ask=ask: ask(client, pod, token))  # type: ignore[misc]
        if detail[route.value].startswith("answered"):
            return route.value, detail
    detail[LogRoute.PODS_LOG.value] = _tried(lambda: _by_log(client, pod))
    answered = detail[LogRoute.PODS_LOG.value].startswith("answered")
    return (LogRoute.PODS_LOG if answered else LogRoute.UNKNOWN).value, detail


def asked_by_a_pod(client: KubeClient, pod: dict[str, Any], seconds: float) -> dict[str, Any] | None:
    """Return what a pod said that asked for the studio (`reached`, `ms`, `error`), or None when it said nothing."""
    place, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        statuses = (client.get(kinds.POD, name, place).get("status") or {}).get("containerStatuses") or []
        ended = [(each.get("state") or {}).get("terminated") for each in statuses]
        if ended and ended[0]:
            return _answer(str(ended[0].get("message") or ""))
        time.sleep(0.3)
    return None


def _answer(text: str) -> dict[str, Any]:
    try:
        told = read_json(text)
        return {"reached": bool(told["reached"]), "ms": told.get("ms"), "error": str(told.get("error") or "")}
    except (ValueError, KeyError, TypeError):
        return {"reached": False, "ms": None, "error": text[:200] or "the probe ended without an answer"}


def _tried(ask: Any) -> str:
    """Return `answered in N ms`, or why it did not."""
    said = ""
    for _ in range(TRIES):
        began = time.monotonic()
        try:
            ask()
            return f"answered in {(time.monotonic() - began) * 1000:.0f} ms"
        except (KubeError, http.client.HTTPException, OSError, ValueError) as error:
            said = str(error)[:200] or type(error).__name__
            time.sleep(0.25)
    return said


def _by_proxy(client: KubeClient, pod: dict[str, Any], token: str) -> None:
    place, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    answer = client.pod_proxy(
        place, name, PROBE_PORT, "GET", "/v1/echo", query={"text": WORDS}, headers={"X-Mooring-Token": token}, timeout=5
    )
    with answer:
        _check(answer.status, answer.read(65536))


def _by_port_forward(client: KubeClient, pod: dict[str, Any], token: str) -> None:
    place, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    with client.port_forward(place, name, PROBE_PORT) as stream:
        stream.settimeout(5)
        connection = http.client.HTTPConnection(name, PROBE_PORT)
        connection.sock = stream  # type: ignore[assignment]
        connection.request("GET", f"/v1/echo?text={WORDS}", headers={"X-Mooring-Token": token})
        answer = connection.getresponse()
        _check(answer.status, answer.read(65536))


def _by_log(client: KubeClient, pod: dict[str, Any]) -> None:
    with client.logs(pod["metadata"]["namespace"], pod["metadata"]["name"], "probe") as answer:
        if b"serving" not in answer.read(65536):
            raise ValueError("the log does not hold what the pod printed")


def _check(status: int, body: bytes) -> None:
    if status != 200 or WORDS.encode() not in body:
        raise ValueError(f"the pod answered {status}: {body[:80]!r}")
