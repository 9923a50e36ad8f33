"""How the figures of the router's benchmark are made."""

import pytest

from benchmarks.load import Answers, Failure
from benchmarks.router import Round, Run, climb, run_of, summed


def ran(mean: float, p99: float, failed: int = 0) -> Run:
    return Run(mean, mean, p99, failed, 0.1)


def test_what_the_router_adds_is_against_the_service_before_and_after_it() -> None:
    rounds = [
        Round(ran(1.0, 2.0), ran(2.0, 6.0), ran(1.2, 3.0)),
        Round(ran(1.0, 2.0), ran(9.0, 90.0), ran(1.0, 2.0, failed=2)),
        Round(ran(1.0, 2.0), ran(1.5, 3.0), ran(1.0, 2.0)),
    ]
    found = summed(rounds)
    assert (found["added_mean_ms"], found["added_p99_ms"]) == (0.9, 3.5)
    assert (found["noise_mean_ms"], found["noise_p99_ms"]) == (0.0, 0.0)
    assert (found["router_p99_ms"], found["direct_p99_ms"], found["failed"]) == (6.0, 2.0, 2)


def test_what_was_sent_and_not_answered_has_failed() -> None:
    seen = run_of(Answers(seconds=[0.001] * 98 + [0.010, 0.020], failures=[Failure(1, 1, 2, 503, "")], sent=103, busy=0.5))
    assert (seen.failed, seen.p50_ms, seen.p99_ms) == (3, pytest.approx(1.0), pytest.approx(10.0))
    assert not run_of(Answers(sent=5)).held


@pytest.mark.parametrize("limit", [1000, 1700, 4321, 9999])
def test_the_highest_rate_is_found(limit: float) -> None:
    assert limit / 1.05 <= climb(lambda rate: rate <= limit, step=1.3, fine=1.05) <= limit


def test_one_hiccup_is_no_limit_and_nothing_that_holds_is_zero() -> None:
    asked: list[float] = []

    def holds(rate: float) -> bool:
        asked.append(rate)
        return rate <= 2000 and asked.count(rate) > 1

    assert climb(holds, step=1.3, fine=1.05) > 1900
    assert climb(lambda rate: False, step=1.3, fine=1.05) == 0
