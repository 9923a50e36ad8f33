"""The bytes of a log at their offsets: nothing lost, doubled or reordered, whoever writes how often."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis

from jobs.keeping import append_log, cut_at
from studio.live.bus import client


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "7" / "1-std_log.txt"


def told(topic: str) -> list[tuple[str, int, bytes]]:
    return [(id.decode(), int(entry[b"o"]), entry[b"b"]) for id, entry in client().xrange(topic)]


def test_pieces_are_written_where_they_belong_and_told_with_their_end(log: Path) -> None:
    assert append_log(log, "log:1", 0, b"hello ") == 6
    assert append_log(log, "log:1", 6, b"world") == 11
    assert log.read_bytes() == b"hello world"
    assert told("log:1") == [("6-0", 0, b"hello "), ("11-0", 6, b"world")]


def test_a_log_is_for_the_studio_alone_to_read(log: Path) -> None:
    append_log(log, "log:1", 0, b"x")
    assert log.stat().st_mode & 0o777 == 0o600 and log.parent.stat().st_mode & 0o777 == 0o700


def test_a_repeated_piece_changes_nothing_and_is_told_once(log: Path) -> None:
    for _ in range(3):
        assert append_log(log, "log:1", 0, b"hello") == 5
    assert log.read_bytes() == b"hello" and len(told("log:1")) == 1


def test_of_an_overlapping_piece_only_what_is_new_is_told(log: Path) -> None:
    append_log(log, "log:1", 0, b"hello")
    assert append_log(log, "log:1", 2, b"llo world") == 11
    assert log.read_bytes() == b"hello world" and told("log:1")[1] == ("11-0", 5, b" world")


def test_a_piece_within_what_is_kept_takes_nothing_away(log: Path) -> None:
    append_log(log, "log:1", 0, b"hello world")
    assert append_log(log, "log:1", 0, b"hello") == 11
    assert log.read_bytes() == b"hello world"


def test_a_piece_behind_a_gap_is_refused_with_where_to_begin(log: Path) -> None:
    append_log(log, "log:1", 0, b"hello")
    assert append_log(log, "log:1", 9, b"rld") == 5
    assert log.read_bytes() == b"hello" and len(told("log:1")) == 1


def test_an_empty_piece_makes_no_noise(log: Path) -> None:
    assert append_log(log, "log:1", 0, b"") == 0
    assert told("log:1") == []


def test_redis_itself_refuses_what_was_told(log: Path) -> None:
    client().xadd("log:1", {"o": 0, "b": b"hello"}, id="5-0")
    assert append_log(log, "log:1", 0, b"hello") == 5
    assert len(told("log:1")) == 1


def test_a_redis_that_is_away_costs_no_byte(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def xadd(self, *_: Any, **__: Any) -> None:
            raise redis.ConnectionError("gone")

    monkeypatch.setattr("jobs.keeping.client", Away)
    assert append_log(log, "log:1", 0, b"hello") == 5
    assert log.read_bytes() == b"hello"


@pytest.mark.parametrize("seed", range(3))
def test_writers_at_once_leave_the_same_bytes_as_one(log: Path, seed: int) -> None:
    whole = bytes(random.Random(seed).randbytes(40_000))

    def follow(number: int) -> None:
        own, at = random.Random(seed * 10 + number), 0
        while at < len(whole):
            piece = whole[at : at + own.randint(1, 3000)]
            at = min(append_log(log, "log:1", at, piece), len(whole))
            if own.random() < 0.2:
                at = max(0, at - own.randint(0, 2000))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(follow, range(4)))
    assert log.read_bytes() == whole
    entries = told("log:1")
    ends = [int(id.partition("-")[0]) for id, _, _ in entries]
    assert ends == sorted(set(ends)) and ends[-1] == len(whole)
    assert all(whole[start : start + len(piece)] == piece and start + len(piece) == end
               for end, (_, start, piece) in zip(ends, entries, strict=True))  # fmt: skip


def test_a_log_that_grows_too_large_ends_with_a_line_that_says_so(log: Path, settings: Any) -> None:
    settings.LARGEST_LOG = 100
    assert append_log(log, "log:1", 0, b"x" * 90) == 90
    assert append_log(log, "log:1", 90, b"y" * 20) >= 110
    kept = log.read_bytes()
    assert kept.startswith(b"x" * 90 + b"y" * 10 + b"\n[mooring] The log is cut here, at byte 100") and kept.endswith(b"\n")
    assert cut_at(log) == 100
    assert b"".join(piece for _, _, piece in told("log:1")) == kept
    # What comes then is read past: who brings it comes to its end, and nothing is kept of it.
    for offset in (100, 110, 5000):
        assert append_log(log, "log:1", offset, b"z" * 1000) >= offset + 1000
    assert log.read_bytes() == kept


def test_a_log_is_cut_the_same_by_all_who_write_it(log: Path, settings: Any) -> None:
    settings.LARGEST_LOG = 10_000
    whole = random.Random(1).randbytes(40_000)

    def follow(size: int) -> None:
        at = 0
        while at < len(whole):
            at = append_log(log, "log:1", at, whole[at : at + size])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(follow, (700, 1000, 1300, 9999)))
    assert log.read_bytes()[:10_000] == whole[:10_000] and cut_at(log) == 10_000 and len(log.read_bytes()) < 10_200


def test_a_job_that_prints_such_a_line_is_not_cut(log: Path, settings: Any) -> None:
    settings.LARGEST_LOG = 100
    append_log(log, "log:1", 0, b"x" * 150)
    settings.LARGEST_LOG = 10_000
    other = log.with_name("2-std_log.txt")
    append_log(other, "log:2", 0, b"before " + log.read_bytes())
    assert cut_at(other) is None
    end = other.stat().st_size
    assert append_log(other, "log:2", end, b"after") == end + 5 and other.read_bytes().endswith(b"after")


def test_a_limit_that_was_lowered_takes_nothing_away(log: Path, settings: Any) -> None:
    append_log(log, "log:1", 0, b"x" * 200)
    settings.LARGEST_LOG = 100
    append_log(log, "log:1", 200, b"y" * 10)
    assert log.read_bytes().startswith(b"x" * 200 + b"\n[mooring]") and cut_at(log) == 200
