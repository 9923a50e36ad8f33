"""The statistics that the benchmarks' figures come from."""

import math

import pytest

from benchmarks.figures import Order, milliseconds, order_of, percentile, ratio, shown_at


@pytest.mark.parametrize(("share", "expected"), [(0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1, 100)])
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_a_percentile_of_nothing_is_no_number() -> None:
    assert math.isnan(percentile([], 0.5))
    assert milliseconds([], 0.5) is None


def test_a_percentile_refuses_a_share_in_percent() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        percentile([1.0], 99)


def test_durations_are_told_in_milliseconds() -> None:
    assert milliseconds([0.01234], 0.5) == 12.3


def test_a_ratio_to_nothing_is_none() -> None:
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(3.0, 0.0) is None
    assert ratio(None, 2.0) is None


def test_a_whole_sequence_has_nothing_wrong() -> None:
    assert order_of(range(5), 5) == Order(0, 0, 0)


def test_what_is_missing_counts_as_lost_at_the_end_too() -> None:
    assert order_of([0, 2, 3], 6) == Order(lost=3, doubled=0, reordered=0)


def test_what_comes_again_is_doubled_and_not_reordered() -> None:
    assert order_of([0, 1, 1, 0, 2], 3) == Order(lost=0, doubled=2, reordered=0)


def test_what_comes_after_a_greater_one_is_reordered() -> None:
    assert order_of([0, 2, 1, 3], 4) == Order(lost=0, doubled=0, reordered=1)


def test_a_line_that_was_passed_over_is_there_with_the_next_that_was_drawn() -> None:
    assert shown_at([(0, 1.0), (3, 2.0)], 5) == {0: 1.0, 1: 2.0, 2: 2.0, 3: 2.0}


def test_a_line_that_was_drawn_twice_is_there_from_the_first_time_on() -> None:
    assert shown_at([(0, 3.0), (0, 1.0)], 1) == {0: 1.0}
