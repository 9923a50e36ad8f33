"""What is run in a cluster to find out how bytes can travel."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.runner.pod import Pod, wait_until
from tests.runner.studio_side import StudioSide
from tests.runner.test_feed import free_port


def probe(pod: Pod, *arguments: str) -> dict[str, object]:
    command = [sys.executable, "-m", "runner", "probe", *arguments]
    done = subprocess.run(command, env=pod.environment, capture_output=True, text=True, timeout=20, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    assert json.loads(pod.termination.read_text()) == found
    return found


def test_it_tells_that_the_studio_is_reached(pod: Pod, studio: StudioSide) -> None:
    found = probe(pod, "--url", studio.url)
    assert (found["reached"], found["error"]) == (True, None)


def test_it_tells_why_the_studio_is_not_reached(pod: Pod) -> None:
    found = probe(pod, "--url", "http://127.0.0.1:9", "--timeout", "2")
    assert found["reached"] is False
    assert "refused" in str(found["error"])


def test_it_serves_like_a_sidecar_for_a_while(pod: Pod) -> None:
    pod.port = free_port()
    command = [sys.executable, "-m", "runner", "probe", "--serve", "--seconds", "30", "--port", str(pod.port)]
    environment = {**pod.environment, "MOORING_TOKEN": "t"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline()) == {"serving": pod.port}
        assert pod.call("GET", "/v1/status", token="t")[0] == 200
        assert pod.call("GET", "/v1/status", token="")[0] == 403
        assert pod.call("POST", "/v1/echo", b"hello", token="t") == (200, b"hello")
        process.terminate()
        assert process.wait(10) == 0


def test_it_ends_itself(pod: Pod) -> None:
    command = [sys.executable, "-m", "runner", "probe", "--serve", "--seconds", "0.1", "--port", "0"]
    with subprocess.Popen(command, env=pod.environment, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: process.poll() is not None, 10)
        assert process.returncode == 0
