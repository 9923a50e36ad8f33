"""A studio full of everything and without a cluster: only its pages run, so that nothing changes while they are looked at."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.databases import database_of
from benchmarks.machine import ROOT
from benchmarks.process import NotThereError, free_port, stop, without_ours


@dataclass(frozen=True)
class Pages:
    """Where the pages are, and the session of a person of each role."""

    url: str
    sessions: dict[str, str]

    def cookie(self, who: str) -> dict[str, str]:
        """Return the cookie with which a browser is signed in as that person."""
        return {"name": "sessionid", "value": self.sessions[who], "url": self.url}


@contextlib.contextmanager
def furnished(data: Path, redis_url: str, *, port: int = 0, settings: Mapping[str, str] | None = None) -> Iterator[Pages]:
    """Furnish a database in a folder (`tests/furnish.py`) and serve its pages, with further settings of the studio."""
    data.chmod(0o700)
    url = f"http://127.0.0.1:{port or free_port('127.0.0.1')}"
    environment = without_ours(dict(os.environ)) | database_of(data) | {
        "MOORING_DATA": str(data), "MOORING_DEBUG": "1", "MOORING_LISTEN": url.removeprefix("http://"), "REDIS_URL": redis_url,
        "MOORING_RUNNER_IMAGE": "registry/runner:1", "MOORING_POD_URL": "http://10.0.0.1:8080", "MOORING_LOG_LEVEL": "WARNING",
        **(settings or {}),
    }  # fmt: skip
    filled = subprocess.run([sys.executable, "-m", "tests.furnish", "--migrate"], cwd=ROOT, env=environment, capture_output=True, text=True,
                            timeout=280, check=False)  # fmt: skip
    if filled.returncode:
        raise NotThereError(f"the studio was not furnished: {filled.stderr[-2000:]}")
    log = data / "web.log"
    with log.open("wb") as out:
        web = subprocess.Popen([sys.executable, "-m", "studio.web"], cwd=ROOT, env=environment, stdout=out, stderr=out)
    try:
        _answers(web, url, log)
        yield Pages(url, json.loads(filled.stdout.splitlines()[-1]))
    finally:
        stop(web)


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Run a Redis on a unix socket in a folder."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise NotThereError("there is no redis-server on this machine; `make setup` installs it")
    socket = folder / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield f"unix://{socket}"
    finally:
        stop(process)


def _answers(web: subprocess.Popen[bytes], url: str, log: Path) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(retries=0), timeout=5) as client:
        for _ in range(600):
            if web.poll() is not None:
                raise NotThereError(f"the studio ended: {log.read_text()}")
            with contextlib.suppress(httpx.TransportError):
                if client.get(f"{url}/healthz").status_code == 200:
                    return
            # A moment, and no longer than it lives.
            with contextlib.suppress(subprocess.TimeoutExpired):
                web.wait(0.2)
    raise NotThereError("the studio did not answer within two minutes")
