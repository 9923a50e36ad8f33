from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.locks import held
from tests.sandbox.conftest import ROOT, until

HOLDER = """
import sys
from pathlib import Path
from sandbox.console import Console
from sandbox.locks import held
with held(Path(sys.argv[1]), "the test", Console(quiet=True)):
    print("held", flush=True)
    sys.stdin.read()
"""


def _holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_holder_waits_and_says_for_whom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holder = _holder(tmp_path / "lock")
    with (
        pytest.raises(SandboxError, match="has held the lock"),
        held(tmp_path / "lock", "the test", Console(), patience=0),
    ):
        pass
    assert f"waiting for the test: process {holder.pid} is at it" in capsys.readouterr().err
    holder.communicate("")


def test_a_lock_is_free_again_when_its_holder_was_killed(tmp_path: Path, console: Console) -> None:
    holder = _holder(tmp_path / "lock")
    holder.kill()
    until(lambda: holder.poll() is not None)
    with held(tmp_path / "lock", "the test", console, patience=5):
        assert (tmp_path / "lock").read_text()
    holder.communicate()


def test_who_waited_for_a_lock_that_was_removed_takes_the_new_one(tmp_path: Path, console: Console) -> None:
    holder = _holder(tmp_path / "lock")
    waiter = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    until(lambda: any(path.resolve() == tmp_path / "lock" for path in Path(f"/proc/{waiter.pid}/fd").iterdir()), what="the waiter to wait")
    (tmp_path / "lock").unlink()
    holder.communicate("")
    assert waiter.stdout is not None and waiter.stdout.readline() == "held\n"
    with pytest.raises(SandboxError, match=f"process {waiter.pid} has held"), held(tmp_path / "lock", "the test", console, patience=0):
        pass
    waiter.communicate("")
