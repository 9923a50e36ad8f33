"""What each benchmark must reach. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limit:
    """A bound on one key of a benchmark's figures; the key may lead into them with dots. Without a bound it is only shown."""

    key: str
    bound: float | None
    least: bool = False

    def figure(self, result: dict[str, Any]) -> float | None:
        """Return the figure of a result, None where it has none (it was not measured, or is no number)."""
        found: Any = result
        for part in self.key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return float(found) if isinstance(found, int | float) else None

    def met(self, result: dict[str, Any]) -> bool | None:
        """Tell whether a result keeps to it, None where the figure is missing or nothing was asked for."""
        figure = self.figure(result)
        if figure is None or self.bound is None:
            return None
        return figure >= self.bound if self.least else figure <= self.bound

    def used(self, result: dict[str, Any]) -> float | None:
        """Return how much of the limit is used: 1 is just met, 2 is missed by as much again."""
        figure = self.figure(result)
        if figure is None or self.bound is None:
            return None
        above, below = (self.bound, figure) if self.least else (figure, self.bound)
        if below == 0:
            return 0.0 if above == 0 else float("inf")
        return above / below

    def __str__(self) -> str:
        if self.bound is None:
            return "–"
        return f"{'≥' if self.least else '≤'} {self.bound:g}" if self.bound else "0"


def _most(**bounds: float) -> list[Limit]:
    return [Limit(key, bound) for key, bound in bounds.items()]


def _shown(*keys: str) -> list[Limit]:
    """Return ratios to other people's programs, for which there is no limit."""
    return [Limit(key, None) for key in keys]


PEERS = ("mlflow", "dstack")


# On a machine with 2 cores on which the cluster runs, too.
LIMITS: dict[str, list[Limit]] = {
    "startup": _most(seconds=8),
    "idle": _most(pss_mb=450, cpu_percent_of_one_core=3),
    "submit": [
        *_most(p50_ms=100, p99_ms=300),
        Limit("per_second", 25, least=True),
        *_most(lost=0, doubled=0),
        *_shown(*(f"over_{peer}.{key}" for peer in PEERS for key in ("request_p50_ms", "accepted_per_second"))),
    ],
    "cancel": _most(state_max_ms=2000, sigterm_max_ms=2000),
    "live_logs": [
        *_most(p50_ms=75, p99_ms=200, lost=0, doubled=0, reordered=0, upstream_streams=1),
        *_shown("p50_over_kubectl"),
    ],
    "viewers": _most(p99_ms=1000, lost=0, web_mb=300, upstream_streams=1),
    "log_loss": _most(lost=0, doubled=0, reordered=0, foreign=0, not_completed=0),
    "ingest": [Limit("lines_per_second", 100_000, least=True)],
    "page_feel": _most(worst_shift=0.05, worst_interaction_ms=200),
    "log_scroll": [Limit("fps_worst", 50, least=True)],
    "job_list": [
        Limit("p95_ms.100000", 100),
        Limit("p95_ms.1000000", 150),
        *_most(kb=60, growth_1k_to_100k=2),
        *_shown(*(f"over_{peer}.{key}_{size}" for peer in PEERS for key in ("first", "state", "search") for size in (1_000, 10_000))),
    ],
    "pages": _most(worst_p95_ms=200, worst_queries=25),
    "watch": _most(page_p99_ms=2000, missed=0, cpu_percent_of_one_core=60, growth_mb=50),
    "recover": _most(seconds_max=30, wrong=0),
    "scoring": [Limit("ratio_to_best", 2, least=True)],
    "deploy": _most(seconds=15),
    "router": _most(added_mean_ms=1, added_p99_ms=3),
    "rollout": _most(not_2xx=0),
}
