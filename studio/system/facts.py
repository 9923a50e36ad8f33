"""All facts about the studio itself, each asked for with a time-out: what does not answer is said to be away."""

import platform
import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import redis
from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection

import mooring
from studio.core import addresses
from studio.core.nudge import waiting
from studio.live.bus import client
from studio.system import machine, pulse
from studio.system.backup.taking import last as last_backup
from studio.system.models import FailedTask


def system() -> dict[str, Any]:
    """Return versions, address, processes, queues, leases, schedule, database, disk, Redis and failed tasks."""
    bus = redis_facts()
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": [{"name": name, "version": found} for name, found in _versions(bus).items()],
        "address": {"public": settings.PUBLIC_URL, "listens": addresses.listens(), "missing": addresses.is_missing()},
        "children": machine.children(),
        "redis": bus,
        "schedule": schedule(bus),
        "database": database(),
        "disk": machine.disk(),
        "backup": last_backup(),
        "failed_tasks": [_failed(row) for row in FailedTask.objects.all()[:50]],
    }


def redis_facts() -> dict[str, Any]:
    """Return what Redis holds: queues, leases, memory; `up` is false when it does not answer."""
    try:
        bus = client()
        info = bus.info()
        queues = [{"name": name, "waiting": count} for name, count in waiting(bus).items()]
        return {
            "up": True,
            "version": info.get("redis_version", ""),
            "memory": int(info.get("used_memory", 0)),
            "most": int(info.get("maxmemory", 0)),
            "since_seconds": int(info.get("uptime_in_seconds", 0)),
            "clients": int(info.get("connected_clients", 0)),
            "queues": queues,
            "taken": int(bus.hlen("unacked")),
            "leases": sorted(_leases(bus), key=lambda lease: str(lease["name"])),
            "sent": pulse.noted(bus, pulse.SENT),
            "ran": pulse.noted(bus, pulse.RAN),
        }
    except redis.RedisError as error:
        return {"up": False, "error": type(error).__name__, "version": "", "queues": [], "leases": [], "sent": {}, "ran": {}}


def schedule(bus: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what beat sends: how often, when last, and when it last ran; `late` when three of its turns were missed."""
    rows = []
    now = datetime.now(UTC).timestamp()
    for entry in current_app.conf.beat_schedule.values():
        task, every = entry["task"], float(entry["schedule"])
        sent, ran = bus["sent"].get(task), bus["ran"].get(task)
        late = bool(sent and now - sent > 3 * every + 5)
        rows.append({"task": task, "every_seconds": every, "sent_at": _time(sent), "ran_at": _time(ran), "late": late})
    return sorted(rows, key=lambda row: str(row["task"]))


def database() -> dict[str, Any]:
    """Return which database it is and how large; with SQLite also the log that is written ahead."""
    kind = connection.vendor
    try:
        with connection.cursor() as cursor:
            if kind == "postgresql":
                cursor.execute("SELECT pg_database_size(current_database()), current_setting('server_version')")
                size, found = cursor.fetchone()
                return {"kind": "PostgreSQL", "version": found, "bytes": int(size), "wal_bytes": None}
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return {"kind": kind, "version": "", "bytes": None, "wal_bytes": None, "error": type(error).__name__}
    file = Path(str(connection.settings_dict["NAME"]))
    return {"kind": "SQLite", "version": sqlite3.sqlite_version, "bytes": _bytes(file), "wal_bytes": _bytes(Path(f"{file}-wal"))}


def _versions(bus: dict[str, Any]) -> dict[str, str]:
    found = database()
    return {
        "Mooring": mooring.__version__,
        "Python": platform.python_version(),
        "Django": _package("Django"),
        "Celery": _package("celery"),
        "Kubernetes client": _package("kubernetes"),
        "Redis": bus["version"] or "away",
        found["kind"]: found["version"] or "away",
        "Helm": _helm(settings.HELM),
        "System": f"{platform.system()} {platform.release()}",
    }


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


@lru_cache(maxsize=4)
def _helm(named: str) -> str:
    program = named or shutil.which("helm")
    if not program:
        return "missing"
    try:
        told = subprocess.run([program, "version", "--short"], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return f"does not answer ({type(error).__name__})"
    return told.stdout.strip()[:60]


def _leases(bus: Any) -> list[dict[str, Any]]:
    found = []
    for key in bus.scan_iter("lease:*", count=500):
        owner, left = bus.get(key), bus.pttl(key)
        if owner is not None:
            found.append({"name": key.decode().removeprefix("lease:"), "owner": owner.decode(), "ends_in_seconds": max(left, 0) / 1000})
    return found


def _failed(row: FailedTask) -> dict[str, Any]:
    return {
        "name": row.name,
        "task_id": row.task_id,
        "error": row.error,
        "traceback": row.traceback,
        "count": row.count,
        "first_at": row.first_at.isoformat(),
        "at": row.at.isoformat(),
    }


def _time(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else None


def _bytes(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None
