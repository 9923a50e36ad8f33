"""What a person at the command line sees while parts of the studio, and what runs beside their job, are killed: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compute.kube import kinds
from compute.kube.client import KubeClient
from tests.cluster.test_runner_pod import process_of
from tests.studio_process import Studio

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

LINES = 400
JOB = f"""
type: command
environment: {{image: 'python:3.12'}}
command: |
  python -c "import os, time
  for n in range({LINES}):
      print('line', n, flush=True)
      time.sleep(0.05)
  while not os.path.exists('go'):
      time.sleep(0.1)
  print('line {LINES}')
  open('outputs/kept.txt', 'w').write('kept')"
"""


def test_a_streamed_log_is_whole_though_worker_web_redis_and_the_jobs_sidecar_are_killed(
    studio: Studio, kube: KubeClient, tmp_path: Path
) -> None:
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
        job = studio.until(lambda: studio.client.jobs.list(most=1), what="the studio to answer")[0]
        pod = kube.get(kinds.POD, studio.client.jobs.get(job.name).answer["processes"][0]["pod"], studio.namespace)["metadata"]
        os.kill(process_of(pod["uid"], "serve"), signal.SIGKILL)
        studio.until(lambda: sidecar(kube, studio.namespace, pod["name"]).get("restartCount"), what="the sidecar to come back")
        # The command has not noticed, and neither has who looks at the job: it ends when it is told, after all that.
        assert studio.client.jobs.get(job.name).status == "Running"
        Path(f"/proc/{process_of(pod['uid'], '/mooring/bin/entrypoint')}/root/mooring/work/go").touch()
        assert process.wait(200) == 0, (tmp_path / "told.txt").read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait()
    assert streamed.read_text(encoding="utf-8").splitlines() == [f"line {number}" for number in range(LINES + 1)]
    ended = studio.client.jobs.get(job.name)
    assert (ended.status, ended.problem, ended.answer["retries_used"]) == ("Completed", None, 0)
    assert "outputs/kept.txt" in {file.path for file in studio.client.jobs.outputs(job.name)}


def sidecar(kube: KubeClient, namespace: str, pod: str) -> dict[str, Any]:
    found = kube.get(kinds.POD, pod, namespace)["status"].get("initContainerStatuses") or []
    return next((each for each in found if each["name"] == "runner"), {})
