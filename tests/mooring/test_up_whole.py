"""`mooring up` as a person runs it: real Redis, real Celery, and a stand-in for the studio's web process."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mooring.up import commands, lock
from tests.mooring.supervised import is_alive

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("redis-server") or shutil.which("valkey-server")), reason="there is no Redis on this machine"),
]

MANAGE = "import os, sys\nprint('manage.py', *sys.argv[1:], 'with', os.environ['REDIS_URL'])\n"
WEB = """
import http.server, os
host, _, port = os.environ["MOORING_LISTEN"].split(",")[0].rpartition(":")
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): ...
http.server.ThreadingHTTPServer((host, int(port)), Answer).serve_forever()
"""
CELERY = """
import os
from celery import Celery
from kombu import Queue
os.environ["DJANGO_SETTINGS_MODULE"] = "studio.settings"
app = Celery("stand-in", broker=os.environ["REDIS_URL"].replace("unix://", "redis+socket://"))
app.conf.task_queues = [Queue("kube"), Queue("stream")]
app.conf.beat_schedule = {"tick": {"task": "tick", "schedule": 0.1, "options": {"queue": "kube"}}}
@app.task(name="tick")
def tick():
    print("ticked", flush=True)
"""
SETTINGS = """
import os
SECRET_KEY = "stand-in"
REDIS_URL = os.environ["REDIS_URL"]
ALIVE_FILE = ""
"""


class Studio:
    """A studio started by `mooring up` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        root = folder / "root"
        (root / "studio").mkdir(parents=True)
        (root / "manage.py").write_text(MANAGE)
        (root / "studio" / "__init__.py").touch()
        (root / "studio" / "web.py").write_text(WEB)
        (root / "studio" / "celery.py").write_text(CELERY)
        (root / "studio" / "settings.py").write_text(SETTINGS)
        (root / "studio" / "system").mkdir()
        (root / "studio" / "system" / "__init__.py").touch()
        for file in ("alive.py", "beat.py", "system/pulse.py"):
            shutil.copy(Path(__file__).resolve().parents[2] / "studio" / file, root / "studio" / file)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.data = folder / "kept"
        self._log = folder / "log"
        self._environment = {"PATH": os.environ["PATH"], "MOORING_ROOT": str(root), "HOME": str(folder)}
        self.process = self.start()

    def start(self, log: str = "log") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "mooring", "up", "--data", str(self.data), "--listen", self.address]
        with (self._log.parent / log).open("wb") as file:
            self.process = subprocess.Popen([*command, "--no-browser"], env=self._environment, stdout=file, stderr=subprocess.STDOUT)
        return self.process

    @property
    def log(self) -> str:
        return self._log.read_text()

    def pid(self, name: str) -> int | None:
        """Return the process id of one child, nothing while it does not run."""
        status = lock.status_of(self.data) or {"children": []}
        return next((child["pid"] for child in status["children"] if child["name"] == name), None)

    def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"it did not happen; the log:\n{self.log}"
            time.sleep(0.02)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Studio]:
    one = Studio(tmp_path)
    try:
        yield one
    finally:
        with contextlib.suppress(ProcessLookupError):
            one.process.kill()
        one.process.wait()


def test_it_starts_every_part_refuses_a_second_start_and_stops_on_request(started: Studio) -> None:
    started.until(lambda: "Ctrl-C stops it" in started.log and "ticked" in started.log)
    assert "manage.py mooring_first_start --migrate with unix://" in started.log
    assert commands.status(started.data)["url"] == f"http://{started.address}"

    first = started.process
    assert started.start("second").wait(60) == 1
    refusal = (started._log.parent / "second").read_text()
    assert f"Process {first.pid} runs it at http://{started.address}" in refusal
    assert "(already-running)" in refusal

    started.process = first
    pids = [started.pid(name) for name in ("redis", "web", "worker", "beat")]
    began = time.monotonic()
    assert commands.down(started.data)
    assert first.wait(60) == 0
    assert time.monotonic() - began < 30
    assert "killing it" not in started.log
    assert not any(is_alive(pid) for pid in pids if pid)


def test_a_new_start_follows_at_once_on_a_killed_one(started: Studio) -> None:
    started.until(lambda: "Ctrl-C stops it" in started.log)
    pids = [started.pid(name) for name in ("redis", "web", "worker", "beat")]
    started.process.send_signal(signal.SIGKILL)
    started.process.wait()
    started.start()
    started.until(lambda: "Ctrl-C stops it" in started.log)
    assert not any(is_alive(pid) for pid in pids if pid)


@pytest.mark.parametrize("name", ["redis", "web", "worker"])
def test_a_killed_part_comes_back_and_the_studio_works_on(started: Studio, name: str) -> None:
    started.until(lambda: "Ctrl-C stops it" in started.log and "ticked" in started.log)
    pid = started.pid(name)
    assert pid
    os.kill(pid, signal.SIGKILL)
    started.until(lambda: f"{name} ended (killed by SIGKILL)" in started.log.replace("  ", " "))
    seen = len(started.log)
    started.until(lambda: started.pid(name) not in (None, pid) and "ticked" in started.log[seen:])
    assert json.loads((started.data / "run" / "status.json").read_text())["url"] == f"http://{started.address}"
