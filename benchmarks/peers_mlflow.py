"""MLflow's tracking server: `mlflow server` with its defaults on a SQLite."""

from __future__ import annotations

import contextlib
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from benchmarks.environments import python_with
from benchmarks.peers import PAGE, Asked, Peer, copy_rows, name_of, post, serving
from benchmarks.process import free_port
from benchmarks.scoring import OTHERS
from benchmarks.studio import NotMeasuredError

API = "/api/2.0/mlflow/runs"
EXPERIMENT = "0"
STATES = ("FINISHED",) * 7 + ("FAILED", "RUNNING", "SCHEDULED")


@contextlib.contextmanager
def started(folder: Path, *, idle: bool) -> Iterator[Peer]:
    """Run the server on a folder."""
    python, database, address = python_with("scoring", OTHERS), folder / "mlflow.db", f"127.0.0.1:{free_port('127.0.0.1')}"
    command = [str(python), "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{database}"]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1", "--port", address.rpartition(":")[2]]
    environment = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin"}
    url = f"http://{address}"
    with serving("mlflow", command, folder, environment, f"{url}/health"):
        yield Peer(
            version=next(each for each in OTHERS if each.startswith("mlflow=")).partition("==")[2],
            url=url,
            headers={},
            create=_run,
            fill=lambda count: _fill(url, database, count),
            lists=LISTS,
        )


def _run(number: int) -> Asked:
    now = int(time.time() * 1000)
    tags = [{"key": "stage", "value": "dev"}]
    return Asked(f"{API}/create", {"experiment_id": EXPERIMENT, "run_name": name_of(number), "start_time": now, "tags": tags})


def _search(words: str) -> Asked:
    return Asked(f"{API}/search", {"experiment_ids": [EXPERIMENT], "max_results": PAGE, "filter": words})


LISTS = {
    "first": _search(""),
    "state": _search("attributes.status = 'FAILED'"),
    "search": _search("attributes.run_name LIKE '%otter%'"),
}


def _fill(url: str, database: Path, count: int) -> None:
    """Make one run through the API, and copies of its rows until there are so many."""
    made = post(url, _run(0))["run"]["info"]["run_id"]
    there, now = _count(database), int(time.time() * 1000)
    runs = [(uuid.uuid4().hex, number) for number in range(there, count)]
    copy_rows(database, "runs", "run_uuid", made, (
        {"run_uuid": run, "name": name_of(number), "status": STATES[number % 10], "start_time": now - (count - number) * 1000,
         "end_time": now - (count - number) * 1000 + 90_000} for run, number in runs))  # fmt: skip
    copy_rows(database, "tags", "run_uuid", made, ({"run_uuid": run} for run, _ in runs))
    # It looks for a run's name in this tag.
    _change(database, "UPDATE tags SET value = (SELECT name FROM runs WHERE run_uuid = tags.run_uuid) WHERE key = 'mlflow.runName'")
    if _count(database) < count or any(len(post(url, each).get("runs", [])) != PAGE for each in LISTS.values()):
        raise NotMeasuredError("mlflow does not show the runs that were put into its database")


def _change(database: Path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        connection.execute(sql)


def _count(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection:
        return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])
