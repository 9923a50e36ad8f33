"""How many more pods of a shape the ResourceQuotas of a namespace let in."""

from collections.abc import Iterable, Mapping
from typing import Any

from compute.kube.quantities import Quantities, display, parse_quantity

Object = dict[str, Any]
_ONE_EACH = {"pods", "count/pods", "count/jobs.batch", "count/secrets", "secrets"}


def observe_quota(quota: Object) -> Object | None:
    """Return what a quota limits and what of it is used; None when it counts only some of the pods."""
    spec, status = quota.get("spec") or {}, quota.get("status") or {}
    if spec.get("scopes") or spec.get("scopeSelector"):
        return None
    hard = {**(spec.get("hard") or {}), **(status.get("hard") or {})}
    return {"name": quota["metadata"]["name"], "hard": hard, "used": status.get("used") or {}}


def room(quotas: Iterable[Object], requests: Quantities, limits: Mapping[str, Any]) -> tuple[int | None, str]:
    """Return how many pods with these requests and limits the quotas let in, and what keeps the next one out.

    None when no quota has a say.
    """
    least: int | None = None
    why = ""
    for quota in quotas:
        for key, hard in quota["hard"].items():
            asks = _asks(key, requests, limits)
            if not asks:
                continue
            most, used = parse_quantity(hard), parse_quantity(quota["used"].get(key, 0))
            count = max(0, int((most - used) // asks))
            if least is None or count < least:
                least = count
                resource = key.removeprefix("requests.").removeprefix("limits.")
                shown = (used, most) if key in _ONE_EACH else (display(resource, used), display(resource, most))
                parts = f"{key}: {shown[0]} of {shown[1]}"
                why = f"The quota {quota['name']} of the namespace leaves too little ({parts} in use)."
    return least, why


def _asks(key: str, requests: Quantities, limits: Mapping[str, Any]) -> Any:
    if key in _ONE_EACH:
        return 1
    if key.startswith("limits."):
        return limits.get(key.removeprefix("limits."), 0)
    return requests.get(key.removeprefix("requests."), 0)
