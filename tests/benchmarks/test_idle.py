"""How starting and idling are told: what the kernel's files say, and what is made of rounds."""

import os
import subprocess
import sys

from benchmarks.idle import measured
from benchmarks.processes import cpu_seconds, family, name_of, parent_of, pss_kb, pss_mb, ticks
from benchmarks.startup import summed

STAT = "12 (a (b) c) S 7 12 12 0 -1 4194560 1 2 3 4 50 6 700 8000 20 0 1 0"


def test_times_and_the_parent_are_read_behind_a_command_with_brackets() -> None:
    assert parent_of(STAT) == 7
    assert ticks(STAT) == 50 + 6 + 700 + 8000


def test_proportional_memory_is_the_line_of_that_name_alone() -> None:
    assert pss_kb("x\nRss: 9 kB\nPss:   120 kB\nPss_Anon: 7 kB\n") == 120
    assert pss_kb("") == 0


def test_a_process_that_was_started_by_one_that_was_started_belongs_to_the_family() -> None:
    inner = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=0); print(p.pid, flush=True); p.wait()"
    child = subprocess.Popen([sys.executable, "-c", inner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        found = family(os.getpid())
        assert {os.getpid(), child.pid, grandchild} <= set(found)
        assert pss_mb(found) > pss_mb([grandchild]) > 0
        assert cpu_seconds([os.getpid()]) > 0
        assert name_of(grandchild).startswith("python")
    finally:
        child.communicate("\n")


def test_what_is_looked_at_is_told_by_process() -> None:
    found = measured(os.getpid(), 0.01, lambda milliseconds: None)
    assert found["pss_mb"] > 5
    assert found["by_process"]


def test_starting_is_told_as_median_and_worst() -> None:
    found = summed(
        [{"served": 4.0, "ready": 5.0, "cpu": 3.0}, {"served": 9.0, "ready": 9.5, "cpu": 4.0}, {"served": 5.0, "ready": 6.0, "cpu": 3.5}]
    )
    assert (found["seconds"], found["worst_seconds"], found["ready_seconds"], found["cpu_seconds"]) == (5.0, 9.0, 6.0, 3.5)
