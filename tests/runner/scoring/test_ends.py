"""When the server ends by itself: its exit code, the last line of its log and the termination log."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.runner.scoring.server import ECHO, Server

pytestmark = pytest.mark.slow

BAD = [
    ("import no_such_package", 11, "user-script-import-error", "ModuleNotFoundError: No module named 'no_such_package' (score.py, line 1)"),
    ("def init(:", 11, "user-script-import-error", "SyntaxError"),
    ("import sys; sys.exit(0)", 11, "user-script-import-error", "SystemExit"),
    ("def init(): pass", 12, "user-script-function-not-found", "score.py has no function run."),
    ("def run(raw_data): pass", 12, "user-script-function-not-found", "score.py has no function init."),
    ("init = 3\ndef run(raw_data): pass", 12, "user-script-function-not-found", "cannot be called as init"),
    ("def init(): open('/no/model')\ndef run(raw_data): pass", 13, "user-script-init-failed", "FileNotFoundError"),
    ("def init(): raise SystemExit(0)\ndef run(raw_data): pass", 13, "user-script-init-failed", "SystemExit"),
    ("import os\ndef init(): os.kill(os.getpid(), 9)\ndef run(raw_data): pass", 15, "scoring-worker-died", "was ended by SIGKILL"),
    ("import os\ndef init(): os._exit(7)\ndef run(raw_data): pass", 15, "scoring-worker-died", "ended with code 7"),
]


@pytest.mark.parametrize(("script", "code", "id", "text"), BAD)
def test_a_script_that_cannot_be_used_ends_it_with_the_reason(server: Server, script: str, code: int, id: str, text: str) -> None:
    server.start(script, wait="")
    found, told = server.ended()
    assert (found, told["id"]) == (code, id)
    assert text in told["text"]


def test_the_traceback_is_in_the_log_and_begins_in_the_script(server: Server) -> None:
    server.start("def init():\n    raise ValueError('no model')\ndef run(raw_data): pass", wait="")
    _, told = server.ended()
    assert told["text"] == "init() raised ValueError: no model (score.py, line 2)"
    assert "Traceback" in server.log
    assert "mooring_scoring" not in server.log


@pytest.mark.parametrize(
    ("settings", "code", "id", "text"),
    [
        ({"AZUREML_ENTRY_SCRIPT": "other.py"}, 10, "user-script-missing", "no scoring script other.py"),
        ({"AML_APP_ROOT": "/no/such/folder"}, 10, "user-script-missing", "/no/such/folder"),
        ({"AZUREML_ENTRY_SCRIPT": "None"}, 10, "user-script-missing", "no AZUREML_MODEL_DIR"),
        ({"AZUREML_ENTRY_SCRIPT": "None", "AZUREML_MODEL_DIR": "/tmp/no/such"}, 10, "user-script-missing", "no MLmodel"),
        ({"WORKER_COUNT": "many"}, 3, "scoring-settings-invalid", "WORKER_COUNT is 'many'"),
        ({"request_timeout_ms": "0"}, 3, "scoring-settings-invalid", "MOORING_SCORING_REQUEST_TIMEOUT_MS"),
        ({"max_body_bytes": "1e9"}, 3, "scoring-settings-invalid", "MOORING_SCORING_MAX_BODY_BYTES"),
        ({"run_failed_status": "501"}, 3, "scoring-settings-invalid", "500 or 502"),
    ],
)
def test_settings_that_cannot_be_are_told(server: Server, settings: dict[str, Any], code: int, id: str, text: str) -> None:
    server.start(ECHO, wait="", **settings)
    found, told = server.ended()
    assert (found, told["id"]) == (code, id)
    assert text in told["text"]


def test_a_port_that_is_taken_is_told(server: Server) -> None:
    with socket.create_server(("", 0)) as taken:
        server.start(ECHO, wait="", port=taken.getsockname()[1])
        code, told = server.ended()
    assert (code, told["id"]) == (5, "scoring-port-taken")


def test_while_init_runs_it_lives_and_is_not_ready(server: Server) -> None:
    server.start(
        "import os, time\ndef init():\n    while not os.path.exists('go'): time.sleep(0.01)\ndef run(raw_data): return 1", wait="/"
    )
    assert server.get("/")[:2] == (200, b'"Starting"')
    assert server.problem("GET", "/ready") == (503, "not-ready")
    assert server.problem("POST", "/score", "a") == (503, "not-ready")
    (server.app / "go").touch()
    server.wait_for(lambda: server.get("/ready")[0] == 200)
    assert server.score("a") == 1


def test_told_to_end_while_init_runs_it_ends(server: Server) -> None:
    server.start("import time\ndef init(): time.sleep(60)\ndef run(raw_data): return 1", wait="/", drain_seconds=0, grace_seconds=0.2)
    server.signal()
    assert server.process is not None
    assert server.process.wait(10) == 0


def test_a_worker_that_dies_is_started_again_and_its_request_is_answered(server: Server) -> None:
    server.start(
        "import os\ndef init(): pass\ndef run(raw_data):\n    if raw_data == 'die': os.kill(os.getpid(), 11)\n    return os.getpid()"
    )
    first = server.score("a")
    assert server.problem("POST", "/score", "die") == (500, "worker-died")
    server.wait_for(lambda: server.get("/ready")[0] == 200)
    assert server.score("a") != first
    assert "A worker was ended by SIGSEGV. It is started again in 0.1 s." in server.log


def test_requests_wait_for_a_worker_that_is_started_again(server: Server) -> None:
    server.start("import os\ndef init(): pass\ndef run(raw_data): return os.getpid()", max_queue_wait_ms=5000)
    os.kill(server.workers()[0], signal.SIGKILL)
    server.wait_for(lambda: "A worker was ended by SIGKILL" in server.log)
    assert server.score("a")


@pytest.mark.slow
def test_a_worker_that_dies_again_and_again_while_it_starts_ends_the_server(server: Server) -> None:
    script = "import os\ndef init():\n    if os.path.exists('bad'): raise OSError('lost')\ndef run(raw_data): open('bad', 'w'); os._exit(1)"
    server.start(script)
    assert server.problem("POST", "/score", "a") == (500, "worker-died")
    code, told = server.ended(60)
    assert (code, told["id"]) == (13, "user-script-init-failed")
    assert server.log.count("It is started again") == 5


def test_no_worker_outlives_a_killed_server(server: Server) -> None:
    server.start()
    (worker,) = server.workers()
    server.signal(signal.SIGKILL)
    assert server.process is not None
    server.process.wait(10)
    server.process = None
    for _ in range(500):
        if not Path(f"/proc/{worker}").exists():
            return
        subprocess.run(["sleep", "0.01"], check=True)
    raise AssertionError("the worker is still there")


@pytest.mark.parametrize("shell", [[], ["/bin/sh"], ["bash"], ["busybox", "sh"]])
def test_the_shell_in_front_of_the_zip_finds_a_python(server: Server, shell: list[str]) -> None:
    if shell and not shutil.which(shell[0]):
        pytest.skip(f"there is no {shell[0]} here")
    server.start(command=[*shell, str(server.pyz)], python=sys.executable)
    assert server.score("a") == "a"


def test_an_image_without_a_python_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    old = tmp_path / "bin" / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    launcher = tmp_path / "scoring.pyz"
    content = server.pyz.read_bytes().replace(
        b"/opt/conda/bin/python /opt/miniconda/bin/python /usr/local/bin/python3 /usr/bin/python3", b""
    )
    launcher.write_bytes(content)
    server.start(wait="", command=["/bin/sh", str(launcher)], PATH=str(tmp_path / "bin"))
    code, told = server.ended()
    assert (code, told["id"]) == (4, "scoring-python-missing")


def test_an_address_of_its_own_can_be_given(server: Server) -> None:
    server.start(host="127.0.0.1")
    assert server.score("a") == "a"
