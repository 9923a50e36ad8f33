"""From `mooring up` on a data folder that is there to the sign-in page, beside a cluster that runs and is attached."""

from __future__ import annotations

import statistics
import time
from typing import Any

import httpx

from benchmarks.processes import cpu_seconds, family
from benchmarks.serving import CLUSTER
from benchmarks.studio import NotMeasuredError, Studio, cluster, say, stop, studio

ROUNDS, WITHIN_SECONDS, ASK_SECONDS = 7, 90, 0.02
PAGE = "/accounts/login/"


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    with cluster(CLUSTER) as status, studio(status) as one:
        rounds = [_once(one) for _ in range(2 if quick else ROUNDS)]
        one.until(lambda: _answer(one, "/readyz") == 200, seconds=WITHIN_SECONDS, what="the studio to be ready")
    return summed(rounds) | {"settings": {"rounds": len(rounds), "cluster": CLUSTER, "kubernetes": status["version"]}}


def summed(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Return the median and the worst of the rounds."""
    served = [each["served"] for each in rounds]
    return {
        "seconds": round(statistics.median(served), 2),
        "worst_seconds": round(max(served), 2),
        "ready_seconds": round(statistics.median(each["ready"] for each in rounds), 2),
        "cpu_seconds": round(statistics.median(each["cpu"] for each in rounds), 2),
        "rounds": rounds,
    }


def _once(one: Studio) -> dict[str, float]:
    """Stop the studio, start it, and return after how long its sign-in page came, and everything was ready."""
    stop(one.process)
    began = time.monotonic()
    one.again()
    served = _until(one, PAGE, began)
    ready = _until(one, "/readyz", began)
    used = cpu_seconds(family(one.process.pid))
    say(f"sign-in page after {served:.2f} s, all ready after {ready:.2f} s and {used:.1f} s of processor time")
    return {"served": round(served, 2), "ready": round(ready, 2), "cpu": round(used, 2)}


def _until(one: Studio, path: str, began: float) -> float:
    while _answer(one, path) != 200:
        if one.process.poll() is not None or time.monotonic() - began > WITHIN_SECONDS:
            raise NotMeasuredError(f"the studio did not answer {path}:\n{one.tail()}")
        time.sleep(ASK_SECONDS)
    return time.monotonic() - began


def _answer(one: Studio, path: str) -> int:
    try:
        return httpx.get(one.url + path, timeout=10, trust_env=False).status_code
    except httpx.TransportError:
        return 0
