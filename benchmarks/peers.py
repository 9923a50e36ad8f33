"""Other people's servers of runs, asked in the same way as ours: the first page of a list, and a run until it is accepted.

Each keeps its runs in a SQLite of its own, by its own schema, and is started as its documentation says, with its defaults.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.figures import milliseconds, ratio
from benchmarks.studio import NotMeasuredError, say

PAGE, WARM, TRIES = 50, 3, 10
START_SECONDS, ANSWER_SECONDS = 300, 60
WORDS = ("otter", "heron", "lynx", "finch", "badger", "crane", "pike", "robin", "stoat", "vole")


@dataclass(frozen=True)
class Asked:
    """A POST of JSON."""

    path: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Peer:
    """A server that is up: how to make a run, how to fill its database, and how to ask for its lists."""

    version: str
    url: str
    headers: dict[str, str]
    create: Callable[[int], Asked]
    # Has so many runs in the end, of which the first came through its own API.
    fill: Callable[[int], None]
    lists: dict[str, Asked]


def each(measure: Callable[[Peer], dict[str, Any]], *, idle: bool) -> dict[str, Any]:
    """Measure every peer that can be had here; the others say why not. With `idle` nothing goes on in them beside what is asked."""
    from benchmarks import peers_dstack, peers_mlflow

    found: dict[str, Any] = {}
    for name, started in (("mlflow", peers_mlflow.started), ("dstack", peers_dstack.started)):
        say(f"{name}, beside ours")
        try:
            with tempfile.TemporaryDirectory(prefix="mooring-bench-") as folder, started(Path(folder), idle=idle) as peer:
                found[name] = {"version": peer.version, **measure(peer)}
        except (NotMeasuredError, httpx.HTTPError, sqlite3.Error, OSError) as error:
            found[name] = f"not measured: {error}"
            say(f"{name} was {found[name]}")
    return found


def over(ours: dict[str, Any], theirs: Any, *keys: str) -> dict[str, float | None]:
    """Return ours in terms of a peer's figures, nothing of one that was not measured."""
    return {key: ratio(ours[key], theirs[key]) for key in keys} if isinstance(theirs, dict) else {}


def listed(peer: Peer, sizes: Sequence[int], rounds: int) -> dict[str, Any]:
    """Return how long each of a peer's lists takes with so many runs."""
    found: dict[str, Any] = {}
    for size in sizes:
        peer.fill(size)
        # Opened anew: their servers close a connection that was idle for seconds.
        with httpx.Client(base_url=peer.url, headers=peer.headers, timeout=ANSWER_SECONDS, trust_env=False) as http:
            for name, asked in peer.lists.items():
                found[f"{name}_{size}"] = timed(lambda asked=asked: http.post(asked.path, json=asked.body), rounds)
    return flat(found)


def timed(ask: Callable[[], httpx.Response], rounds: int) -> dict[str, Any]:
    """Ask again and again; return the figures without the first answers."""
    took, size = list[float](), 0
    for number in range(WARM + rounds):
        began = time.perf_counter()
        answer = ask()
        if number >= WARM:
            took.append(time.perf_counter() - began)
        _good(answer)
        size = len(answer.content)
    return {"p50_ms": milliseconds(took, 0.5), "p95_ms": milliseconds(took, 0.95), "kb": round(size / 1000, 1)}


def flat(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the medians by what was asked, with all of it beside them, so that ratios can be had of the medians."""
    return {name: figures["p50_ms"] for name, figures in found.items()} | {"all": found}


def submitted(peer: Peer, count: int, clients: int, seconds: float) -> dict[str, Any]:
    """Return how long a peer takes to accept a run: in sequence, then with many clients at once."""
    return asyncio.run(_submitted(peer, count, clients, seconds))


async def _submitted(peer: Peer, count: int, clients: int, seconds: float) -> dict[str, Any]:
    numbers, alone, together = iter(range(10**9)), list[float](), list[float]()

    async def one(http: httpx.AsyncClient, took: list[float]) -> None:
        asked, began = peer.create(next(numbers)), time.perf_counter()
        _good(await http.post(asked.path, json=asked.body))
        took.append(time.perf_counter() - began)

    def client() -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=peer.url, headers=peer.headers, timeout=ANSWER_SECONDS, trust_env=False)

    async def many(until: float) -> None:
        async with client() as http:
            while time.monotonic() < until:
                await one(http, together)

    async with client() as http:
        for number in range(WARM + count):
            await one(http, alone if number >= WARM else [])
    began = time.monotonic()
    done = await asyncio.gather(*(many(began + seconds) for _ in range(clients)), return_exceptions=True)
    problems = [repr(each) for each in done if isinstance(each, BaseException)]
    return {
        "request_p50_ms": milliseconds(alone, 0.5),
        "request_p99_ms": milliseconds(alone, 0.99),
        "accepted_per_second": round(len(together) / (time.monotonic() - began), 1),
        "at_once_request_p50_ms": milliseconds(together, 0.5),
    } | ({"gave_up": len(problems), "first_problem": problems[0]} if problems else {})


def post(url: str, asked: Asked, headers: dict[str, str] | None = None) -> Any:
    """Ask on a connection of its own, again when that is broken off: a server of several processes may still begin; return the answer."""
    for number in range(TRIES):
        try:
            answer = httpx.post(f"{url}{asked.path}", json=asked.body, headers=headers, timeout=ANSWER_SECONDS, trust_env=False)
            break
        except httpx.TransportError:
            if number == TRIES - 1:
                raise
            time.sleep(2)
    _good(answer)
    return answer.json()


@contextlib.contextmanager
def serving(name: str, command: Sequence[str], folder: Path, environment: dict[str, str], probe: str) -> Iterator[None]:
    """Run a server in a process group of its own until it answers, and end the whole group in the end."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(probe):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotMeasuredError(f"{name} did not start: {log.read_text(errors='replace')[-1500:]}")
            time.sleep(0.2)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def copy_rows(database: Path, table: str, key: str, source: Any, changes: Iterable[dict[str, Any]]) -> None:
    """Copy the rows of a table whose key has a value, once for each of the changes."""
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        there = connection.execute(f'SELECT * FROM "{table}" WHERE "{key}" = ?', [source])  # noqa: S608 names of ours
        names = [column[0] for column in there.description]
        rows = there.fetchall()
        columns, marks = ", ".join(f'"{name}"' for name in names), ", ".join("?" for _ in names)
        wanted = f'INSERT INTO "{table}" ({columns}) VALUES ({marks})'  # noqa: S608 names of theirs
        connection.executemany(
            wanted, ([change.get(name, value) for name, value in zip(names, row, strict=True)] for change in changes for row in rows)
        )


def name_of(number: int) -> str:
    """Return what the run of a number is called, as our own jobs are."""
    return f"calm-{random.Random(number).choice(WORDS)}-{number:x}"


def _good(answer: httpx.Response) -> None:
    if not answer.is_success:
        raise NotMeasuredError(f"{answer.url.path} was answered with {answer.status_code}: {answer.text[:300]}")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False
