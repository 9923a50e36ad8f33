"""A database of each version that has landed is brought up to date with everything in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import postgresql
from tests.kept import KEY
from tests.surroundings import CHECKOUT

pytestmark = pytest.mark.slow
KEPT = sorted((CHECKOUT / "tests" / "kept_versions").glob("*.json"))
# What a person would miss first: asked of today's models, whatever the tables were called then.
READ = """
import json
from django.db import connection
from django.test import Client
from compute.models import Cluster
from studio.accounts.models import User
from jobs.models import Job
from endpoints.models import Endpoint
client = Client()
client.force_login(User.objects.get(username="the-admin"))
pages = [f"/w/team/jobs/{job.name}/" for job in Job.objects.filter(workspace__name="team")] + ["/ops/", "/w/team/endpoints/", "/ops/audit/"]
with connection.cursor() as cursor:
    rows = {table: cursor.execute(f'SELECT count(*) FROM "{table}"') and cursor.fetchone()[0] for table in connection.introspection.table_names()}
print(json.dumps({"rows": rows, "opened": [bool(one.credentials) for one in Cluster.objects.all()], "jobs": Job.objects.count(), "endpoints": Endpoint.objects.count(), "people": User.objects.count(),
                  "pages": {page: client.get(page).status_code for page in pages}}))
"""


def _run(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run([sys.executable, *words], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip().rpartition("\n")[2]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.stem)
def test_everything_in_it_is_there_afterwards(kept: Path, database: str, tmp_path: Path) -> None:
    environment = {**os.environ, "MOORING_DATA": str(tmp_path), "REDIS_URL": "unix:///nowhere", "DATABASE_URL": "",
                   "MOORING_ENCRYPTION_KEYS": KEY}  # fmt: skip
    if database == "sqlite":
        _brought_up(kept, environment)
        return
    with postgresql.server() as url:
        _brought_up(kept, environment | {"DATABASE_URL": url})


def _brought_up(kept: Path, environment: dict[str, str]) -> None:
    _run(environment, "-m", "tests.kept", "load", str(kept))
    _run(environment, "manage.py", "mooring_first_start", "--migrate")
    found = json.loads(_run(environment, "manage.py", "shell", "--no-imports", "-c", READ))
    rows = {table: len(one["rows"]) for table, one in json.loads(kept.read_text())["tables"].items()}
    assert (found["jobs"], found["endpoints"], found["people"]) == (rows["jobs_job"], rows["endpoints_endpoint"], rows["accounts_user"])
    assert {table: found["rows"].get(table, 0) for table in rows} == {table: max(count, found["rows"].get(table, 0)) for table, count in rows.items()}
    assert len(found["opened"]) == rows["compute_cluster"] and all(found["opened"])
    assert set(found["pages"].values()) == {200}, found["pages"]


def test_there_is_a_version_to_come_from() -> None:
    assert KEPT
