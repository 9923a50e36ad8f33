"""Our scoring server, `mlflow models serve` and Flask on gunicorn with a script that returns at once, under the same load.

All have one worker process for the script and run at the same time; each round measures one after the other, so that what else
the machine does meets all of them. wrk keeps its connections wherever the server does.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import INSTALL_SECONDS, output, python_with
from benchmarks.figures import ratio
from benchmarks.studio import NotMeasuredError, say
from runner.build import build_scoring
from sandbox.places import cache_folder

OTHERS = ("mlflow==3.17.2", "flask==3.1.3", "gunicorn==26.2.0")
CONNECTIONS = 16
OURS = "mooring"
START_SECONDS = 90
SIZES = {"small": 0, "1kB": 1_000, "100kB": 100_000}
SCRIPT = "def init():\n    pass\n\n\ndef run(raw_data):\n    return {'predictions': [1]}\n"
FLASK = """\
import flask
import score

app = flask.Flask("bench")
score.init()


@app.post("/score")
def answer():
    return flask.jsonify(score.run(flask.request.get_data(as_text=True)))


@app.get("/")
def live():
    return "ok"
"""
MLFLOW = """\
import sys
import mlflow.pyfunc


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [1]


mlflow.pyfunc.save_model(sys.argv[1], python_model=Model(), pip_requirements=[])
"""
# Prints one JSON object as the last line; wrk measures in microseconds.
LUA = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open(os.getenv("BENCH_BODY"), "r")
wrk.body = file:read("*a")
file:close()
function done(summary, latency, requests)
  local e = summary.errors
  print(string.format('\\n{"requests": %d, "us": %d, "p50_us": %d, "p99_us": %d, "not_2xx": %d, "broken": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), e.status, e.connect + e.read + e.write + e.timeout))
end
"""


@dataclass(frozen=True)
class Target:
    """A server that is measured."""

    name: str
    url: str


@dataclass(frozen=True)
class Round:
    """What one run of the load generator saw of one server."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    wrk = load_generator()
    python = python_with("scoring", OTHERS)
    rounds, seconds = (1, 1) if quick else (5, 5)
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as folder, contextlib.ExitStack() as stack:
        targets = [stack.enter_context(target) for target in servers(Path(folder), python)]
        lua = Path(folder, "post.lua")
        lua.write_text(LUA)
        measured = {}
        for size, length in SIZES.items():
            body = Path(folder, f"{size}.json")
            body.write_text(json.dumps({"inputs": ["x" * max(length - 16, 1)]}))
            measured[size] = measure(wrk, lua, body, targets, rounds, seconds)
    small = compared(measured["small"])
    return {
        **{key: small[key] for key in ("per_second", "p50_ms", "p99_ms", "failed", "best", "ratio_to_best")},
        "bodies": {size: compared(found) for size, found in measured.items()},
        "settings": {
            "connections": CONNECTIONS,
            "rounds": rounds,
            "seconds": seconds,
            "others": list(OTHERS),
            "load": output([wrk, "--version"]).splitlines()[0].split(" [")[0],
        },
    }


def compared(found: Mapping[str, Sequence[Round]]) -> dict[str, Any]:
    """Return the medians of ours, those of each other server, and how many times the best other ours does."""
    medians = {name: median_of(rounds) for name, rounds in found.items()}
    ours = medians.pop(OURS)
    best = max(medians, key=lambda name: float(medians[name]["per_second"]))
    return {
        **ours,
        "best": best,
        "ratio_to_best": ratio(ours["per_second"], medians[best]["per_second"]),
        "p99_ratio_to_best": ratio(ours["p99_ms"], medians[best]["p99_ms"]),
        "others": medians,
    }


def median_of(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return the median of each figure; failures are counted together."""
    return {
        "per_second": round(statistics.median(one.per_second for one in rounds), 1),
        "p50_ms": round(statistics.median(one.p50_ms for one in rounds), 2),
        "p99_ms": round(statistics.median(one.p99_ms for one in rounds), 2),
        "failed": sum(one.failed for one in rounds),
    }


def round_of(output: str) -> Round:
    """Return what the load generator printed last."""
    told = json.loads(output.strip().splitlines()[-1])
    return Round(
        told["requests"] / (told["us"] / 1e6), told["p50_us"] / 1000, told["p99_us"] / 1000, int(told["not_2xx"]) + int(told["broken"])
    )


def measure(wrk: str, lua: Path, body: Path, targets: Sequence[Target], rounds: int, seconds: int) -> dict[str, list[Round]]:
    """Measure every server once a round, after a warm-up that does not count."""
    found: dict[str, list[Round]] = {target.name: [] for target in targets}
    for number in range(rounds + 1):
        for target in targets:
            length = seconds if number else 1
            command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{length}s", "--timeout", "10s", "-s", str(lua), target.url]
            one = round_of(output(command, env={**os.environ, "BENCH_BODY": str(body)}))
            if number:
                found[target.name].append(one)
                say(f"{body.stem}, round {number}: {target.name} {one.per_second:.0f} requests/s, p99 {one.p99_ms:.2f} ms")
    return found


def servers(folder: Path, python: Path) -> list[contextlib.AbstractContextManager[Target]]:
    """Return the servers to start, ours first."""
    (folder / "score.py").write_text(SCRIPT)
    (folder / "app.py").write_text(FLASK)
    (folder / "save.py").write_text(MLFLOW)
    model = folder / "model"
    output([str(python), str(folder / "save.py"), str(model)], cwd=folder)
    pyz = build_scoring(cache_folder())
    port = {name: free_port() for name in (OURS, "flask_sync", "flask_gthread", "mlflow")}
    gunicorn = [str(python), "-m", "gunicorn", "-w", "1", "app:app"]
    ours = {"AML_APP_ROOT": str(folder), "AZUREML_ENTRY_SCRIPT": "score.py", "MOORING_SCORING_PORT": str(port[OURS])}
    ours["MOORING_TERMINATION_LOG"] = str(folder / "termination")
    mlflow = ["-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local", "-h", "127.0.0.1", "-w", "1", "-p"]
    threads = ["-k", "gthread", "--threads", "4"]
    path = {"PATH": f"{python.parent}:{os.environ['PATH']}"}
    return [
        _server(OURS, [str(python), "-I", str(pyz)], folder, ours, port[OURS], "/score", "/ready"),
        _server("flask_sync", [*gunicorn, "-b", f"127.0.0.1:{port['flask_sync']}"], folder, {}, port["flask_sync"], "/score", "/"),
        _server(
            "flask_gthread",
            [*gunicorn, *threads, "-b", f"127.0.0.1:{port['flask_gthread']}"],
            folder,
            {},
            port["flask_gthread"],
            "/score",
            "/",
        ),
        _server("mlflow", [str(python), *mlflow, str(port["mlflow"])], folder, path, port["mlflow"], "/invocations", "/ping"),
    ]


@contextlib.contextmanager
def _server(name: str, command: list[str], folder: Path, env: dict[str, str], port: int, path: str, probe: str) -> Iterator[Target]:
    """Run a server in a process group of its own, and end the whole group."""
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **env}, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        ends = time.monotonic() + START_SECONDS
        while not _answers(f"http://127.0.0.1:{port}{probe}"):
            if process.poll() is not None or time.monotonic() > ends:
                raise NotMeasuredError(f"{name} did not start: " + log.read_text(errors="replace")[-1000:])
            time.sleep(0.1)
        yield Target(name, f"http://127.0.0.1:{port}{path}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def load_generator() -> str:
    """Return wrk; install it where that is possible."""
    if found := shutil.which("wrk"):
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("installing wrk")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "wrk"]):
            subprocess.run(["apt-get", *words], env=environment, capture_output=True, timeout=INSTALL_SECONDS, check=False)
    if found := shutil.which("wrk"):
        return found
    raise NotMeasuredError("wrk, the load generator, is not installed on this machine")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
