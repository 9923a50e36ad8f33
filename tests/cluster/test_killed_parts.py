"""What a person at the command line sees while parts of the studio are killed under a running job: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.studio_process import Studio

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

LINES = 400
JOB = f"""
type: command
environment: {{image: 'python:3.12'}}
command: |
  python -c "import time
  for n in range({LINES}):
      print('line', n, flush=True)
      time.sleep(0.05)"
"""


def test_a_streamed_log_is_whole_though_worker_web_and_redis_are_killed(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text(JOB, encoding="utf-8")
    words = ("job", "create", "-f", str(tmp_path / "job.yml"), "-w", "demo", "--set", f"compute={studio.compute}", "--stream")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MOORING_", "DJANGO_"))}
    streamed = tmp_path / "streamed.txt"
    with streamed.open("wb") as out, (tmp_path / "told.txt").open("wb") as told:
        command = [sys.executable, "-m", "mooring", *words]
        process = subprocess.Popen(command, env=environment | {"MOORING_DATA": str(studio.data)}, stdout=out, stderr=told)
    try:
        for number, name in enumerate(("worker", "web", "redis"), start=1):
            studio.until(lambda line=60 * number: streamed.read_bytes().count(b"\n") > line, seconds=150, what="the log to grow")
            pid = studio.pid(name)
            assert pid, f"{name} is not running"
            os.kill(pid, signal.SIGKILL)
        assert process.wait(200) == 0, (tmp_path / "told.txt").read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait()
    assert streamed.read_text(encoding="utf-8").splitlines() == [f"line {number}" for number in range(LINES)]
