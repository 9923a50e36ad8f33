"""The entrypoint, run as a container would run it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runner.pod import wait_until


class Run:
    """One run of the entrypoint."""

    def __init__(self, folder: Path, binary: Path, command: str, more: dict[str, Any]) -> None:
        self.folder = folder
        (folder / "work").mkdir()
        self.log, self.exit = folder / "log.txt", folder / "exit.json"
        entry = {
            "command": command,
            "cwd": str(folder / "work"),
            "log": str(more.pop("log", self.log)),
            "exit": str(self.exit),
            "timeout_seconds": more.pop("timeout_seconds", None),
            "grace_seconds": more.pop("grace_seconds", 5),
        }
        (folder / "entry.json").write_text(json.dumps(entry))
        more = {"stdout": subprocess.DEVNULL, **more}
        self.process = subprocess.Popen([str(binary), str(folder / "entry.json")], **more)

    def wait(self, seconds: float = 20) -> int:
        return self.process.wait(seconds)

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def ended(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.exit.read_text())
        return found


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path, entrypoint: Path) -> Iterator[Start]:
    runs: list[Run] = []

    def make(command: str, **more: Any) -> Run:
        runs.append(Run(tmp_path, entrypoint, command, more))
        return runs[-1]

    yield make
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
        run.process.wait()


def test_it_ends_with_the_commands_own_code(start: Start) -> None:
    run = start("echo hello; echo error >&2; exit 3")
    assert run.wait() == 3
    assert run.text() == "hello\nerror\n"
    ended = run.ended()
    assert (ended["code"], ended["signal"], ended["reason"], ended["error"]) == (3, None, "exited", None)
    assert ended["log_bytes"] == len(run.text())
    assert ended["started"] < ended["ended"]


def test_it_ends_with_128_and_the_signal_of_a_command_that_was_killed(start: Start) -> None:
    run = start("kill -9 $$")
    assert run.wait() == 137
    assert (run.ended()["code"], run.ended()["signal"]) == (137, 9)


def test_it_notes_the_start_before_the_command_has_ended(start: Start, tmp_path: Path) -> None:
    run = start("exec sleep 60")
    noted = tmp_path / "started.json"
    wait_until(noted.exists)
    assert json.loads(noted.read_text())["pid"] > 0
    assert run.process.poll() is None


def test_sigterm_reaches_a_grandchild(start: Start) -> None:
    run = start("""sh -c 'trap "echo grandchild got it; exit 0" TERM; echo ready; while :; do sleep 0.05; done'; echo not reached""")
    wait_until(lambda: "ready" in run.text())
    run.process.send_signal(signal.SIGTERM)
    assert run.wait() == 143
    assert "grandchild got it" in run.text()
    assert "not reached" not in run.text()
    assert run.ended()["reason"] == "terminated"


def test_a_grandchild_keeps_the_rest_of_its_grace_when_its_shell_has_died(start: Start) -> None:
    program = "trap 'sleep 0.3; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    run = start(f'sh -c "{program}" > out.txt; true')
    out = run.folder / "work/out.txt"
    wait_until(lambda: out.exists() and "ready" in out.read_text())
    run.process.send_signal(signal.SIGTERM)
    run.wait()
    assert "saved" in out.read_text()


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"])
def test_it_passes_signals_on(start: Start, name: str) -> None:
    run = start(f"trap 'echo got {name}; exit 7' {name[3:]}; echo ready; while :; do sleep 0.02; done")
    wait_until(lambda: "ready" in run.text())
    run.process.send_signal(getattr(signal, name))
    assert run.wait() == 7
    assert run.text().endswith(f"got {name}\n")
    assert run.ended()["reason"] == "exited"


def test_it_kills_the_whole_group_after_the_grace(start: Start) -> None:
    run = start("""trap '' TERM; sh -c 'echo $$ > pid; while :; do sleep 0.05; done'; wait""", grace_seconds=0.2)
    pid = run.folder / "work/pid"
    wait_until(lambda: pid.exists() and pid.read_text().strip())
    began = time.monotonic()
    run.process.send_signal(signal.SIGTERM)
    assert run.wait() == 137
    assert time.monotonic() - began < 3
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
    assert (run.ended()["reason"], run.ended()["signal"]) == ("terminated", 9)


def test_it_kills_what_has_left_the_group_too(start: Start) -> None:
    run = start("setsid sh -c 'echo $$ > pid; exec sleep 60' & while [ ! -s pid ]; do sleep 0.01; done; exit 0")
    assert run.wait() == 0
    pid = (run.folder / "work/pid").read_text().strip()
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


def test_it_ends_the_command_at_its_time_limit(start: Start) -> None:
    run = start("echo begun; exec sleep 60", timeout_seconds=0.3)
    assert run.wait() == 143
    assert run.ended()["reason"] == "timeout"
    assert "the time limit of 0.3 seconds is over" in run.text()


def test_it_kills_at_the_time_limit_what_ignores_sigterm(start: Start) -> None:
    run = start("trap '' TERM; while :; do sleep 0.05; done", timeout_seconds=0.1, grace_seconds=0.1)
    assert run.wait() == 137
    assert run.ended()["reason"] == "timeout"


def test_a_background_process_that_holds_the_output_is_not_waited_for_long(start: Start) -> None:
    began = time.monotonic()
    run = start("sleep 60 & echo done")
    assert run.wait() == 0
    assert time.monotonic() - began < 4
    assert run.text() == "done\n"


def test_background_output_within_the_short_wait_is_kept(start: Start) -> None:
    run = start("(sleep 0.3; echo late) & echo early")
    assert run.wait() == 0
    assert run.text() == "early\nlate\n"


def test_it_reaps_orphans(start: Start) -> None:
    run = start("for i in 1 2 3 4 5; do (sleep 0.01 & ) ; done; sleep 0.3; cat /proc/$PPID/task/*/children; echo")
    assert run.wait() == 0
    assert len(run.text().split()) == 1  # the shell itself


def chrooted(tmp_path: Path, entrypoint: Path, files: dict[str, str], command: str) -> tuple[int, Path]:
    """Run in a root of its own that has only these programs and what they load."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a root folder of its own")
    root = tmp_path / "root"
    for name, source in {**files, "/entrypoint": str(entrypoint)}.items():
        (root / name[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(source), root / name[1:])
        loaded = subprocess.run(["ldd", source], capture_output=True, text=True, check=False).stdout
        for library in (word for word in loaded.split() if word.startswith("/")):
            (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(library), root / library[1:])
    for folder in ("dev", "proc", "work", "run"):
        (root / folder).mkdir()
    (root / "dev/null").touch()
    entry = {"command": command, "cwd": "/work", "log": "/run/log.txt", "exit": "/run/exit.json", "grace_seconds": 1}
    (root / "run/entry.json").write_text(json.dumps(entry))
    done = subprocess.run(
        ["/entrypoint", "/run/entry.json"],
        preexec_fn=lambda: os.chroot(root),
        capture_output=True,
        timeout=20,
        check=False,
    )
    return done.returncode, root / "run"


def test_it_takes_sh_where_there_is_no_bash_and_no_tee(tmp_path: Path, entrypoint: Path) -> None:
    code, run = chrooted(tmp_path, entrypoint, {"/bin/sh": "/bin/dash"}, "echo from $0; exit 3")
    assert code == 3
    assert (run / "log.txt").read_text() == "from sh\n"


def test_it_prefers_bash(start: Start) -> None:
    run = start("echo ${BASH_VERSION:+bash}")
    assert run.wait() == 0
    assert run.text() == "bash\n"


def test_it_says_so_where_there_is_no_shell(tmp_path: Path, entrypoint: Path) -> None:
    code, run = chrooted(tmp_path, entrypoint, {}, "echo hello")
    assert code == 127
    assert "no shell (neither bash nor sh)" in (run / "log.txt").read_text()
    ended = json.loads((run / "exit.json").read_text())
    assert (ended["code"], ended["reason"]) == (127, "could_not_start")
    assert "use an image with a shell" in ended["error"]
    assert ended["log_bytes"] == (run / "log.txt").stat().st_size


def test_it_finds_the_shell_with_a_path_that_leads_nowhere(start: Start) -> None:
    run = start("echo hello", env={"PATH": "/nowhere"})
    assert run.wait() == 0
    assert run.text() == "hello\n"


def test_it_says_that_a_command_is_too_long(start: Start) -> None:
    run = start("true " + "x" * 200_000)
    assert run.wait() == 127
    assert "too long" in run.text()
    assert run.ended()["reason"] == "could_not_start"


def test_200_000_lines_are_whole_and_in_order(start: Start) -> None:
    run = start("seq 1 200000")
    assert run.wait() == 0
    assert run.text() == "".join(f"{line}\n" for line in range(1, 200_001))
    assert run.ended()["log_bytes"] == run.log.stat().st_size


def test_stdout_that_nobody_reads_stops_neither_the_command_nor_the_log(start: Start) -> None:
    run = start("seq 1 1000000; exit 4", stdout=subprocess.PIPE)
    assert run.wait() == 4
    assert run.log.stat().st_size == run.ended()["log_bytes"] == 6888896
    assert run.process.stdout
    run.process.stdout.close()


def test_stdout_that_is_closed_stops_nothing(start: Start) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    run = start("seq 1 100000; exit 5", stdout=writing)
    os.close(writing)
    assert run.wait() == 5
    assert run.text().endswith("\n100000\n")


def test_stdout_gets_the_same_as_the_log(start: Start) -> None:
    run = start("seq 1 100", stdout=subprocess.PIPE)
    assert run.process.stdout
    assert run.process.stdout.read() == "".join(f"{line}\n" for line in range(1, 101)).encode()
    assert run.wait() == 0


def test_a_log_that_cannot_be_written_is_told_and_does_not_end_the_command(start: Start) -> None:
    run = start("echo hello; exit 6", log="/dev/full", stdout=subprocess.PIPE)
    assert run.process.stdout
    stdout = run.process.stdout.read().decode()
    assert run.wait() == 6
    assert "hello" in stdout
    assert "the log file cannot be written: no space left on device" in stdout
    assert run.ended()["error"] == "the log is not whole: no space left on device (6 bytes lost)"
    assert run.ended()["log_bytes"] == 0


def test_a_line_is_in_the_log_within_milliseconds(start: Start) -> None:
    run = start("""for i in 1 2 3 4 5 6 7 8 9 10; do date +%s%N; sleep 0.02; done""")
    delays = []
    while run.process.poll() is None and len(delays) < 10:
        lines = run.text().splitlines()
        if len(lines) > len(delays):
            delays.append(time.time_ns() - int(lines[-1]))
    run.wait()
    assert sorted(delays)[len(delays) // 2] < 100_000_000  # printing the time and reading it takes most of this


def test_the_lock_tells_of_its_life(start: Start, tmp_path: Path) -> None:
    import fcntl

    run = start("exec sleep 60")
    wait_until(lambda: (tmp_path / "started.json").exists())
    with (tmp_path / "alive").open() as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        group = json.loads((tmp_path / "started.json").read_text())["pid"]
        run.process.kill()
        run.wait()
        os.killpg(group, signal.SIGKILL)
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_its_own_tests_in_go_pass() -> None:
    sources = Path(__file__).resolve().parents[2] / "runner/entrypoint"
    go = shutil.which("go") or "/usr/local/go/bin/go"
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    done = subprocess.run([go, "test", "./..."], cwd=sources, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
