"""A studio full of everything and without a cluster: only its pages run, so that nothing changes while they are looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from benchmarks.machine import ROOT
from benchmarks.process import free_port, stop, without_ours


@dataclass(frozen=True)
class Pages:
    """Where the pages are, and the session of a person of each role."""

    url: str
    sessions: dict[str, str]

    def cookie(self, who: str) -> dict[str, str]:
        """Return the cookie with which a browser is signed in as that person."""
        return {"name": "sessionid", "value": self.sessions[who], "url": self.url}


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory, studio_redis: str) -> Iterator[Pages]:
    """Furnish a database and serve its pages."""
    data = tmp_path_factory.mktemp("pages")
    data.chmod(0o700)
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    environment = without_ours(dict(os.environ)) | {
        "MOORING_DATA": str(data), "MOORING_DEBUG": "1", "MOORING_LISTEN": url.removeprefix("http://"), "REDIS_URL": studio_redis,
        "MOORING_RUNNER_IMAGE": "registry/runner:1", "MOORING_POD_URL": "http://10.0.0.1:8080", "MOORING_LOG_LEVEL": "WARNING",
    }  # fmt: skip
    filled = subprocess.run([sys.executable, "-m", "tests.furnish", "--migrate"], cwd=ROOT, env=environment, capture_output=True, text=True,
                            timeout=280, check=False)  # fmt: skip
    assert filled.returncode == 0, filled.stderr
    log = Path(data / "web.log")
    with log.open("wb") as out:
        web = subprocess.Popen([sys.executable, "-m", "studio.web"], cwd=ROOT, env=environment, stdout=out, stderr=out)
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=0), timeout=5) as client:
            for _ in range(600):
                assert web.poll() is None, log.read_text()
                try:
                    if client.get(f"{url}/healthz").status_code == 200:
                        break
                except httpx.TransportError:
                    web_starts = web.poll() is None
                    assert web_starts, log.read_text()
                    _pause(web)
        yield Pages(url, json.loads(filled.stdout.splitlines()[-1]))
    finally:
        stop(web)


def _pause(process: subprocess.Popen[bytes]) -> None:
    """Give the process a moment, and no longer than it lives."""
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        return
