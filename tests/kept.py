"""What a studio of an earlier version had in its database: kept as text, loaded at the state of that version, and brought up to date.

`python -m tests.kept make tests/kept_versions/VERSION.json` furnishes a studio and writes its rows: once for each version, when it is
released. `python -m tests.kept load FILE` makes of an empty database what that version had.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# Made by the migrations themselves, or of a moment.
_NOT_KEPT = ("django_migrations", "django_content_type", "auth_permission", "django_session", "usersessions_usersession", "sqlite_sequence")


# Opens the secrets in what is kept, and nothing else.
KEY = base64.urlsafe_b64encode(b"of kept databases, in tests only").decode()


def make(target: Path) -> int:
    """Furnish a studio in a folder that goes again, and write what is in it."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "MOORING_DATA": folder, "MOORING_ENCRYPTION_KEYS": KEY, "REDIS_URL": "unix:///nowhere", "DATABASE_URL": ""}
        for words in (["tests.furnish", "--migrate"], ["tests.kept", "write", str(target.absolute())]):
            subprocess.run([sys.executable, "-m", *words], env=environment, stdout=subprocess.DEVNULL, check=True)
    return target.stat().st_size


def write(target: Path) -> int:
    """Write all rows of the database with the migrations that it has had; return how many."""
    from django.apps import apps
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    tables: dict[str, list[list[Any]]] = {}
    columns: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        for table in sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True)} - set(_NOT_KEPT)):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)} ORDER BY 1")
            rows = [list(row) for row in cursor.fetchall()]
            if rows:
                columns[table] = [column[0] for column in cursor.description]
                tables[table] = rows
    applied = sorted([app, name] for app, name in MigrationRecorder(connection).applied_migrations())
    lines = ["{", f'"migrations": {json.dumps(applied)},', '"tables": {']
    for number, (table, rows) in enumerate(tables.items()):
        text = ",\n".join(json.dumps(row, default=str) for row in rows)
        lines += [f'"{table}": {{"columns": {json.dumps(columns[table])}, "rows": [', text, "]}" + ("," if number < len(tables) - 1 else "")]
    target.write_text("\n".join([*lines, "}", "}", ""]), encoding="utf-8")
    return sum(map(len, tables.values()))


def load(source: Path) -> int:
    """Make an empty database what `write` saw; return how many rows it has then."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    kept = json.loads(source.read_text(encoding="utf-8"))
    last = dict(sorted(kept["migrations"]))
    MigrationExecutor(connection).migrate(list(last.items()))
    quote = connection.ops.quote_name
    # Rows come in the order of their tables' names: whom they point at may come later. None of what migrations make is doubled.
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = replica")
        for table, found in kept["tables"].items():
            cursor.execute(f"DELETE FROM {quote(table)}")
            names = ", ".join(map(quote, found["columns"]))
            marks = ", ".join(["%s"] * len(found["columns"]))
            cursor.executemany(f"INSERT INTO {quote(table)} ({names}) VALUES ({marks})", found["rows"])
    return sum(len(found["rows"]) for found in kept["tables"].values())


if __name__ == "__main__":
    if sys.argv[1] != "make":
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
        import django

        django.setup()
    print({"make": make, "write": write, "load": load}[sys.argv[1]](Path(sys.argv[2])))
