"""How lines of a log are told apart from lost, doubled, moved and foreign ones, what is killed when, and what is made of it."""

import io
import socket
import sys
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from benchmarks.log_loss import summed
from benchmarks.log_loss_faults import CUTS, KINDS, planned
from benchmarks.log_loss_lines import PRINTER, Wrong, rest_of, wrong_with, yaml_of

POD, WIDTH = "mj-7-0-abcde", 40
REST = rest_of(POD, WIDTH)


def lines(*numbers: int, rest: bytes = REST) -> bytes:
    return b"".join(b"%08d" % number + rest for number in numbers)


def wrong(log: bytes, count: int = 5, *, pieces: int = 17) -> Wrong:
    return wrong_with((log[at : at + pieces] for at in range(0, len(log), pieces)), POD, count, WIDTH)


@pytest.mark.parametrize("pieces", [1, 17, WIDTH, 3 * WIDTH + 1, 1000])
def test_a_whole_log_has_nothing_wrong_however_it_comes(pieces: int) -> None:
    assert not wrong(lines(*range(5)), pieces=pieces)


@pytest.mark.parametrize(
    ("log", "found"),
    [
        (b"", Wrong(lost=5)),
        (lines(0, 1, 3, 4), Wrong(lost=1)),
        (lines(0, 1, 2, 3), Wrong(lost=1)),
        (lines(0, 1, 1, 2, 3, 4), Wrong(doubled=1)),
        (lines(*range(5), 0, 1), Wrong(doubled=2)),
        (lines(0, 2, 1, 3, 4), Wrong(reordered=1)),
        (lines(*range(6)), Wrong(foreign=1)),
        (lines(0, 1, 2, 3) + lines(4)[:-1], Wrong(lost=1, foreign=1)),
        (lines(0, 1) + lines(2)[5:] + lines(3, 4), Wrong(lost=1, foreign=1)),
        (lines(0, 1, 2) + b"[mooring: 40 bytes are missing here]\n" + lines(3, 4), Wrong(foreign=1)),
        (lines(0, 1, 2) + lines(3, rest=rest_of("mj-8-0-abcde", WIDTH)) + lines(4), Wrong(lost=1, foreign=1)),
    ],
)
def test_every_way_to_be_wrong_is_told(log: bytes, found: Wrong) -> None:
    assert wrong(log) == found
    assert wrong(log, pieces=1000) == found


def test_a_pod_prints_each_line_once_with_its_number_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(socket, "gethostname", lambda: "mj-7-0")
    monkeypatch.setattr(sys, "argv", ["print.py", "0", "100000", "2500", str(WIDTH)])
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out))
    exec(PRINTER, {})
    assert not wrong_with([out.getvalue()], POD, 2500, WIDTH)
    assert len(out.getvalue()) == 2500 * WIDTH


def test_the_printing_job_is_whole() -> None:
    job = yaml.safe_load(yaml_of("image:1", "bench", "small", 1700000000.5, 200, 60000, 128))
    assert job["command"].endswith("END\npython3 print.py 1700000000.5 200 60000 128\n")
    assert job["resources"] == {"instance_type": "small"}
    compile(job["command"].split("<<'END'\n")[1].split("END\n")[0], "print.py", "exec")


def test_a_seed_gives_the_same_faults_again_and_each_kind_before_any_comes_twice() -> None:
    faults = planned(3, 300)
    assert faults == planned(3, 300) != planned(4, 300)
    kinds = [fault.kind for fault in faults]
    assert set(kinds[: len(KINDS)]) == set(KINDS) and set(kinds[len(KINDS) : 2 * len(KINDS)]) == set(KINDS)
    assert {fault.cut for fault in faults if fault.cut} == set(CUTS)
    assert all(0 < one.at < two.at < 300 for one, two in pairwise(faults))


def test_what_is_wrong_in_any_round_and_on_its_page_counts() -> None:
    def round_(seed: int, stored: Wrong, page: Wrong) -> dict[str, Any]:
        told = {"killed": {"web": 2}, "not_completed": 0, "lines": 10, "rotations": 1}
        return {"seed": seed, "stored": vars(stored) | {"logs_wrong": 0}, "page": vars(page) | {"drawn": 3}, **told}

    found = summed([round_(1, Wrong(lost=2), Wrong()), round_(2, Wrong(), Wrong(doubled=1, reordered=3))])
    assert (found["lost"], found["doubled"], found["reordered"], found["foreign"]) == (2, 1, 3, 0)
    assert (found["killed"], found["lines"], list(found["by_seed"])) == ({"web": 4}, 20, ["1", "2"])
