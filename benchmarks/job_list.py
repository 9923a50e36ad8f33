"""The list of jobs with very many of them: first page, filters, text search and the 100th page, to the last byte of HTML.

A data folder of its own, no cluster: a process beside this one (`benchmarks.job_list_pages`) fills the database and asks the
studio's own pages in it, from the address to the answer, without a network between. `cold` is the first answer after the
database was opened anew. At the sizes at which other people's servers are asked, too, the API is asked over HTTP as theirs are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks import peers
from benchmarks.databases import database_of, named
from benchmarks.figures import ratio
from benchmarks.pages import redis, web
from benchmarks.process import without_ours
from benchmarks.studio import NotMeasuredError, say, stop

SIZES = (1_000, 10_000, 100_000)
FULL = 1_000_000
# Two sizes show how each grows.
PEER_SIZES = (1_000, 10_000)
API = "/api/v1/workspaces/bench/jobs"
ASKED: dict[str, dict[str, str]] = {"first": {}, "state": {"status": "Failed"}, "search": {"q": "otter"}}


def run(*, quick: bool, full: bool = False) -> dict[str, Any]:
    """Measure and return the keys of this benchmark; `full` also with a million jobs."""
    sizes = SIZES[:2] if quick else (*SIZES, FULL) if full else SIZES
    rounds = 5 if quick else 30
    beside = PEER_SIZES if named() == "sqlite" else ()
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as folder, redis(Path(folder)) as bus:
        env = without_ours(dict(os.environ)) | database_of(Path(folder)) | {
            "MOORING_DATA": folder, "REDIS_URL": bus, "DJANGO_SETTINGS_MODULE": "studio.settings", "MOORING_LOG_LEVEL": "WARNING",
        }  # fmt: skip
        measured, ours = _measured(env, rounds, sizes, beside)
    # They keep their runs in SQLite: beside ours on another database they would say nothing.
    others = peers.each(lambda peer: peers.listed(peer, beside, rounds), idle=True) if beside else {}
    return figures_of(measured) | {
        "peers": others | ({"ours": ours} if beside else {}),
        **{f"over_{name}": peers.over(ours, found, *shared(ours, found)) for name, found in others.items()},
        "settings": {"database": named(), "rounds": rounds, "sizes": list(sizes), "beside_peers": list(beside)},
    }


def figures_of(measured: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of this benchmark from what was measured at each size: the worst page counts."""
    first, last = next(iter(measured)), "100000" if "100000" in measured else list(measured)[-1]
    worst = {size: max(page["p95_ms"] for page in found["pages"].values()) for size, found in measured.items()}
    return {
        "p95_ms": worst,
        "kb": max(page["kb"] for found in measured.values() for page in found["pages"].values()),
        "growth_1k_to_100k": ratio(worst[last], worst[first]),
        "fill_seconds": {size: found["fill_seconds"] for size, found in measured.items()},
        "by_size": measured,
    }


def shared(ours: dict[str, Any], theirs: Any) -> list[str]:
    """Return what both were asked for."""
    return [name for name in ours if name != "all" and isinstance(theirs, dict) and name in theirs]


def _measured(env: dict[str, str], rounds: int, sizes: Sequence[int], beside: Sequence[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Have the pages measured at each size, and the API over HTTP beside them where it is compared with others."""
    command = [sys.executable, "-m", "benchmarks.job_list_pages", str(rounds), *map(str, sizes)]
    measured, ours, token = dict[str, Any](), dict[str, Any](), ""
    child = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdin is not None and child.stdout is not None
        for line in child.stdout:
            if not line.startswith("{"):
                say(line.rstrip())
                continue
            found = json.loads(line)
            if "token" in found:
                token = found["token"]
                continue
            size = int(found.pop("jobs"))
            measured[str(size)] = found
            if size in beside:
                ours |= _over_http(env, token, size, rounds)
            child.stdin.write("on\n")
            child.stdin.flush()
        child.wait(60)
    finally:
        stop(child)
    if child.returncode or not measured:
        raise NotMeasuredError(f"the pages were not measured: exit code {child.returncode}")
    return measured, peers.flat(ours)


def _over_http(env: dict[str, str], token: str, size: int, rounds: int) -> dict[str, Any]:
    """Ask the API of the studio's web process for the lists that others are asked for, a page of the same length."""
    headers = {"Authorization": f"Bearer {token}"}
    with web(env) as url, httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as http:
        return {
            f"{name}_{size}": peers.timed(lambda query=query: http.get(API, params={**query, "limit": str(peers.PAGE)}), rounds)
            for name, query in ASKED.items()
        }
