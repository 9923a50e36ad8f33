"""The real scoring server as a process, started from the zip by a Python that knows nothing of this checkout."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

# The oldest Python that is at hand, where one is: the server is to run in images of yesterday, too.
PYTHON = os.environ.get("MOORING_TEST_PYTHON") or sys.executable
ECHO = "def init(): pass\ndef run(raw_data): return raw_data\n"


class Server:
    """One server with its folder, its log and its port."""

    def __init__(self, pyz: Path, folder: Path) -> None:
        self.pyz, self.folder = pyz, folder
        self.app = folder / "app"
        self.app.mkdir()
        self.log_file, self.termination = folder / "log.txt", folder / "termination.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def write(self, script: str, name: str = "score.py") -> None:
        (self.app / name).parent.mkdir(parents=True, exist_ok=True)
        (self.app / name).write_text(textwrap.dedent(script))

    def start(self, script: str | None = ECHO, wait: str = "/ready", command: list[str] | None = None, **settings: Any) -> Server:
        """Start it; a setting `drain_seconds=1` is MOORING_SCORING_DRAIN_SECONDS, one in capitals is taken as it is."""
        if script is not None:
            self.write(script)
        env = {"PATH": os.environ["PATH"], "AML_APP_ROOT": str(self.app), "MOORING_SCORING_PORT": "0"}
        env |= {"AZUREML_ENTRY_SCRIPT": "score.py", "MOORING_TERMINATION_LOG": str(self.termination)}
        env["MOORING_SCORING_MAX_QUEUE_WAIT_MS"] = "5000"  # the tests' machine may be busy
        for name, value in settings.items():
            env[name if name.isupper() else "MOORING_SCORING_" + name.upper()] = str(value)
        env = {name: value for name, value in env.items() if value != "None"}
        # -I: nothing of this checkout, of its packages or of its environment variables.
        command = command or [PYTHON, "-I", str(self.pyz)]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, cwd="/", close_fds=True)
        if wait:
            self.wait_for(lambda: self.find_port() and self.get(wait)[0] == 200)
        return self

    def find_port(self) -> bool:
        found = re.search(r"Listening on \S+ port (\d+)", self.log)
        self.port = int(found.group(1)) if found else 0
        return bool(found)

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def wait_for(self, true: Any, seconds: float = 60.0) -> None:
        ends = time.monotonic() + seconds
        while not true():
            assert self.process is not None
            assert self.process.poll() is None, self.log
            assert time.monotonic() < ends, self.log
            time.sleep(0.01)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.read(), {name.lower(): value for name, value in response.getheaders()}
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        return self.request("GET", path)

    def score(self, body: Any, **headers: str) -> Any:
        status, answer, _ = self.request("POST", "/score", body, **headers)
        assert status == 200, (status, answer, self.log)
        return json.loads(answer)

    def problem(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        status, answer, _ = self.request(method, path, body, **headers)
        return status, json.loads(answer)["id"]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def raw(self, content: bytes) -> bytes:
        """Send bytes as they are and give all that comes back until the server closes."""
        with self.connect() as sock:
            sock.sendall(content)
            return read_all(sock)

    def ended(self, seconds: float = 60.0) -> tuple[int, dict[str, str]]:
        """Wait for the end; give the exit code and what the last line and the termination log both say."""
        assert self.process is not None
        code = self.process.wait(seconds)
        told = json.loads(self.log.splitlines()[-1])
        assert json.loads(self.termination.read_text()) == told
        return code, told

    def signal(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def workers(self) -> list[int]:
        assert self.process is not None
        return [int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def read_all(sock: socket.socket) -> bytes:
    gathered = b""
    while data := sock.recv(65536):
        gathered += data
    return gathered


def post(body: bytes, *fields: bytes) -> bytes:
    lines = [b"POST /score HTTP/1.1", b"Host: x", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
