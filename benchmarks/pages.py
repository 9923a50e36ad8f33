"""Every page of the studio with a lot of everything, from the request to the last byte of HTML, and the queries of each.

Only the web process runs, on a database that `benchmarks.pages_filled` has filled. One person asks page after page; then ten
people at once, each of whom looks at a page for a second (half to one and a half) before asking for the next, as people do.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.databases import database_of, named
from benchmarks.figures import milliseconds
from benchmarks.machine import ROOT
from benchmarks.process import free_port, without_ours
from benchmarks.studio import NotMeasuredError, say, stop

JOBS, PEOPLE = 100_000, 10
ROUNDS, SECONDS, LOOK_SECONDS = 20, 150, 1.0
FILL_SECONDS = 900


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    jobs, rounds, seconds = (1000, 3, 10) if quick else (JOBS, ROUNDS, SECONDS)
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as folder, redis(Path(folder)) as bus:
        environment = without_ours(dict(os.environ)) | database_of(Path(folder)) | {
            "MOORING_DATA": folder, "REDIS_URL": bus, "MOORING_RUNNER_IMAGE": "registry/runner:1", "MOORING_LOG_LEVEL": "WARNING",
            "MOORING_POD_URL": "http://10.0.0.1:8080", "DJANGO_SETTINGS_MODULE": "studio.settings",
        }  # fmt: skip
        there = _filled(environment, jobs)
        pages = there["pages"]
        with web(environment) as url:
            say(f"{len(pages)} pages, one person")
            alone = one_person(url, there["session"], list(pages), rounds)
            say(f"{PEOPLE} people for {seconds} s")
            together = many_people(url, there["session"], list(pages), seconds)
    return figures_of(pages, alone, together) | {
        "settings": {
            "database": named(),
            "jobs": jobs,
            "rounds": rounds,
            "people": PEOPLE,
            "seconds": seconds,
            "look_seconds": LOOK_SECONDS,
        }
    }


def figures_of(pages: dict[str, Any], alone: dict[str, list[float]], together: dict[str, list[float]]) -> dict[str, Any]:
    """Return the keys of this benchmark: the slowest page of all, asked by one person or by ten, and the one with most queries."""
    found = {
        path: {
            **page,
            "p95_ms": milliseconds(alone[path], 0.95),
            "p95_ms_of_10": milliseconds(together.get(path, []), 0.95),
            "p50_ms": milliseconds(alone[path], 0.5),
        }
        for path, page in pages.items()
    }
    slowest = max(found, key=lambda path: found[path]["p95_ms"])
    slowest_of_10 = max(found, key=lambda path: found[path]["p95_ms_of_10"] or 0.0)
    most = max(found, key=lambda path: found[path]["queries"])
    return {
        "worst_p95_ms": max(found[slowest]["p95_ms"], found[slowest_of_10]["p95_ms_of_10"] or 0.0),
        "worst_queries": found[most]["queries"],
        "worst_p95_ms_of_1": found[slowest]["p95_ms"],
        "worst_p95_ms_of_10": found[slowest_of_10]["p95_ms_of_10"],
        "worst_cpu_ms": max(page["cpu_ms"] for page in pages.values()),
        "all_p95_ms_of_10": milliseconds([each for times in together.values() for each in times], 0.95),
        "slowest": slowest,
        "slowest_of_10": slowest_of_10,
        "most_queries": most,
        "by_page": found,
    }


def one_person(url: str, session: str, paths: list[str], rounds: int) -> dict[str, list[float]]:
    """Ask for each page in turn, round after round; the first round warms up and does not count."""
    took: dict[str, list[float]] = {path: [] for path in paths}
    with _client(url, session) as client:
        for number in range(rounds + 1):
            for path in paths:
                seconds = _ask(client, path)
                if number:
                    took[path].append(seconds)
    return took


def many_people(url: str, session: str, paths: list[str], seconds: float) -> dict[str, list[float]]:
    """Have ten people look at pages in an order of their own."""
    took: dict[str, list[float]] = {path: [] for path in paths}
    problems: list[BaseException] = []
    until = time.monotonic() + seconds

    def person(number: int) -> None:
        chance, waiting = random.Random(number), list[str]()
        try:
            with _client(url, session) as client:
                time.sleep(chance.uniform(0, LOOK_SECONDS))
                while time.monotonic() < until:
                    waiting = waiting or chance.sample(paths, len(paths))
                    path = waiting.pop()
                    took[path].append(_ask(client, path))
                    time.sleep(chance.uniform(0.5, 1.5) * LOOK_SECONDS)
        except (httpx.HTTPError, NotMeasuredError) as error:
            problems.append(error)

    threads = [threading.Thread(target=person, args=(number,), daemon=True) for number in range(PEOPLE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 60)
    if problems:
        raise NotMeasuredError(f"a page was not answered: {problems[0]!r}")
    return took


@contextlib.contextmanager
def web(environment: dict[str, str]) -> Iterator[str]:
    """Serve the pages; the log is told when they do not come."""
    address = f"127.0.0.1:{free_port('127.0.0.1')}"
    log = Path(environment["MOORING_DATA"], "web.log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "studio.web"], cwd=ROOT, env=environment | {"MOORING_LISTEN": address}, stdout=out, stderr=out
        )
    try:
        _until_served(f"http://{address}", process, log)
        yield f"http://{address}"
    finally:
        stop(process)


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Run a Redis on a unix socket in a folder."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise NotMeasuredError("there is no redis-server on this machine")
    socket = folder / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder), "--loglevel", "warning"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield f"unix://{socket}"
    finally:
        stop(process)


def _until_served(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/healthz", timeout=5, trust_env=False).status_code == 200:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotMeasuredError(f"the pages are not served:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")
        time.sleep(0.1)


def _filled(environment: dict[str, str], jobs: int) -> dict[str, Any]:
    say(f"filling a database with {jobs:,} jobs and much else")
    command = [sys.executable, "-m", "benchmarks.pages_filled", str(jobs)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as child:
        try:
            printed = child.communicate(timeout=FILL_SECONDS)[0]
        finally:
            stop(child)
    if child.returncode or not printed.strip():
        raise NotMeasuredError(f"the database was not filled: exit code {child.returncode}")
    return dict(json.loads(printed.splitlines()[-1]))


def _client(url: str, session: str) -> httpx.Client:
    return httpx.Client(base_url=url, cookies={"sessionid": session}, timeout=30, trust_env=False)


def _ask(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path)
    took = time.perf_counter() - began
    if answer.status_code != 200:
        raise NotMeasuredError(f"{path} was answered with {answer.status_code}")
    return took
