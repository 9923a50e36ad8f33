"""What the router adds: the same pod called at its Service, and through the router with TLS and a key.

Both at the same constant rate from the same process, one after the other, round after round; each round asks the Service
before and after the router, so that what else the machine does meets both, and the difference of the two is the noise.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.deploy import SETTINGS
from benchmarks.figures import percentile, ratio
from benchmarks.load import Answers, Load, Place, request_of
from benchmarks.serving import BODY, Served, served
from benchmarks.studio import NotMeasuredError, say

LOW, HIGH = 1000, 5000
ROUNDS, SECONDS, WARM_SECONDS, SEARCH_SECONDS, SEARCHES = 5, 10, 3, 3, 3
# A rate holds when 99 of 100 requests are answered within this, every one is answered, and with a 2xx.
HELD_MS = 50.0
LEAST, MOST, STEP, FINE = 1000, 20_000, 1.6, 1.1


@dataclass(frozen=True)
class Run:
    """What one run at one rate has shown."""

    mean_ms: float
    p50_ms: float
    p99_ms: float
    failed: int
    busy: float

    @property
    def held(self) -> bool:
        """Tell whether the rate was held."""
        return not self.failed and self.p99_ms < HELD_MS


@dataclass(frozen=True)
class Round:
    """The Service before, the router, and the Service after."""

    before: Run
    router: Run
    after: Run


@dataclass(frozen=True)
class Target:
    """Something that is called."""

    name: str
    place: Place
    request: bytes

    def call(self, rate: float, seconds: float) -> Run:
        """Call it at a rate and return what was seen; connections are there before the clock starts."""
        load = Load(self.place, self.request)
        try:
            load.run(min(rate, LOW), 0.5)
            return run_of(load.run(rate, seconds, give_up=1.0))
        finally:
            load.close()


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    with served("python") as one:
        direct, router = targets(one)
        for target in (direct, router):
            target.call(LOW, 1 if quick else WARM_SECONDS)
        rounds, seconds = (1, 2) if quick else (ROUNDS, SECONDS)
        low = [a_round(direct, router, LOW, seconds) for _ in range(rounds)]
        highest = [(highest_of(direct, quick), highest_of(router, quick)) for _ in range(1 if quick else SEARCHES)]
        most_direct, most_router = (statistics.median(each) for each in zip(*highest, strict=True))
        rate = min(HIGH, round(min(most_direct, most_router) * 0.9, -2))
        high = [a_round(direct, router, rate, seconds) for _ in range(rounds)] if rate > LOW else []
    return {
        **summed(low),
        "highest_ratio": ratio(most_router, most_direct),
        "highest_per_second": most_router,
        "highest_direct_per_second": most_direct,
        "high": {"rate": rate, **summed(high)} if high else None,
        "settings": {"rate": LOW, "rounds": rounds, "seconds": seconds, "held_ms": HELD_MS, "router": SETTINGS},
    }


def targets(one: Served) -> tuple[Target, Target]:
    """Return the pod at its Service, and through the router."""
    service = one.objects("services", "blue")[0]["spec"]
    place = Place(service["clusterIP"], service["ports"][0]["port"])
    try:
        return (
            Target("direct", place, request_of(place, "/score", BODY)),
            Target("router", one.place, one.request(one.keys()["primaryKey"])),
        )
    except OSError as error:
        raise NotMeasuredError(f"the Service {place.address} cannot be reached from this machine: {error}") from error


def a_round(direct: Target, router: Target, rate: float, seconds: float) -> Round:
    """Ask the Service, the router, and the Service again."""
    made = Round(direct.call(rate, seconds), router.call(rate, seconds), direct.call(rate, seconds))
    for name, each in (("direct", made.before), ("router", made.router), ("direct", made.after)):
        say(
            f"{rate:.0f}/s {name}: mean {each.mean_ms:.2f} ms, p99 {each.p99_ms:.2f} ms, {each.failed} failed, generator {each.busy:.0%} busy"
        )
    return made


def highest_of(target: Target, quick: bool) -> float:
    """Return the highest rate that a target holds."""

    def holds(rate: float) -> bool:
        held = target.call(rate, 1 if quick else SEARCH_SECONDS)
        say(f"{target.name} at {rate:.0f}/s: p99 {held.p99_ms:.1f} ms, {held.failed} failed, generator {held.busy:.0%} busy")
        return held.held

    return climb(holds, step=STEP, fine=1.2 if quick else FINE)


def climb(holds: Callable[[float], bool], *, step: float, fine: float) -> float:
    """Return the highest rate that holds, to a factor of `fine`; one failure may be a hiccup, two in a row are not."""
    low, high = 0.0, float(LEAST)
    while high <= MOST and (holds(high) or holds(high)):
        low, high = high, high * step
    while low and high <= MOST and high / low > fine:
        middle = (low * high) ** 0.5
        if holds(middle) or holds(middle):
            low = middle
        else:
            high = middle
    return round(low)


def run_of(answers: Answers) -> Run:
    """Return the figures of one run; requests without an answer count as failed."""
    ms = [each * 1000 for each in answers.seconds]
    failed = answers.sent - len(ms)
    if not ms:
        return Run(float("inf"), float("inf"), float("inf"), failed, answers.busy)
    return Run(statistics.fmean(ms), percentile(ms, 0.5), percentile(ms, 0.99), failed, answers.busy)


def summed(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return medians over the rounds: what the router adds to the Service before and after it, and how those two differ."""

    def median(figure: Callable[[Round], float]) -> float:
        return round(statistics.median(figure(each) for each in rounds), 3)

    return {
        "added_mean_ms": median(lambda each: each.router.mean_ms - (each.before.mean_ms + each.after.mean_ms) / 2),
        "added_p99_ms": median(lambda each: each.router.p99_ms - (each.before.p99_ms + each.after.p99_ms) / 2),
        "noise_mean_ms": median(lambda each: abs(each.after.mean_ms - each.before.mean_ms)),
        "noise_p99_ms": median(lambda each: abs(each.after.p99_ms - each.before.p99_ms)),
        "direct_mean_ms": median(lambda each: (each.before.mean_ms + each.after.mean_ms) / 2),
        "direct_p99_ms": median(lambda each: (each.before.p99_ms + each.after.p99_ms) / 2),
        "router_mean_ms": median(lambda each: each.router.mean_ms),
        "router_p99_ms": median(lambda each: each.router.p99_ms),
        "generator_busy": median(lambda each: each.router.busy),
        "failed": sum(one.failed for each in rounds for one in (each.before, each.router, each.after)),
    }
