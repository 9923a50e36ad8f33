"""The studio's own page: its processes, queues, disk, versions, and what failed in its tasks."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.db import connection
from django.test import Client
from typer.testing import CliRunner

from studio.accounts.models import ApiToken
from studio.audit.models import Entry
from studio.live import bus
from studio.system import failures, machine, pulse
from studio.system.facts import system
from studio.system.models import FailedTask
from tests.conftest import People

pytestmark = pytest.mark.django_db


def broken(text: str = "it broke") -> BaseException:
    try:
        raise RuntimeError(text)
    except RuntimeError as error:
        return error


@pytest.fixture
def supervised(db: None) -> Iterator[None]:
    """Write what a supervisor writes, with this process as one of its children."""
    told = {"pid": os.getpid(), "started": "2026-11-25T08:00:00+00:00", "children": [
        {"name": "web", "state": "running", "pid": os.getpid(), "restarts": 2, "since": "2026-11-25T08:00:01+00:00", "last_exit": "exit code 1"},
        {"name": "beat", "state": "waiting", "pid": None, "restarts": 9, "since": "2026-11-25T08:00:01+00:00", "last_exit": ""},
    ]}  # fmt: skip
    file = Path(settings.DATA) / "run" / "status.json"
    file.write_text(json.dumps(told))
    yield
    file.unlink()


def test_the_page_shows_processes_queues_leases_and_versions(people: People, supervised: None, client_for: Callable[..., Client]) -> None:
    bus.client().rpush("kube", "a", "b", "c")
    bus.client().set("lease:stream", "host:77:x", px=15000)
    pulse.note(bus.client(), pulse.SENT, "jobs.sweep")
    page = client_for(people.admin).get("/ops/system/").content.decode()
    kind = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]
    for said in ("web", "exit code 1", "3 waiting", "Lease stream", "host:77:x", "jobs.sweep", kind, "Kubernetes client", "Nothing failed"):
        assert said in page, said
    part = client_for(people.admin).get("/ops/system/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part and 'id="live"' in part


def test_the_api_has_the_same_with_memory_in_bytes(people: People, supervised: None, client_for: Callable[..., Client]) -> None:
    found = client_for(people.admin).get("/api/v1/system").json()
    children = {child["name"]: child for child in found["children"]}
    assert children["web"]["memory"] > 1024**2 and children["web"]["restarts"] == 2 and children["beat"]["memory"] is None
    assert {one["name"] for one in found["versions"]} >= {"Mooring", "Python", "Django", "Redis", "Helm"}
    assert found["redis"]["queues"] == [{"name": "kube", "waiting": 0}, {"name": "stream", "waiting": 0}]
    assert found["database"]["bytes"] is None or found["database"]["bytes"] > 0
    assert found["disk"]["free"] > 0


def test_a_studio_that_nobody_supervises_has_no_processes(db: None) -> None:
    assert system()["children"] == []


def test_redis_away_is_said(people: People, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    gone = redis.Redis.from_url("unix:///nowhere/redis.sock")
    monkeypatch.setattr("studio.system.facts.client", lambda: gone)
    assert "Redis does not answer" in client_for(people.admin).get("/ops/system/").content.decode()


def test_a_task_that_was_not_sent_for_three_turns_is_late(db: None) -> None:
    bus.client().hset(pulse.SENT, mapping={"jobs.sweep": time.time() - 60, "assets.collect": time.time() - 60})
    late = {row["task"]: row["late"] for row in system()["schedule"]}
    assert late["jobs.sweep"] and not late["assets.collect"]


def test_disk_is_counted_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.DATA = tmp_path
    (tmp_path / "runs" / "1").mkdir(parents=True)
    (tmp_path / "runs" / "1" / "log").write_bytes(os.urandom(300_000))
    monkeypatch.setattr(machine, "_measured", (0.0, []))
    parts = {part["name"]: part for part in machine.disk()["parts"]}
    assert 300_000 <= parts["runs"]["bytes"] < 400_000 and parts["runs"]["whole"] and parts["blobs"]["bytes"] == 0
    assert machine._size(tmp_path, time.monotonic() - 1) == (0, False)


def test_a_task_that_breaks_is_kept_without_its_secrets(db: None) -> None:
    @current_app.task(name="tests.breaks", shared=False)
    def breaks() -> None:
        raise RuntimeError("no way to https://user:planted@host with Bearer planted-planted")

    breaks.apply(throw=False)
    row = FailedTask.objects.get()
    assert row.name == "tests.breaks" and "RuntimeError" in row.error and "breaks" in row.traceback
    assert "planted" not in row.error + row.traceback.replace("tests", "")
    assert "tests.breaks" in pulse.noted(bus.client(), pulse.RAN)


def test_the_same_failure_counts_up_and_the_list_is_bounded(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "KEPT", 3)
    for _ in range(5):
        failures.note_failure("jobs.sweep", "1", broken())
    assert FailedTask.objects.get().count == 5
    for number in range(5):
        failures.note_failure("jobs.sweep", "1", broken(f"other {number}"))
    assert [row.error for row in FailedTask.objects.order_by("pk")] == [f"RuntimeError: other {number}" for number in (2, 3, 4)]


def test_an_administrator_forgets_them_and_that_is_recorded(people: People, client_for: Callable[..., Client]) -> None:
    failures.note_failure("jobs.sweep", "1", broken("<b>bad</b>"))
    client = client_for(people.admin)
    assert "&lt;b&gt;bad" in client.get("/ops/system/").content.decode()
    client.post("/ops/system/failed-tasks/clear/")
    assert not FailedTask.objects.exists()
    assert Entry.objects.get().verb == "cleared the failed tasks"
    assert client.delete("/api/v1/system/failed-tasks").json() == {"forgotten": 0} and Entry.objects.count() == 1


def test_the_command_shows_it_and_forgets_what_failed(people: People, supervised: None, live_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from mooring.cli.app import app

    failures.note_failure("jobs.sweep", "1", broken())
    monkeypatch.setenv("MOORING_URL", live_server.url)
    monkeypatch.setenv("MOORING_TOKEN", ApiToken.issue(people.admin, name="laptop")[1])
    shown = CliRunner().invoke(app, ["system", "show"])
    assert shown.exit_code == 0 and "web running" in shown.output and "failed tasks" in shown.output
    rows = CliRunner().invoke(app, ["system", "show", "--part", "failed_tasks", "-o", "json"])
    assert json.loads(rows.output)[0]["name"] == "jobs.sweep"
    assert "1 forgotten" in CliRunner().invoke(app, ["system", "clear-failed", "--yes"]).output
    assert not FailedTask.objects.exists()


def test_times_are_said_in_iso(db: None) -> None:
    pulse.note(bus.client(), pulse.RAN, "jobs.sweep")
    ran = next(row["ran_at"] for row in system()["schedule"] if row["task"] == "jobs.sweep")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(ran)).total_seconds()) < 10
