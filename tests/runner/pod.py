"""The containers of one job's pod as processes of this machine."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.runner.studio_side import TOKEN, StudioSide

CHECKOUT = Path(__file__).resolve().parents[2]


def wait_until(what: Callable[[], Any], seconds: float = 20, every: float = 0.005) -> Any:
    """Wait for something to become true; its value, or an AssertionError."""
    ends = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < ends, f"did not happen in {seconds} s"
        time.sleep(every)
    return value


class Pod:
    """A shared volume, a Secret, and the three containers when they are started."""

    def __init__(self, folder: Path, studio: StudioSide, entrypoint: Path) -> None:
        self.root, self.secret = folder / "volume", folder / "secret"
        self.root.mkdir()
        self.secret.mkdir()
        self.termination = folder / "termination-log"
        self.entrypoint = entrypoint
        self.spec: dict[str, Any] = {
            "version": 1,
            "job": "calm_otter",
            "process": {"index": 0},
            "studio": {"url": studio.url, "ca": None},
            "transport": "direct",
            "code": None,
            "inputs": {},
            "outputs": {},
            "command": "true",
            "environment": {},
            "timeout_seconds": None,
            "grace_seconds": 5,
        }
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MOORING_")},
            "PYTHONPATH": str(CHECKOUT),
            "MOORING_ROOT": str(self.root),
            "MOORING_SECRET": str(self.secret),
            "MOORING_TERMINATION_LOG": str(self.termination),
            "MOORING_ENTRYPOINT": str(entrypoint),
            "MOORING_POD_UID": "uid-1",
            "MOORING_ADDRESS": "127.0.0.1",
            "MOORING_PORT": "0",
            "MOORING_PORT_FILE": str(folder / "port"),
            "MOORING_PREPARE_SECONDS": "10",
            "MOORING_PULL_SECONDS": "0.2",
        }
        self.port = 0
        self.processes: list[subprocess.Popen[bytes]] = []
        self.followed: list[http.client.HTTPResponse | http.client.HTTPConnection] = []

    def write_secret(self) -> None:
        (self.secret / "token").write_text(TOKEN + "\n")
        (self.secret / "spec.json").write_text(json.dumps(self.spec))

    def prepare(self) -> subprocess.CompletedProcess[str]:
        self.write_secret()
        command = [sys.executable, "-m", "runner", "prepare"]
        return subprocess.run(command, env=self.environment, cwd="/", capture_output=True, text=True, timeout=60, check=False)

    def prepared(self) -> Pod:
        done = self.prepare()
        assert done.returncode == 0, done.stdout + done.stderr
        return self

    def reason(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.termination.read_text())
        return found

    def serve(self) -> subprocess.Popen[bytes]:
        port_file = Path(self.environment["MOORING_PORT_FILE"])
        port_file.unlink(missing_ok=True)
        started = self._start([sys.executable, "-m", "runner", "serve"])
        wait_until(lambda: port_file.exists() and port_file.read_text())
        self.port = int(port_file.read_text())
        return started

    def run(self, **more: Any) -> subprocess.Popen[bytes]:
        return self._start([str(self.root / "bin/entrypoint"), str(self.root / "run/entry.json")], **more)

    def write_log(self, content: bytes) -> None:
        """Play an entrypoint that has written this."""
        with (self.root / "run/log/std_log.txt").open("ab") as file:
            file.write(content)

    def end_command(self, code: int = 0) -> None:
        """Play an entrypoint that has ended."""
        (self.root / "run/started.json").write_text("{}")
        size = (self.root / "run/log/std_log.txt").stat().st_size if (self.root / "run/log/std_log.txt").exists() else 0
        content = {"code": code, "signal": None, "reason": "exited", "error": None, "log_bytes": size}
        (self.root / "run/exit.json.new").write_text(json.dumps(content))
        (self.root / "run/exit.json.new").rename(self.root / "run/exit.json")

    def call(self, method: str, path: str, body: bytes | None = None, token: str = TOKEN) -> tuple[int, bytes]:
        connection = self.connect()
        try:
            connection.request(method, path, body=body, headers={"X-Mooring-Token": token})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def follow(self, offset: int = 0, name: str = "std_log.txt") -> http.client.HTTPResponse:
        connection = self.connect()
        connection.request("GET", f"/v1/log/{name}?offset={offset}&follow=1", headers={"X-Mooring-Token": TOKEN})
        response = connection.getresponse()
        assert response.status == 200
        self.followed += [response, connection]
        return response

    def status(self) -> dict[str, Any]:
        status, raw = self.call("GET", "/v1/status")
        assert status == 200
        found: dict[str, Any] = json.loads(raw)
        return found

    def notes(self) -> str:
        return (self.root / "run/log/runner.txt").read_text()

    def close(self) -> None:
        for opened in self.followed:
            opened.close()
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()

    def _start(self, command: list[str], **more: Any) -> subprocess.Popen[bytes]:
        more = {"stdout": subprocess.DEVNULL, **more}
        process = subprocess.Popen(command, env=self.environment, cwd="/", **more)
        self.processes.append(process)
        return process
