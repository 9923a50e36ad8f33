"""What is told of how pages feel."""

from benchmarks.limits import LIMITS
from benchmarks.page_feel import INTERACTION_MS, SHIFT, figures_of


def a_page(shift: float, interaction_ms: float, by: str = "palette") -> dict[str, object]:
    return {"shift": shift, "interaction_ms": interaction_ms, "by": by, "interactions": 3}


def test_the_worst_page_is_named_and_what_misses_is_listed() -> None:
    calm, poor = a_page(0.0, 24.0), a_page(0.2, 40.0)
    found = figures_of({"/": {"1440": calm, "390": poor}, "/w/team/": {"1440": a_page(0.01, 312.0, "menu More"), "390": calm}})
    assert (found["worst_shift"], found["shifts_most"]) == (0.2, "/ at 390 px")
    assert (found["worst_interaction_ms"], found["slowest"]) == (312.0, "/w/team/ at 1440 px: menu More")
    assert found["missed"] == ["/ at 390 px", "/w/team/ at 1440 px"]
    assert (found["pages"], found["interactions"]) == (2, 12)


def test_its_limits_are_those_of_every_run() -> None:
    assert {limit.key: limit.bound for limit in LIMITS["page_feel"]} == {"worst_shift": SHIFT, "worst_interaction_ms": INTERACTION_MS}
