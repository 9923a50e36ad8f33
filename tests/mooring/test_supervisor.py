"""The supervisor with real children: order, restarts, back-off, shutdown, and what a crash of its own leaves."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from mooring.up.output import Log
from mooring.up.plan import ChildPlan
from mooring.up.supervisor import Supervisor, Timing
from tests.mooring.supervised import is_alive, supervise

STAYS = "import time\nprint('here', flush=True)\ntime.sleep(60)"
DIES = "import sys\nprint('going', flush=True)\nsys.exit(7)"
NEEDS_A_KILL = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(60)"


def test_children_start_in_order_and_their_lines_carry_their_names(tmp_path: Path) -> None:
    once = {"name": "migrate", "script": "print('tables made')", "once": True}
    with supervise(tmp_path, {"name": "redis", "script": STAYS}, once, {"name": "web", "script": STAYS}) as running:
        running.until(lambda: "all ready" in running.log and running.log.count("here") == 2)
        assert "migrate │ tables made\n" in running.log
        assert "web     │ here\n" in running.log
        assert running.log.index("tables made") < running.log.index("web     │ here")


def test_a_child_that_dies_is_started_again_with_longer_and_longer_pauses(tmp_path: Path) -> None:
    with supervise(tmp_path, {"name": "web", "script": DIES}, first_delay=0.05, deaths_reported=99) as running:
        running.until(lambda: running.log.count("going") >= 4)
        assert "web ended (exit code 7)" in running.log
        pauses = ["again in 0.05 s", "again in 0.1 s", "again in 0.2 s"]
        assert [running.log.count(pause) for pause in pauses] == [1, 1, 1]


def test_a_child_that_keeps_dying_is_reported_and_the_others_stay_up(tmp_path: Path) -> None:
    children = ({"name": "web", "script": STAYS}, {"name": "beat", "script": DIES})
    with supervise(tmp_path, *children, first_delay=0.01, longest_delay=0.05) as running:
        running.until(lambda: running.status("web").get("state") == "running")
        web = running.status("web")["pid"]
        running.until(lambda: "beat has now ended 5 times in a row" in running.log)
        running.until(lambda: running.status("beat")["state"] == "failing")
        assert running.status("web") == running.status("web") | {"pid": web, "state": "running", "restarts": 0}
        assert is_alive(web)


def test_a_killed_child_is_named_with_its_signal(tmp_path: Path) -> None:
    with supervise(tmp_path, {"name": "web", "script": STAYS}, first_delay=0.01) as running:
        running.until(lambda: "here" in running.log)
        first = running.status("web")["pid"]
        os.kill(first, signal.SIGKILL)
        running.until(lambda: running.status("web").get("restarts") == 1 and running.status("web")["pid"])
        assert "killed by SIGKILL" in running.log
        assert running.status("web")["pid"] != first


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_stops_all_children_in_reverse_order(tmp_path: Path, number: int) -> None:
    says = """
import os, signal, sys, time
def leave(*_):
    with open(os.environ["FOLDER"] + "/order", "a") as file:
        file.write(NAME + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("here", flush=True)
time.sleep(60)
"""
    children = [{"name": name, "script": f"NAME = {name!r}" + says} for name in ("redis", "web", "worker")]
    with supervise(tmp_path, *children) as running:
        running.until(lambda: running.log.count("here") == 3)
        assert running.stop(number) == 0
        assert (tmp_path / "order").read_text().split() == ["worker", "web", "redis"]


def test_a_child_that_ignores_the_request_is_killed_in_time(tmp_path: Path) -> None:
    children = [{"name": name, "script": NEEDS_A_KILL} for name in ("web", "worker")]
    with supervise(tmp_path, *children, stop_within=1.2) as running:
        running.until(lambda: running.log.count("deaf") == 2)
        pids = [running.status(name)["pid"] for name in ("web", "worker")]
        began = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - began < 2.5
        assert "web did not stop in time: killing it" in running.log
        assert not any(map(is_alive, pids))


def test_a_second_request_to_stop_kills_at_once(tmp_path: Path) -> None:
    with supervise(tmp_path, {"name": "web", "script": NEEDS_A_KILL}) as running:
        running.until(lambda: "deaf" in running.log)
        running.process.send_signal(signal.SIGINT)
        running.until(lambda: "stopping" in running.log)
        began = time.monotonic()
        assert running.stop(signal.SIGINT) == 0
        assert time.monotonic() - began < 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child's life to its parent's")
def test_children_die_with_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    children = [{"name": "web", "script": NEEDS_A_KILL}, {"name": "worker", "script": STAYS}]
    with supervise(tmp_path, *children) as running:
        running.until(lambda: "deaf" in running.log and "here" in running.log)
        pids = [running.status(name)["pid"] for name in ("web", "worker")]
        running.stop(signal.SIGKILL)
        running.until(lambda: not any(map(is_alive, pids)))


def test_what_a_dead_child_had_started_dies_too(tmp_path: Path) -> None:
    script = """
import os, subprocess, sys, time
deep = subprocess.Popen([sys.executable, "-S", "-E", "-c", "import time; time.sleep(60)"])
print("pid", deep.pid, flush=True)
time.sleep(0.2) if os.path.exists(os.environ["FOLDER"] + "/second") else open(os.environ["FOLDER"] + "/second", "w")
sys.exit(1)
"""
    with supervise(tmp_path, {"name": "beat", "script": script}, first_delay=5) as running:
        running.until(lambda: "starting it again" in running.log)
        grandchild = int(running.log.split("pid ")[1].split()[0])
        assert not is_alive(grandchild)


def test_a_failed_first_step_ends_the_start_with_nothing_left(tmp_path: Path) -> None:
    once = {"name": "migrate", "script": "import sys; print('no such table'); sys.exit(1)", "once": True}
    with supervise(tmp_path, {"name": "redis", "script": STAYS}, once, {"name": "web", "script": STAYS}) as running:
        assert running.process.wait(10) == 1
        assert "migrate failed (exit code 1)" in running.log
        assert "web     │" not in running.log
        assert running.status("redis")["state"] == "ended"


KILLED = """
import os
with open(os.environ["FOLDER"] + "/tries", "a+") as tries:
    tries.seek(0)
    before = len(tries.read())
    tries.write("x")
if before < {times}:
    os.kill(os.getpid(), 9)
print("tables made")
"""


def test_a_first_step_that_is_killed_is_run_again(tmp_path: Path) -> None:
    once = {"name": "migrate", "script": KILLED.format(times=2), "once": True}
    with supervise(tmp_path, once, {"name": "web", "script": STAYS}, first_delay=0.01) as running:
        running.until(lambda: "all ready" in running.log)
        assert running.log.count("migrate ended (killed by SIGKILL); running it again in 0.0") == 2
        assert "tables made" in running.log and running.status("migrate")["restarts"] == 2


def test_a_first_step_that_is_killed_again_and_again_ends_the_start(tmp_path: Path) -> None:
    once = {"name": "migrate", "script": KILLED.format(times=99), "once": True}
    with supervise(tmp_path, once, deaths_reported=3, first_delay=0.01) as running:
        assert running.process.wait(10) == 1
        assert (tmp_path / "tries").read_text() == "xxx" and "migrate failed (killed by SIGKILL)" in running.log


def test_it_runs_what_frees_a_dead_childs_leases(tmp_path: Path) -> None:
    tidy = [sys.executable, "-S", "-E", "-c", "import sys; print('tidied after', sys.argv[1])", "{pid}"]
    with supervise(tmp_path, {"name": "worker", "script": DIES, "after_death": tidy}, first_delay=0.01) as running:
        running.until(lambda: "worker  │ tidied after" in running.log)


def test_a_command_that_does_not_exist_is_said_and_tried_again(tmp_path: Path) -> None:
    stream = io.BytesIO()
    plans = [ChildPlan("redis", ("/nowhere/redis-server",), {}, tmp_path)]
    supervisor = Supervisor(plans, Log(["redis"], stream=stream), status_file=tmp_path / "status.json", timing=Timing(first_delay=0.01))

    async def scenario() -> int:
        running = asyncio.create_task(supervisor.run())
        async with asyncio.timeout(5):
            while stream.getvalue().count(b"cannot be started") < 2:
                await asyncio.sleep(0.01)
        supervisor.stop()
        return await running

    assert asyncio.run(scenario()) == 0
    assert b"No such file or directory: /nowhere/redis-server" in stream.getvalue()


def test_readiness_over_http_waits_for_an_answer(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = f"""
import http.server, os, pathlib, time
while not (pathlib.Path(os.environ["FOLDER"]) / "go").exists():
    time.sleep(0.01)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", {port}), Answer).serve_forever()
"""
    child = {"name": "web", "script": script, "ready": "http", "target": f"127.0.0.1:{port}"}
    with supervise(tmp_path, child) as running:
        running.until(lambda: running.status("web").get("state") == "starting")
        assert "all ready" not in running.log
        (tmp_path / "go").touch()
        running.until(lambda: "all ready" in running.log)
        assert running.status("web")["state"] == "running"
