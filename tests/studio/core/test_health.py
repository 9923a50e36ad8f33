"""Whether the studio is alive and ready, its figures, and what every page says for its own protection."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, RequestFactory
from whitenoise.middleware import WhiteNoiseMiddleware

from studio.core import health
from tests.conftest import People
from tests.surroundings import CHECKOUT

pytestmark = pytest.mark.django_db


class Away:
    """A Redis that does not answer."""

    def __getattr__(self, name: str) -> object:
        raise redis.ConnectionError("gone")


def test_it_is_alive_and_ready_with_database_schema_and_redis(client: Client) -> None:
    assert client.get("/healthz").content == b"ok\n"
    answer = client.get("/readyz")
    assert answer.status_code == 200 and answer.json() == {"ready": True, "checks": {"database": "ok", "schema": "ok", "redis": "ok"}}


def test_without_redis_it_says_so_and_still_serves(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "client", Away)
    answer = client.get("/readyz")
    assert answer.status_code == 200 and answer.json()["checks"]["redis"] == "ConnectionError"
    assert "mooring_redis_up 0.0" in client.get("/metrics").content.decode()


def test_with_a_schema_that_is_behind_it_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: [("jobs", False)])
    answer = client.get("/readyz")
    assert answer.status_code == 503 and answer.json()["checks"]["schema"] == "behind"


def test_without_its_database_it_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def cursor(self) -> None:
            raise OperationalError("gone")

    monkeypatch.setattr(health, "connection", Gone())
    answer = client.get("/readyz")
    assert answer.status_code == 503 and answer.json()["checks"]["database"] == "OperationalError"


def test_its_figures_are_prometheus_text_for_this_machine_or_for_who_has_the_token(client: Client, settings: Any) -> None:
    path = Path(settings.DATA, "run", "status.json")
    path.write_text(json.dumps({"children": [{"name": "worker", "restarts": 3}]}), encoding="utf-8")
    try:
        text = client.get("/metrics").content.decode()
    finally:
        path.unlink()
    assert re.search(r"^mooring_queue_kube \d", text, re.MULTILINE) and 'mooring_child_restarts{child="worker"} 3.0' in text
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403
    settings.METRICS_TOKEN = "t0ken"
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"authorization": "Bearer t0ken"}, REMOTE_ADDR="192.0.2.7").status_code == 200


def test_debug_is_off_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest-django switches it off in any case: the file is read anew.
    monkeypatch.delenv("MOORING_DEBUG", raising=False)
    assert runpy.run_path(str(CHECKOUT / "studio" / "settings.py"))["DEBUG"] is False
    monkeypatch.setenv("MOORING_DEBUG", "1")
    assert runpy.run_path(str(CHECKOUT / "studio" / "settings.py"))["DEBUG"] is True


def test_scripts_and_styles_are_named_by_their_content_kept_for_ever_and_compressed(rf: RequestFactory, settings: Any) -> None:
    # The studio's own storage, not the plain one of the other tests, with what `make setup` has collected.
    backend = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    settings.WHITENOISE_AUTOREFRESH = False
    names = json.loads(Path(settings.STATIC_ROOT, "staticfiles.json").read_text(encoding="utf-8"))["paths"]
    bundles = [name for name in names if Path(name).suffix in (".js", ".css") and "/" not in name]
    assert len(bundles) > 3
    serving = WhiteNoiseMiddleware(lambda _: HttpResponse(status=404))
    for name in bundles:
        assert re.fullmatch(rf"{re.escape(Path(name).stem)}\.[0-9a-f]{{12}}\{Path(name).suffix}", names[name])
        answer = serving(rf.get(f"/static/{names[name]}", headers={"accept-encoding": "gzip"}))
        assert answer.status_code == 200 and answer.headers["Content-Encoding"] == "gzip"
        assert "immutable" in answer.headers["Cache-Control"] and "max-age=31536000" in answer.headers["Cache-Control"]


def test_each_page_says_what_may_run_on_it_with_a_nonce_of_its_own(people: People, client: Client) -> None:
    client.force_login(people.admin)
    seen = set()
    for _ in range(2):
        answer = client.get("/", follow=True)
        rules = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
        nonce = re.search(r"'nonce-([^']+)'", rules["script-src"])
        assert nonce and f'nonce="{nonce[1]}"' in answer.content.decode()
        assert "unsafe" not in rules["script-src"] and rules["default-src"] == "'none'" and rules["frame-ancestors"] == "'none'"
        seen.add(nonce[1])
    assert len(seen) == 2
