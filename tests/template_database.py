"""Migrations run once for all processes of the tests: the first that needs a database leaves a copy, and the others take it.

Kept under a digest of all that may change what a database is like, so that the next run takes it, too. On SQLite alone.
Run as a program it leaves the copy and ends: who shares the tests out begins it while the processes load theirs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.surroundings import CHECKOUT

KEPT = CHECKOUT / ".mooring" / "tests"
_OLD_SECONDS = 3600.0
_SOURCES = ("studio", "compute", "jobs", "endpoints")


def use() -> None:
    """Have Django take the copy in the place of running all migrations."""
    from django.conf import settings
    from django.db import connection

    creation = type(connection.creation)
    really = creation.create_test_db

    def create_test_db(self: Any, *args: Any, **named: Any) -> str:
        file = Path(self._get_test_db_name())
        try:
            KEPT.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (KEPT / "lock").open("w")
        except OSError:
            # A checkout that may not be written to.
            return str(really(self, *args, **named))
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            template = KEPT / f"{_digest()}.sqlite3"
            if not template.exists():
                name = really(self, *args, **named)
                _keep(self.connection, template)
                return str(name)
            shutil.copyfile(template, file)
        self.connection.close()
        settings.DATABASES[self.connection.alias]["NAME"] = self.connection.settings_dict["NAME"] = str(file)
        self.connection.ensure_connection()
        return str(file)

    creation.create_test_db = create_test_db  # type: ignore[method-assign]


def begin() -> subprocess.Popen[bytes]:
    """Have the copy made by another process, which is returned, before any test asks for it."""
    # What goes wrong in it is said by the first test that needs a database: it tries again.
    return subprocess.Popen([sys.executable, "-m", __name__], cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    """Leave the copy where there is none."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    import django
    from django.conf import settings
    from django.db import connection

    from tests.surroundings import DATA

    django.setup()
    settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(DATA / "test.sqlite3")
    use()
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    connection.close()


def _keep(connection: Any, template: Path) -> None:
    draft = template.with_suffix(f".{os.getpid()}")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(draft)])
    draft.replace(template)
    for other in KEPT.glob("*.sqlite3"):
        if other != template and time.time() - other.stat().st_mtime > _OLD_SECONDS:
            other.unlink(missing_ok=True)


def _digest() -> str:
    """Return what stands for the code, the libraries and the settings that a database is made with."""
    summed = hashlib.sha256()
    for file in [CHECKOUT / "requirements" / "dev.lock", *(path for part in _SOURCES for path in sorted((CHECKOUT / part).rglob("*.py")))]:
        summed.update(str(file).encode() + b"\0" + file.read_bytes())
    summed.update(repr(sorted(item for item in os.environ.items() if item[0].startswith("MOORING_") and item[0] != "MOORING_DATA")).encode())
    return summed.hexdigest()[:24]


if __name__ == "__main__":
    main()
