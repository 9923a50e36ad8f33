"""What the benchmarks of recovering, of many viewers and of storing lines make of what they saw."""

import base64

import pytest

from benchmarks.ingest import LINE_BYTES, fastest, wrong_lines, yaml_of
from benchmarks.process import NotThereError
from benchmarks.recover import differing, summed, token_of
from benchmarks.viewers import topic_of


def test_a_row_that_does_not_say_what_is_true_is_found_with_both() -> None:
    true = {"a": "Running", "b": "Completed", "c": "held", "d": "Queued", "e": "Failed"}
    seen = {"a": (1, "Running", "u"), "b": (2, "Finalizing", "u"), "c": (3, "Queued", ""), "d": (4, "Queued", "")}
    assert differing(true, seen) == {"b": ("Completed", "Finalizing"), "d": ("Queued", "held"), "e": ("Failed", "missing")}


def test_the_slowest_recovery_counts_and_every_wrong_job() -> None:
    found = summed({"web": {"seconds": 4.0, "wrong": 0}, "redis": {"seconds": 9.5, "wrong": 2}})
    assert (found["seconds_max"], found["wrong"]) == (9.5, 2)


def test_the_token_is_read_from_either_form_of_a_secret() -> None:
    assert token_of({"stringData": {"token": "abc"}}) == "abc"
    assert token_of({"data": {"token": base64.b64encode(b"abc").decode()}}) == "abc"


def printed(*numbers: int) -> bytes:
    return b"".join(b"%09d" % number + b" " + b"x" * 89 + b"\n" for number in numbers)


@pytest.mark.parametrize(("log", "wrong"), [((0, 1, 2), 0), ((0, 2, 1), 2), ((0, 1), 2), ((0, 1, 2, 2), 1)])
def test_every_line_has_its_place(log: tuple[int, ...], wrong: int) -> None:
    assert len(printed(1)) == LINE_BYTES
    assert wrong_lines(printed(*log), 3) == wrong


def test_the_most_of_any_second_is_told() -> None:
    assert fastest([(0.0, 0), (0.5, 100), (1.0, 400), (1.5, 1000), (3.0, 1000)]) == 900


def test_the_printing_job_is_whole() -> None:
    yaml = yaml_of("image:1", 10)
    assert "  END\n  python3 print.py 10\n" in yaml and "import sys" in yaml


def test_the_topic_of_a_log_is_on_its_page() -> None:
    assert topic_of('<div data-live-topic="job:a"></div><div data-log data-live-topic="log:7.std_log">') == "log:7.std_log"
    with pytest.raises(NotThereError):
        topic_of("<html>")
