"""The port that `make run` chooses."""

import subprocess
import sys

from tests.studio_process import ROOT

CHOOSE = "import sys; from ports import free_port; print(free_port(['127.0.0.1']), flush=True); sys.stdin.read()"


def begin() -> tuple["subprocess.Popen[str]", str]:
    process = subprocess.Popen([sys.executable, "-c", CHOOSE], cwd=ROOT / "setup", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline()


def test_of_two_that_begin_at_once_each_has_its_own_and_what_one_had_is_free_afterwards() -> None:
    first, one = begin()
    second, other = begin()
    with first, second:
        assert int(one) < int(other)
        first.communicate()
        third, again = begin()
        with third:
            assert int(again) != int(other)
            third.communicate()
        second.communicate()
