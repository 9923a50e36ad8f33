"""Statistics of what was measured. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """What is wrong with a sequence that should be 0, 1, 2 …: each count is 0 when all is well."""

    lost: int
    doubled: int
    reordered: int


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below or at which `share` (0 to 1) of the values lie, by nearest rank; NaN of nothing.

    Nearest rank never invents a value between two that were measured.
    """
    if not 0 <= share <= 1:
        raise ValueError("a share lies between 0 and 1")
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def milliseconds(seconds: Sequence[float], share: float) -> float | None:
    """Return a percentile of durations in milliseconds with one decimal, None of nothing (JSON knows no NaN)."""
    return round(percentile(seconds, share) * 1000, 1) if seconds else None


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """Return how many times theirs ours is, None when either is missing or theirs is nothing."""
    return round(ours / theirs, 2) if ours is not None and theirs else None


def order_of(numbers: Sequence[int], count: int) -> Order:
    """Compare a sequence with 0 … count-1: what is missing, what came again, what came after a greater one."""
    seen: set[int] = set()
    doubled = reordered = 0
    greatest = -1
    for number in numbers:
        if number in seen:
            doubled += 1
            continue
        seen.add(number)
        if number < greatest:
            reordered += 1
        greatest = max(greatest, number)
    return Order(sum(1 for number in range(count) if number not in seen), doubled, reordered)


def shown_at(arrivals: Sequence[tuple[int, float]], count: int) -> dict[int, float]:
    """Return when each of `count` lines was there, given when some were seen.

    A pane draws the lines in sight only. A line that was passed over between two frames counts as there when the next
    line after it was drawn, never earlier.
    """
    first: dict[int, float] = {}
    for number, at in arrivals:
        first[number] = min(at, first.get(number, math.inf))
    there: dict[int, float] = {}
    next_drawn = math.inf
    for number in range(count - 1, -1, -1):
        next_drawn = min(first.get(number, math.inf), next_drawn)
        if next_drawn < math.inf:
            there[number] = next_drawn
    return there
