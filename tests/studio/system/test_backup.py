"""Backup and restore of a whole studio, by the commands that people type, on both databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgresql
from tests.surroundings import CHECKOUT

pytestmark = pytest.mark.slow

FILL = """
from django.conf import settings
from studio.accounts.models import User, Workspace
from studio.assets.services import store
from studio.audit.services import record
from studio.core.secrets import seal
team = Workspace.objects.create(name="team", description=seal("hidden words"))
record(User.objects.get(), "created", team)
print(store().put(b"of a job" * 1000).digest)
(settings.RUNS / "1").mkdir(parents=True)
(settings.RUNS / "1" / "2-std_log.txt").write_text("a line\\n")
"""
READ = """
import json
from django.conf import settings
from studio.accounts.models import User, Workspace
from studio.assets.services import store
from studio.audit.models import Entry
from studio.core.secrets import unseal
team = Workspace.objects.get(name="team")
print(json.dumps({
    "people": list(User.objects.values_list("username", flat=True)),
    "hidden": unseal(team.description),
    "blob": store().has("%s"),
    "log": (settings.RUNS / "1" / "2-std_log.txt").read_text(),
    "audit": list(Entry.objects.order_by("pk").values_list("verb", flat=True)),
    "later": Workspace.objects.filter(name="later").exists(),
}))
"""


class Studio:
    """A data folder and its database, without running processes."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, "MOORING_DATA": str(folder), "DATABASE_URL": database, "REDIS_URL": "unix:///nowhere"}

    def manage(self, *words: str) -> str:
        done = subprocess.run([sys.executable, "manage.py", *words], cwd=CHECKOUT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, text: str) -> str:
        return self.manage("shell", "--no-imports", "-c", text).strip().rpartition("\n")[2]

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "mooring", *words], cwd=CHECKOUT, env=self.environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Studio, str, Path]]:
    """Make a studio with something in it, and a backup of it; give it, the digest of a file in it, and the backup."""
    folder = tmp_path_factory.mktemp(request.param)

    def made(url: str) -> tuple[Studio, str, Path]:
        one = Studio(folder / "data", url)
        one.manage("mooring_first_start", "--migrate")
        digest = one.python(FILL)
        done = one.cli("backup", str(folder / "backup.tar.gz"), "-o", "json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["keys"] and told["vanished"] == 0 and told["files"] == 6
        assert (folder / "backup.tar.gz").stat().st_mode & 0o777 == 0o600
        return one, digest, folder / "backup.tar.gz"

    if request.param == "sqlite":
        yield made("")
    else:
        with postgresql.server() as url:
            yield made(url)


def _replaced(one: Studio, backup: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return one.cli("restore", str(backup), "--replace", *words)


def test_all_of_it_comes_back_and_what_was_there_is_moved_aside(filled: tuple[Studio, str, Path]) -> None:
    studio, digest, backup = filled
    studio.python("from studio.accounts.models import Workspace; print(Workspace.objects.create(name='later'))")
    (studio.folder / "runs" / "1" / "2-std_log.txt").write_text("other\n")
    refused = studio.cli("restore", str(backup))
    assert refused.returncode != 0 and "restore-over-data" in refused.stderr
    done = _replaced(studio, backup, "-o", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert json.loads(studio.python(READ % digest)) == {
        "people": ["admin"], "hidden": "hidden words", "blob": True, "log": "a line\n", "audit": ["created at first start", "created", "restored"], "later": False,
    }  # fmt: skip
    before = Path(told["before"])
    assert (before / "runs" / "1" / "2-std_log.txt").read_text() == "other\n" and any(before.glob("mooring.*"))
    if studio.environment["DATABASE_URL"]:
        assert "backup-other-database" in Studio(studio.folder.parent / "other", "").cli("restore", str(backup)).stderr
    # It is a studio as before: it starts, and can be backed up again, through a pipe too.
    studio.manage("mooring_first_start", "--migrate")
    piped = subprocess.run([sys.executable, "-m", "mooring", "backup", "-"], cwd=CHECKOUT, env=studio.environment, capture_output=True, check=True)
    assert piped.stdout.startswith(b"backup.json")


ON_ONE = pytest.mark.parametrize("filled", ["sqlite"], indirect=True)


@ON_ONE
def test_what_cannot_be_used_changes_nothing(filled: tuple[Studio, str, Path], tmp_path: Path) -> None:
    studio, _, backup = filled
    count = "from studio.accounts.models import Workspace; print(Workspace.objects.count())"
    before = studio.python(count)
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(backup.read_bytes()[:-2000])
    assert "backup-unreadable" in _replaced(studio, cut).stderr
    assert "backup-unreadable" in _replaced(studio, tmp_path / "none").stderr
    assert "backup-in-the-way" in studio.cli("backup", str(backup)).stderr
    foreign = Studio(studio.folder, studio.environment["DATABASE_URL"])
    foreign.environment["MOORING_ENCRYPTION_KEYS"] = "Zm9yIHRoZSB0ZXN0cyBvZiB0aGUgYmFja3VwLi4uLi4="
    assert "backup-other-keys" in _replaced(foreign, backup).stderr
    newer = "from django.db.migrations.recorder import MigrationRecorder as R; from django.db import connection; R(connection)"
    studio.python(f"{newer}.record_applied('jobs', '9999_of_tomorrow')")
    try:
        start = subprocess.run([sys.executable, "manage.py", "mooring_first_start", "--migrate"], cwd=CHECKOUT, env=studio.environment,
                               capture_output=True, text=True, check=False)  # fmt: skip
        assert start.returncode != 0 and "newer version of Mooring: it has jobs.9999_of_tomorrow" in start.stderr
        assert studio.cli("backup", str(tmp_path / "newer.tar")).returncode == 0
    finally:
        studio.python(f"{newer}.record_unapplied('jobs', '9999_of_tomorrow')")
    assert "backup-newer" in _replaced(studio, tmp_path / "newer.tar").stderr
    assert studio.python(count) == before
    assert not [path for path in studio.folder.iterdir() if path.name.startswith(".restore")]


@ON_ONE
def test_a_restore_that_was_broken_off_is_told_at_the_start(filled: tuple[Studio, str, Path]) -> None:
    studio, _, backup = filled
    (studio.folder / "restoring").touch()
    start = subprocess.run([sys.executable, "manage.py", "mooring_first_start", "--migrate"], cwd=CHECKOUT, env=studio.environment,
                           capture_output=True, text=True, check=False)  # fmt: skip
    assert start.returncode != 0 and "mooring restore --replace" in start.stderr
    assert _replaced(studio, backup).returncode == 0
    assert not (studio.folder / "restoring").exists()
