"""Is the studio alive, can it serve, and figures for Prometheus."""

import json
import time
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from studio.core.nudge import waiting
from studio.live.bus import STREAM, client

STARTED = time.time()


def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 while this process can answer at all."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database is there with its newest schema; Redis away is said, and not fatal."""
    checks = {"database": _database(), "schema": _schema(), "redis": _redis()}
    ready = checks["database"] == "ok" and checks["schema"] == "ok"
    return JsonResponse({"ready": ready, "checks": checks}, status=200 if ready else 503)


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the studio's own figures; only from this machine, or with the token of MOORING_METRICS_TOKEN."""
    if not _may_see_metrics(request):
        return HttpResponse("forbidden\n", status=403, content_type="text/plain")
    registry = CollectorRegistry()
    for name, text, value in _figures():
        Gauge(name, text, registry=registry).set(value)
    children = Gauge("mooring_child_restarts", "Restarts of each process of the studio", ["child"], registry=registry)
    for child, restarts in _children().items():
        children.labels(child).set(restarts)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_see_metrics(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    if token:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}")
    return request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"}


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return type(error).__name__
    return "ok"


def _schema() -> str:
    try:
        executor = MigrationExecutor(connection)
        return "behind" if executor.migration_plan(executor.loader.graph.leaf_nodes()) else "ok"
    except DatabaseError as error:
        return type(error).__name__


def _redis() -> str:
    try:
        client().ping()
    except redis.RedisError as error:
        return type(error).__name__
    return "ok"


def _figures() -> list[tuple[str, str, float]]:
    figures: list[tuple[str, str, float]] = [("mooring_up_seconds", "Age of this web process", time.time() - STARTED)]
    try:
        bus = client()
        figures.append(("mooring_live_events", "Events kept in the live stream", float(bus.xlen(STREAM))))
        for queue, count in waiting(bus).items():
            figures.append((f"mooring_queue_{queue}", f"Messages waiting in the queue {queue}", float(count)))
        figures.append(("mooring_redis_up", "1 while Redis answers", 1))
    except redis.RedisError:
        figures.append(("mooring_redis_up", "1 while Redis answers", 0))
    return figures


def _children() -> dict[str, float]:
    try:
        status: dict[str, Any] = json.loads((settings.DATA / "run" / "status.json").read_text(encoding="utf-8"))
        return {child["name"]: float(child.get("restarts", 0)) for child in status.get("children", [])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
