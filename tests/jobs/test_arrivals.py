"""When the bytes of a log came: kept beside it, at most a few times a second, and put in front of its lines when asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs import arrivals
from jobs.arrivals import RECORD, Stamper, index_of
from jobs.keeping import append_log

NOON = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.ms = NOON

    def time_ns(self) -> int:
        return self.ms * 1_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(arrivals, "time", made)
    return made


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "7" / "1-std_log.txt"


def write(log: Path, text: bytes) -> None:
    append_log(log, "log:1", log.stat().st_size if log.exists() else 0, text)


def test_what_comes_within_a_quarter_of_a_second_has_one_record(log: Path, clock: Clock) -> None:
    for ms in (0, 100, 149, 1, 5000):
        clock.ms += ms
        write(log, b"0123456789")
    assert arrivals.arrivals(log, 0) == [(0, NOON), (30, NOON + 250), (40, NOON + 5250)]
    assert index_of(log).stat().st_mode & 0o777 == 0o600


def test_bytes_that_come_twice_keep_their_first_time(log: Path, clock: Clock) -> None:
    write(log, b"one\n")
    clock.ms += 1000
    append_log(log, "log:1", 0, b"one\n")
    append_log(log, "log:1", 2, b"e\ntwo\n")
    assert arrivals.arrivals(log, 0) == [(0, NOON), (4, NOON + 1000)]


def test_a_writer_that_was_killed_before_its_bytes_leaves_no_wrong_time(log: Path, clock: Clock) -> None:
    write(log, b"one\n")
    clock.ms += 1000
    arrivals.note_arrival(log, 4)
    with index_of(log).open("ab") as file:
        file.write(b"torn")
    clock.ms += 60_000
    write(log, b"two\n")
    clock.ms += 1000
    write(log, b"three\n")
    assert arrivals.arrivals(log, 0) == [(0, NOON), (4, NOON + 61_000), (8, NOON + 62_000)]
    assert index_of(log).stat().st_size == 3 * RECORD.size


def test_a_clock_that_is_set_back_goes_on_from_there(log: Path, clock: Clock) -> None:
    write(log, b"one\n")
    clock.ms -= 3_600_000
    write(log, b"two\n")
    clock.ms += 1000
    write(log, b"three\n")
    assert [came - NOON for _, came in arrivals.arrivals(log, 0)] == [0, -3_600_000, -3_599_000]


def test_a_disk_that_takes_no_times_costs_no_byte(log: Path) -> None:
    index_of(log).mkdir(parents=True)
    write(log, b"one\n")
    assert log.read_bytes() == b"one\n"


def test_records_of_a_part_begin_with_the_one_that_tells_of_its_first_byte(log: Path, clock: Clock) -> None:
    for _ in range(3000):
        write(log, b"0123456789")
        clock.ms += 1000
    assert arrivals.arrivals(log, 20_005, 20_011) == [(20_000, NOON + 2_000_000), (20_010, NOON + 2_001_000)]
    assert len(arrivals.arrivals(log, 0, 30_000)) == 3000
    assert arrivals.first_record(log, 20_005) == 2000 * RECORD.size


@pytest.mark.parametrize("size", [1, 7, 100])
def test_each_line_has_its_time_in_whatever_pieces_it_is_read(log: Path, clock: Clock, size: int) -> None:
    for text in (b"one\ntwo\nthr", b"ee\n\nfour"):
        write(log, text)
        clock.ms += 1500
    stamper, whole = Stamper(log, 0), log.read_bytes()
    stamped = b"".join(stamper.stamp(whole[at : at + size]) for at in range(0, len(whole), size))
    first, second = b"2026-03-01T12:00:00.000Z ", b"2026-03-01T12:00:01.500Z "
    assert stamped == first + b"one\n" + first + b"two\n" + first + b"three\n" + second + b"\n" + second + b"four"


def test_of_a_log_from_before_no_times_are_invented(log: Path) -> None:
    log.parent.mkdir()
    log.write_bytes(b"old\n")
    assert Stamper(log, 0).stamp(b"old\n") == b"-".ljust(24) + b" old\n"
