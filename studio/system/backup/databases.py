"""Copy a database as it is at one moment into a file, and back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder

KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
FILES = {"sqlite": "database/mooring.sqlite3", "postgresql": "database/mooring.pgdump"}


class DatabaseToolError(Exception):
    """A program of PostgreSQL is missing or failed."""


def kind() -> str:
    """Return `sqlite` or `postgresql`."""
    return str(connection.vendor)


def holds_something() -> bool:
    """Tell whether there is any table in this database, a studio's or anybody else's: a restore drops them all."""
    if kind() == "sqlite" and not Path(str(connection.settings_dict["NAME"])).exists():
        return False
    try:
        return bool(connection.introspection.table_names())
    except DatabaseError:
        return kind() == "sqlite"  # a file that is no database is somebody's, too


def copy_to(target: Path) -> list[list[str]]:
    """Write the database of this moment to a file; return the migrations that it has had."""
    applied = sorted([app, name] for app, name in MigrationRecorder(connection).applied_migrations())
    if kind() == "sqlite":
        with connection.cursor() as cursor:
            # One read transaction: writers go on meanwhile.
            cursor.execute("VACUUM INTO %s", [str(target)])
        target.chmod(0o600)
    else:
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")
    return applied


def put_back(source: Path) -> None:
    """Make the database what a file of `copy_to` holds, and nothing of what it held before."""
    connection.close()
    if kind() == "sqlite":
        place = Path(str(connection.settings_dict["NAME"]))
        for end in ("", "-wal", "-shm"):
            Path(f"{place}{end}").unlink(missing_ok=True)
        shutil.move(source, place)
    else:
        with connection.cursor() as cursor:
            # What a newer version added is not in the copy, and would be in the way of its migrations.
            cursor.execute("SELECT current_schema()")
            schema = connection.ops.quote_name(cursor.fetchone()[0])
            cursor.execute(f"DROP SCHEMA {schema} CASCADE")
            cursor.execute(f"CREATE SCHEMA {schema}")
        connection.close()
        _run("pg_restore", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error",
             f"--dbname={connection.settings_dict['NAME']}", str(source))  # fmt: skip


def check(source: Path) -> str:
    """Return why a file of `copy_to` cannot be used, or nothing."""
    if kind() == "sqlite":
        try:
            # Read only: looking leaves nothing beside the file.
            with sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True) as database:
                (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
            database.close()
        except sqlite3.Error as error:
            return str(error)
        return "" if found == "ok" else str(found)
    try:
        _run("pg_restore", "--list", str(source))
    except DatabaseToolError as error:
        return str(error)
    return ""


def others() -> int:
    """Return how many connections besides ours a PostgreSQL has to this database."""
    if kind() == "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


def _run(program: str, *words: str) -> None:
    if shutil.which(program) is None:
        raise DatabaseToolError(f"there is no {program} on this machine; Debian has it in postgresql-client")
    done = subprocess.run((program, *words), env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise DatabaseToolError(f"{program} ended with {done.returncode}: {done.stderr.strip()[-600:]}")


def _environment() -> dict[str, str]:
    """Return how PostgreSQL's programs find the database: by the environment, as other people see a command's words."""
    settings: dict[str, Any] = connection.settings_dict
    named = {"PGDATABASE": "NAME", "PGUSER": "USER", "PGPASSWORD": "PASSWORD", "PGHOST": "HOST", "PGPORT": "PORT"}
    given = {name: str(settings[key]) for name, key in named.items() if settings.get(key)}
    options = {f"PG{key.upper()}": str(value) for key, value in settings.get("OPTIONS", {}).items() if key.startswith("ssl")}
    return {**os.environ, **given, **options}
