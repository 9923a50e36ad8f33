"""People at work while parts break at random: whatever was accepted ends once, and nothing is lost, doubled or left behind.

The same seed gives the same sequence of choices; what each of them meets depends on the machine's pace.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest

from compute.kube.client import KubeClient
from mooring.errors import MooringError
from tests.faults.breaking import Cluster, children, full_disk, kill, locked, paused
from tests.faults.conftest import whole_again
from tests.faults.truth import FINAL, Watcher, audited, ends_of, rows, unbroken, whole
from tests.studio_process import Studio

SECONDS = float(os.environ.get("MOORING_FAULTS_SECONDS") or 600)
SEED = int(os.environ.get("MOORING_FAULTS_SEED") or 0) or random.SystemRandom().randrange(1, 10**6)
# Two cores: more pods at once would be a test of the machine.
MOST_AT_WORK = 4
SETTLE_SECONDS = 240
# Ends by itself, so that nobody has to find its pod while the cluster is broken.
YAML = """
type: command
environment: {{image: 'python:3.12'}}
command: |
  n=0
  while [ $n -lt {lines} ]; do n=$((n+1)); echo "line $n"; sleep 0.1; done
  echo end
"""
PAGES = ("/", "/w/demo/jobs/", "/w/demo/computes/", "/ops/clusters/", "/ops/clusters/local/", "/ops/system/")


@dataclass
class Accepted:
    """A job that the studio took, and what was then asked of it."""

    name: str
    compute: str
    canceled: bool = False
    deleted: bool = False


@dataclass
class People:
    """What people do, and what they were told; a refusal or a wait is no loss, an answer is a promise."""

    studio: Studio
    cluster: Cluster
    kube: KubeClient
    person: httpx.Client
    choose: random.Random
    jobs: list[Accepted] = field(default_factory=list)
    computes: list[str] = field(default_factory=list)
    # Every namespace that ever was a compute's.
    namespaces: set[str] = field(default_factory=set)
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    made: int = 0
    # What was done by their own account, as (what the audit says of it, of what): one of the words stands there.
    answered: set[tuple[tuple[str, ...], str]] = field(default_factory=set)
    # What was done or broken, each with its time: what led to a failure is read from it.
    history: list[str] = field(default_factory=list)

    # People

    def submit(self) -> None:
        """Submit a job, unless enough are at work."""
        if sum(status not in FINAL for (status,) in rows(self.studio.data, "SELECT status FROM jobs_job")) >= MOST_AT_WORK:
            return
        compute = self.choose.choice([self.studio.compute, *self.computes])
        text = YAML.format(lines=self.choose.randrange(20, 150))
        job = self.studio.client.jobs.create_from_text(text, folder=".", overrides=[f"compute={compute}"])
        self.jobs.append(Accepted(job.name, compute))

    def cancel(self) -> None:
        """Cancel one of those that were submitted."""
        if job := self._one():
            self.studio.client.jobs.cancel(job.name)
            job.canceled = True
            # Elsewhere it may be canceled already, with the compute that somebody detached.
            if job.compute == self.studio.compute:
                self.answered.add((("asked to cancel", "canceled"), job.name))

    def delete(self) -> None:
        """Delete one that has ended."""
        if job := self._one():
            self.studio.client.jobs.delete(job.name)
            job.deleted = True
            self.answered.add((("deleted",), job.name))

    def attach(self) -> None:
        """Attach one more compute, two at most."""
        if len(self.computes) > 1:
            return
        self.made += 1
        name = f"c{self.made}"
        namespace = f"{self.studio.namespace}-{name}"
        self.namespaces.add(namespace)
        self.studio.client.computes.attach(name, cluster=self.studio.cluster, namespace=namespace, create_namespace=True)
        self.computes.append(name)
        self.answered.add((("attached",), name))

    def detach(self) -> None:
        """Detach one of those, with what runs on it."""
        if self.computes:
            name = self.choose.choice(self.computes)
            self.studio.client.computes.detach(name)
            self.computes.remove(name)
            self.answered.add((("detached",), name))
            for job in self.jobs:
                job.canceled = job.canceled or job.compute == name

    def look(self) -> None:
        """Open a page: it is answered, and never with a mistake of ours."""
        answer = self.person.get(self.choose.choice([*PAGES, *(f"/w/demo/jobs/{job.name}/" for job in self.jobs[-3:])]))
        assert answer.status_code in (200, 404, 503), f"{answer.status_code} for {answer.url}: {answer.text[:2000]}"

    # What breaks

    def kill_a_part(self) -> None:
        """Kill a part of the studio."""
        parts = children(self.studio.data)
        if parts:
            kill(self.choose.choice(sorted(parts.items()))[1])

    def pause_a_part(self) -> None:
        """Have a part of the studio stand still for a while, and people go on beside it."""
        parts = children(self.studio.data)
        if parts:
            with paused(self.choose.choice(sorted(parts.items()))[1]):
                self._meanwhile()

    def lose_redis(self) -> None:
        """Take from Redis all that it holds."""
        import redis

        # One that is away at this moment has nothing that could be lost.
        with contextlib.suppress(redis.ConnectionError):
            redis.Redis(unix_socket_path=str(self.studio.data / "run" / "redis.sock"), socket_timeout=5).flushall()

    def kill_the_supervisor(self) -> None:
        """Kill the whole studio; it is started again."""
        kill(self.studio.process.pid)
        self.studio.process.wait(30)
        self.studio.again()

    def kill_a_component(self) -> None:
        """Kill a component of the cluster."""
        self.cluster.kill(self.choose.choice(("kube-apiserver", "etcd", "kubelet", "kube-scheduler", "kube-controller-manager")))

    def pause_a_component(self) -> None:
        """Have a component of the cluster stand still for a while."""
        with paused(
            self.cluster.pid(self.choose.choice(("kube-apiserver", "etcd", "kubelet", "kube-scheduler", "kube-controller-manager")))
        ):
            self._meanwhile()

    def cut_off(self) -> None:
        """Cut the studio off from the cluster for a while."""
        with self.cluster.cut_off():
            self._meanwhile()

    def fill_the_disk(self) -> None:
        """Fill the studio's disk for a while."""
        with full_disk(self.studio.data):
            self._meanwhile()

    def lock_the_database(self) -> None:
        """Lock the database for some seconds."""
        with locked(self.studio.data / "mooring.sqlite3"):
            time.sleep(self.choose.uniform(1, 5))

    def _meanwhile(self) -> None:
        self.act(self.choose.choice((self.submit, self.cancel, self.look)))
        time.sleep(self.choose.uniform(2, 12))

    def _one(self) -> Accepted | None:
        there = [job for job in self.jobs if not job.deleted]
        return self.choose.choice(there) if there else None

    def act(self, does: Callable[[], None]) -> None:
        """Do one thing; note what was refused, and what the world did not let be answered."""
        self.history.append(f"{datetime.now(UTC):%H:%M:%S} {does.__name__}")
        try:
            does()
            self.done[does.__name__] += 1
        except MooringError as error:
            self.refused[f"{does.__name__}: {getattr(error, 'id', '') or type(error).__name__}"] += 1
        except (httpx.TransportError, sqlite3.OperationalError) as error:
            # The latter is ours: on a full disk the file beside the database that readers share may not be made.
            self.refused[f"{does.__name__}: {type(error).__name__}"] += 1


@pytest.mark.timeout(SECONDS + 2 * SETTLE_SECONDS + 300)
def test_whatever_breaks_at_random_each_accepted_job_ends_once_and_nothing_is_lost(
    studio: Studio, kube: KubeClient, cluster: Cluster, person: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\nseed {SEED}, {SECONDS:.0f} s; again with: make faults SEED={SEED} SECONDS={SECONDS:.0f}", flush=True)
    people = People(studio, cluster, kube, person, random.Random(SEED), namespaces={studio.namespace})
    watcher = Watcher(studio, kube, people.namespaces)
    acts = (*(people.submit,) * 6, *(people.look,) * 5, people.cancel, people.delete, people.attach, people.detach)
    faults = (people.kill_a_part, people.kill_a_part, people.pause_a_part, people.lose_redis, people.kill_the_supervisor,
              people.kill_a_component, people.pause_a_component, people.cut_off, people.fill_the_disk, people.lock_the_database)  # fmt: skip
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        if people.choose.random() < 0.25:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                people.act(people.choose.choice(faults))
        else:
            people.act(people.choose.choice(acts))
        _hold(people, watcher, whole_log=False)
        time.sleep(people.choose.uniform(0, 1.5))
    whole_again(studio, kube)
    studio.until(
        lambda: not _unfinished(people), seconds=SETTLE_SECONDS, what=lambda: f"every job to end: {_unfinished(people)} (seed {SEED})"
    )
    studio.until(lambda: not watcher._wrong(), seconds=120, what=lambda: f"nothing to be left: {watcher._wrong()} (seed {SEED})")
    _hold(people, watcher, whole_log=True)
    with capsys.disabled():
        print(f"\ndone {dict(people.done)}; not answered or refused {dict(people.refused)}; {len(people.jobs)} jobs", flush=True)


def _unfinished(people: People) -> list[tuple[str, str, str]]:
    found = rows(people.studio.data, "SELECT name, status, reason FROM jobs_job")
    return [(name, status, reason) for name, status, reason in found if status not in FINAL]


def _hold(people: People, watcher: Watcher, *, whole_log: bool) -> None:
    """Check all that must hold now; with `whole_log` also what holds once all is over."""
    data = people.studio.data
    known = dict(rows(data, "SELECT name, status FROM jobs_job"))
    for job in people.jobs:
        state = known.get(job.name)
        assert state or job.deleted, f"{job.name} was accepted and is not there (seed {SEED})"
        assert audited(data, "submitted", job.name) == 1, f"{job.name}: {audited(data, 'submitted', job.name)} entries (seed {SEED})"
        assert len(ends_of(data, job.name)) <= 1, f"{job.name} has ended {ends_of(data, job.name)} (seed {SEED})"
        if state and whole_log:
            _ended_well(people, job, state)
    for verbs, name in people.answered:
        assert any(audited(data, verb, name) for verb in verbs), f"{name} was {verbs[0]}, and the audit knows nothing of it (seed {SEED})"
    late = watcher.look()
    assert not late, f"for more than {watcher.patience:.0f} s: {late} (seed {SEED})"
    for verb, name in rows(
        data, "SELECT verb, target_name FROM audit_entry WHERE target_kind = 'job' AND verb = 'deleted' AND result = 'done'"
    ):
        assert audited(data, verb, name) == 1, f"{name} was deleted more than once (seed {SEED})"


def _ended_well(people: People, job: Accepted, state: str) -> None:
    studio = people.studio
    assert ends_of(studio.data, job.name) == [state], f"{job.name}: {ends_of(studio.data, job.name)}, {state} (seed {SEED})"
    log = _log(studio, job.name)
    if state == "Completed":
        whole(log)
    else:
        unbroken(log)
        asked = audited(studio.data, "asked to cancel", job.name) + audited(studio.data, "canceled", job.name)
        answer = studio.client.jobs.get(job.name)
        assert state == "Failed" or asked or job.canceled, f"{job.name} was canceled by nobody: {answer.reason} (seed {SEED})"
        # None of what was broken here takes a pod along: a job that failed has lost something.
        assert state == "Canceled" or job.canceled, f"{job.name} has failed: {answer.reason} (seed {SEED})\n{_account(people, job.name)}"


def _account(people: People, name: str) -> str:
    """Return what is known of a job that went wrong, and what was done meanwhile."""
    studio = people.studio
    processes = rows(
        studio.data,
        "SELECT p.pod_name, p.phase, p.gone, p.exit, p.finished, p.log_bytes, p.log_final, p.problems, p.started_at, p.ended_at, j.object_state,"
        " j.object_state_at FROM jobs_process p JOIN jobs_job j ON j.id = p.job_id WHERE j.name = ?",
        name,
    )
    states = rows(
        studio.data,
        "SELECT t.at, t.status, t.reason FROM jobs_transition t JOIN jobs_job j ON j.id = t.job_id WHERE j.name = ? ORDER BY t.id",
        name,
    )
    runner = studio.log_of(name, file="runner.txt").decode(errors="replace")
    return "\n".join([*map(str, states), *map(str, processes), runner, *people.history])


def _log(studio: Studio, name: str) -> bytes:
    """Return a job's log; one that was canceled before it had a process has none."""
    try:
        return studio.log_of(name)
    except MooringError:
        return b""
