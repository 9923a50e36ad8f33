"""What must be true whatever was broken: each accepted job ends once, its log is whole, nothing of it is left or doubled."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.errors import KubeError
from mooring.client import Job
from tests.cluster.test_runner_pod import process_of
from tests.studio_process import Studio

FINAL = ("Completed", "Failed", "Canceled")
# Counts lines until it is told to end: every line has its number, so that one lost, doubled or moved is seen.
COUNTING = """
type: command
environment: {image: 'python:3.12'}
command: |
  n=0
  until [ -e go ]; do n=$((n+1)); echo "line $n"; sleep 0.1; done
  echo end
  echo kept > outputs/kept.txt
"""


@dataclass
class Counting:
    """A job that prints numbered lines until it is told to end."""

    studio: Studio
    kube: KubeClient
    name: str
    seen: list[str] = field(default_factory=list)

    @property
    def lines(self) -> int:
        """Return how many lines of it the studio has kept."""
        return self.studio.log_of(self.name).count(b"\n")

    def now(self) -> Job:
        """Return the job as the studio has it."""
        job: Job = self.studio.client.jobs.get(self.name)
        return job

    def pod(self) -> dict[str, Any]:
        """Return its newest pod, as the cluster has it."""
        process = self.now().answer["processes"][-1]
        return self.kube.get(kinds.POD, process["pod"], self.studio.namespace)

    def running(self, *, seconds: float = 150) -> Counting:
        """Wait until some of its lines are kept; remember its pod."""

        def printed() -> bool:
            job = self.now()
            assert not job.is_final, f"{job.status}: {job.reason}"
            return job.status == "Running" and self.lines > 3

        self.studio.until(printed, seconds=seconds, what=lambda: f"{self.name} to run ({self.now().status}: {self.now().reason})")
        self.seen.append(self.pod()["metadata"]["uid"])
        return self

    def goes_on(self, *, seconds: float = 60) -> None:
        """Wait until further lines of it are kept."""
        before = self.lines
        self.studio.until(lambda: self.lines > before + 5, seconds=seconds, what=f"the log of {self.name} to grow")

    def end(self, pod_uid: str = "") -> None:
        """Tell its command to end."""
        uid = pod_uid or self.seen[-1]
        Path(f"/proc/{process_of(uid, '/mooring/bin/entrypoint')}/root/mooring/work/go").touch()

    def completes(self, *, seconds: float = 150) -> None:
        """Tell it to end; it must have completed, once, with all that it left."""
        self.end()
        self.completed(seconds=seconds)

    def completed(self, *, seconds: float = 150) -> None:
        """Wait for its end, which must be a good one."""
        job = self.ended("Completed", seconds=seconds)
        assert job.problem is None, job.problem
        whole(self.studio.log_of(self.name))
        kept = [file.path for file in self.studio.client.jobs.outputs(self.name)]
        assert kept == ["outputs/kept.txt"], kept
        assert len(job.answer["processes"]) == 1, job.answer["processes"]

    def ended(self, *ends: str, seconds: float = 150) -> Job:
        """Wait for its end, which must be one of these, come once; nothing of it stays in the cluster."""
        job = self.studio.ended(self.name, seconds=seconds)
        assert job.status in ends, f"{job.status}: {job.reason} {job.problem}"
        assert ends_of(self.studio.data, self.name) == [job.status]
        self.studio.until(lambda: not objects(self.kube, self.studio.namespace, self.name), seconds=90,
                          what=lambda: f"{objects(self.kube, self.studio.namespace, self.name)} to be taken out")  # fmt: skip
        return job


def count(studio: Studio, kube: KubeClient, *overrides: str, yaml: str = COUNTING) -> Counting:
    """Submit a job that counts; it was accepted once this returns."""
    job = studio.submit(yaml, *overrides)
    assert audited(studio.data, "submitted", job.name) == 1
    return Counting(studio, kube, job.name)


def whole(log: bytes) -> int:
    """Check that a log which has ended has each line once, in order; return how many."""
    found = log.decode().splitlines()
    wanted = [*(f"line {number}" for number in range(1, len(found))), "end"]
    wrong = [(number, is_, should) for number, (is_, should) in enumerate(zip(found, wanted, strict=True), start=1) if is_ != should]
    assert found and not wrong, f"{len(wrong)} lines are wrong, the first {wrong[:3]}"
    return len(found)


def unbroken(log: bytes) -> None:
    """Check that a log which was cut off anywhere has each line once, in order, up to there; a job may be canceled after its last line."""
    *found, _ = log.decode().split("\n")
    if found[-1:] == ["end"]:
        found.pop()
    assert found == [f"line {number}" for number in range(1, len(found) + 1)], found[-5:]


def rows(data: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Read the studio's database past the studio."""
    with contextlib.closing(sqlite3.connect(f"file:{data}/mooring.sqlite3?mode=ro", uri=True, timeout=30)) as connection:
        return connection.execute(sql, values).fetchall()


def ends_of(data: Path, name: str) -> list[str]:
    """Return every final state that a job ever had, in order."""
    sql = "SELECT t.status FROM jobs_transition t JOIN jobs_job j ON j.id = t.job_id WHERE j.name = ? ORDER BY t.id"
    return [status for (status,) in rows(data, sql, name) if status in FINAL]


def audited(data: Path, verb: str, name: str) -> int:
    """Return how many entries say that this was done to the thing of that name."""
    sql = "SELECT count(*) FROM audit_entry WHERE verb = ? AND target_name = ? AND result = 'done'"
    return int(rows(data, sql, verb, name)[0][0])


def objects(kube: KubeClient, namespace: str, name: str = "") -> list[tuple[str, str, str]]:
    """Return the Jobs and Secrets of ours in a namespace: what each is, its row's id, and the name of its job."""
    found = []
    for kind in (kinds.JOB, kinds.SECRET):
        try:
            listed = kube.list(kind, namespace, labels={"mooring.dev/kind": "job"})
        except KubeError:
            return [("the cluster", "does not answer", "")]
        for each in listed:
            said = (each["metadata"].get("annotations") or {}).get("mooring.dev/job", "")
            if name in ("", said):
                found.append((kind.name, each["metadata"]["labels"]["mooring.dev/id"], said))
    return found


@dataclass
class Watcher:
    """Compare rows and objects again and again; what is wrong for longer than `patience` seconds is a fault."""

    studio: Studio
    kube: KubeClient
    namespaces: set[str]
    patience: float = 60
    since: dict[str, float] = field(default_factory=dict)

    def look(self) -> list[str]:
        """Return what has been wrong for too long."""
        try:
            wrong = set(self._wrong())
        except (KubeError, sqlite3.Error):
            # Broken at this moment: nobody can say, and the time counts from when it is whole again.
            self.since.clear()
            return []
        now = time.monotonic()
        self.since = {each: self.since.get(each, now) for each in wrong}
        return sorted(each for each, at in self.since.items() if now - at > self.patience)

    def _wrong(self) -> list[str]:
        sql = "SELECT id, name, status, namespace, object_uid, cluster_id FROM jobs_job"
        known = {
            str(pk): (name, status, namespace, uid, cluster) for pk, name, status, namespace, uid, cluster in rows(self.studio.data, sql)
        }
        found: list[str] = []
        present: set[str] = set()
        for namespace in self.namespaces:
            for kind, id, name in self._objects(namespace):
                row = known.get(id)
                if row is None or row[0] != name:
                    found.append(f"{kind} of {name} in {namespace} has no row")
                elif row[1] in FINAL:
                    found.append(f"{kind} of {name} is there though the job is {row[1]}")
                elif kind == "Job":
                    present.add(id)
        for id, (name, status, _, uid, cluster) in known.items():
            if uid and cluster and status not in (*FINAL, "CancelRequested", "Finalizing") and id not in present:
                found.append(f"{name} is {status} and its Job is not there")
        return found

    def _objects(self, namespace: str) -> list[tuple[str, str, str]]:
        found = objects(self.kube, namespace)
        if any(kind == "the cluster" for kind, _, _ in found):
            raise KubeError("the cluster does not answer")
        return found


def told(answer: Any) -> dict[str, Any]:
    """Return the problem that an answer of the API tells."""
    found: dict[str, Any] = json.loads(answer.content)
    return found
