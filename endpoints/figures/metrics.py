"""The figures of an endpoint as the API gives them: of a whole time for each deployment, and over it where asked for."""

from datetime import datetime
from typing import Any

from endpoints.figures.series import RANGES, over_time, range_named, trouble_of
from endpoints.models import Endpoint
from studio.core.errors import ProblemError

COLUMNS = {"rate": "requests_per_second", "p50": "p50_ms", "p95": "p95_ms", "p99": "p99_ms", "ready": "ready_replicas"}


def metrics_of(endpoint: Endpoint, key: str = "15m", *, points: bool = False, now: datetime | None = None) -> dict[str, Any]:
    """Return requests/s, quantiles and codes of the last `key` (15m, 1h, 6h, 24h, 14d): of each deployment, of its copies, of all."""
    known = [each.key for each in RANGES]
    if key not in known:
        raise ProblemError("field-invalid", field="range", text=f"The range is one of {', '.join(known)}.")
    found = over_time(endpoint, range_named(key), now)
    trouble, read_at = trouble_of(endpoint)
    totals = found["totals"]
    rows = [(name, False, found["deployments"][name], one) for name, one in totals["deployments"].items()]
    rows += [(name, True, found["mirrored"][name], one) for name, one in totals["mirrored"].items()]
    answer = {
        "endpoint_name": endpoint.name,
        "range": key,
        "all": _figures(found["all"], totals["all"], points=points),
        "deployments": [{"name": name, "copies": copies} | _figures(series, one, points=points) for name, copies, series, one in rows],
        # By the router itself, for want of a valid key, at whichever of its endpoints.
        "refused_by_router": found["refused"],
        "read_at": read_at,
        "trouble": trouble,
    }
    return answer | ({"at": found["at"]} if points else {})


def _figures(series: dict[str, Any], total: dict[str, Any], *, points: bool) -> dict[str, Any]:
    codes = {str(one["code"] or "none"): one["count"] for one in total["codes"]}
    figures = {
        "requests": total["requests"],
        **{title: total[name] for name, title in COLUMNS.items()},
        "codes": codes,
        "errors": {code: count for code, count in codes.items() if code[:1] not in "123"},
    }
    return figures | ({"points": {title: series[name] for name, title in COLUMNS.items()}} if points else {})
