"""The server of dstack, with its defaults on a SQLite; no backend is configured, so no run of it ever starts."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.environments import python_with
from benchmarks.peers import PAGE, Asked, Peer, copy_rows, name_of, post, serving
from benchmarks.process import free_port
from benchmarks.studio import NotMeasuredError

PACKAGES = ("dstack[server]==0.22.5",)
PROJECT, TOKEN = "main", "benchmark-token"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlbmNobWFya2JlbmNobWFya2JlbmNobWFya2JlbmNo bench"


@contextlib.contextmanager
def started(folder: Path, *, idle: bool) -> Iterator[Peer]:
    """Run the server on a folder; `idle`: without its processing in the background."""
    python, port = python_with("dstack", PACKAGES), free_port("127.0.0.1")
    url, database = f"http://127.0.0.1:{port}", folder / "server" / "data" / "sqlite.db"
    environment = {
        "HOME": str(folder),
        "DSTACK_SERVER_DIR": str(folder / "server"),
        "DSTACK_SERVER_ADMIN_TOKEN": TOKEN,
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
    } | ({"DSTACK_SERVER_BACKGROUND_PROCESSING_DISABLED": "1"} if idle else {})
    command = [str(python.parent / "dstack"), "server", "--host", "127.0.0.1", "--port", str(port), "--yes"]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with serving("dstack", command, folder, environment, f"{url}/healthcheck"):
        yield Peer(
            version=PACKAGES[0].partition("==")[2],
            url=url,
            headers=headers,
            create=_run,
            fill=lambda count: _fill(url, headers, database, count),
            lists={"first": _list(only_active=False), "state": _list(only_active=True)},
        )


def _run(number: int) -> Asked:
    task = {"type": "task", "name": name_of(number), "commands": ["echo measured"], "user": "root"}
    spec = {"run_name": name_of(number), "configuration": task, "ssh_key_pub": KEY}
    return Asked(f"/api/project/{PROJECT}/runs/apply", {"plan": {"run_spec": spec}, "force": True})


def _list(*, only_active: bool) -> Asked:
    return Asked("/api/runs/list", {"project_name": PROJECT, "only_active": only_active, "limit": PAGE})


def _fill(url: str, headers: dict[str, str], database: Path, count: int) -> None:
    """Submit one run through the API, and copy its rows until there are so many; three of ten are not over yet."""
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection:
        there = int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])
        if not there:
            post(url, _run(0), headers)
            there = 1
        first, spec = connection.execute("SELECT id, run_spec FROM runs WHERE run_name = ?", [name_of(0)]).fetchone()
    now = datetime.now(UTC).replace(tzinfo=None)
    runs, jobs = [], []
    for number in range(there, count):
        name, at, state = name_of(number), str(now - timedelta(seconds=count - number)), "DONE" if number % 10 < 7 else "SUBMITTED"
        run, job = (str(each) if "-" in first else each.hex for each in (uuid.uuid4(), uuid.uuid4()))
        same = {"run_name": name, "submitted_at": at, "last_processed_at": at, "status": state}
        runs.append({**same, "id": run, "run_spec": spec.replace(name_of(0), name)})
        jobs.append({**same, "id": job, "run_id": run})
    copy_rows(database, "runs", "id", first, runs)
    copy_rows(database, "jobs", "run_id", first, jobs)
    shown = post(url, _list(only_active=False), headers)
    if len(shown) != PAGE or not all(each["jobs"] for each in shown):
        raise NotMeasuredError(f"dstack does not show the runs that were put into its database: {json.dumps(shown)[:300]}")
