"""Read what Envoy counts, and what came between two readings. Pure: text and numbers only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

CODES = "envoy_cluster_upstream_rq"
TIMES = "envoy_cluster_upstream_rq_time"
REFUSED = "envoy_http_api_key_auth_unauthorized"
# What Envoy sends of its figures: answers by code and their times, of our backends alone, and requests without a valid key.
QUERY = {
    "usedonly": "",
    "filter": (
        r"^cluster\.(service/.*/md-[0-9]+/.*|httproute/.*/me-[0-9]+/.*)\.upstream_rq_([0-9]+|time)$"
        r"|^http\..*\.api_key_auth\.unauthorized$"
    ),
}
# All rules that lead to a Service share its cluster; copies of requests have a cluster of their rule's.
_SERVICE = re.compile(r"service/(?P<namespace>[^/]+)/md-(?P<deployment>[0-9]+)/[0-9]+(?:/[a-z0-9]+)?")
_MIRROR = re.compile(r"httproute/(?P<namespace>[^/]+)/me-(?P<endpoint>[0-9]+)/rule/(?P<rule>[0-9]+)-mirror-(?P<mirror>[0-9]+)")
INFINITE = "+Inf"
Amounts = dict[str, float]


@dataclass
class Count:
    """Answers by status code, and by the upper bound (ms) of the time they took."""

    codes: Amounts = field(default_factory=dict)
    times: Amounts = field(default_factory=dict)

    @property
    def requests(self) -> float:
        return sum(self.codes.values())

    def __bool__(self) -> bool:
        return bool(self.codes or self.times)

    def add(self, other: Count, share: float = 1) -> None:
        """Add a share of another count."""
        for mine, theirs in ((self.codes, other.codes), (self.times, other.times)):
            for key, amount in theirs.items():
                mine[key] = round(mine.get(key, 0) + amount * share, 3)

    def as_dict(self) -> dict[str, Amounts]:
        return {"codes": self.codes, "times": self.times}


@dataclass(frozen=True)
class Backend:
    """What an Envoy cluster stands for: the Service of a deployment."""

    namespace: str
    deployment: int


@dataclass(frozen=True)
class Mirror:
    """What an Envoy cluster stands for: one of the mirrors of a rule of an endpoint's route."""

    namespace: str
    endpoint: int
    rule: int
    mirror: int


def backend_of(name: str) -> Backend | Mirror | None:
    """Return what Envoy's name of a cluster means; None for what is not ours."""
    if found := _SERVICE.fullmatch(name):
        return Backend(found["namespace"], int(found["deployment"]))
    if found := _MIRROR.fullmatch(name):
        return Mirror(found["namespace"], int(found["endpoint"]), int(found["rule"]), int(found["mirror"]))
    return None


def counts_in(text: str) -> dict[str, Count]:
    """Return the counts of our backends in Envoy's Prometheus text, by Envoy's name of each.

    Under `REFUSED` stands what the router answered 401 by itself, to whichever endpoint it was sent.
    """
    found: dict[str, Count] = {}
    for family in text_string_to_metric_families(text):
        if family.name == REFUSED:
            found[REFUSED] = Count({"401": sum(sample.value for sample in family.samples)})
        if family.name not in (CODES, TIMES):
            continue
        below: dict[str, float] = {}
        for sample in family.samples:
            name = sample.labels.get("envoy_cluster_name", "")
            if backend_of(name) is None:
                continue
            count = found.setdefault(name, Count())
            if family.name == CODES:
                code = sample.labels.get("envoy_response_code", "")
                count.codes[code] = count.codes.get(code, 0) + sample.value
            elif sample.name.endswith("_bucket"):
                # Prometheus counts all below a bound; kept is what lies between two.
                within = sample.value - below.get(name, 0)
                below[name] = sample.value
                if within:
                    count.times[sample.labels["le"]] = within
    return found


def since(before: Mapping[str, Any] | None, now: Count) -> Count:
    """Return what came since an earlier reading of the same counters; a counter that fell was begun anew."""
    if before is None:
        return now
    return Count(_grown(before.get("codes") or {}, now.codes), _grown(before.get("times") or {}, now.times))


def _grown(before: Mapping[str, float], now: Amounts) -> Amounts:
    # One restart resets all of a backend's counters at once.
    if any(now.get(key, 0) < amount for key, amount in before.items()):
        return dict(now)
    grown = {key: amount - before.get(key, 0) for key, amount in now.items()}
    return {key: amount for key, amount in grown.items() if amount}


def quantile(times: Mapping[str, float], share: float) -> float | None:
    """Return the time (ms) within which `share` of the answers came, straight between the bounds of its bucket."""
    bounds = sorted((float("inf") if key == INFINITE else float(key), amount) for key, amount in times.items())
    whole = sum(amount for _, amount in bounds)
    if whole <= 0:
        return None
    wanted, passed = whole * share, 0.0
    for bound, amount in bounds:
        if passed + amount >= wanted and amount:
            low = _below(bound)
            if bound == float("inf"):
                return low
            return low + (bound - low) * (wanted - passed) / amount
        passed += amount
    return bounds[-1][0]


# Envoy's own bounds, in ms.
BOUNDS = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000)


def _below(bound: float) -> float:
    return max((each for each in BOUNDS if each < bound), default=0.0)


def by_class(codes: Mapping[str, float]) -> Amounts:
    """Return answers by the class of their code: `2xx`, `4xx`, `5xx`."""
    found: Amounts = {}
    for code, amount in codes.items():
        key = f"{code[:1]}xx" if code[:1].isdigit() else "other"
        found[key] = found.get(key, 0) + amount
    return found


def together(samples: Iterable[Any]) -> Count:
    """Return the sum of samples."""
    whole = Count()
    for sample in samples:
        whole.add(Count(sample.codes, sample.times))
    return whole
