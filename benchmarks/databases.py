"""Which database a studio of the tests or of a benchmark has: SQLite in its data folder, or one of its own on a given PostgreSQL."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import urlsplit

# The address of a PostgreSQL whose user may make databases; `python -m tests.postgresql` sets it.
SERVER = "MOORING_TEST_POSTGRES"


def database_of(data: Path) -> dict[str, str]:
    """Return the setting of a data folder's database, made where it is missing; empty for SQLite."""
    server = os.environ.get(SERVER)
    if not server:
        return {}
    import psycopg

    name = f"mooring_{hashlib.sha256(os.fsencode(data.absolute())).hexdigest()[:16]}"
    with psycopg.connect(server, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(f"CREATE DATABASE {name}")
    return {"DATABASE_URL": urlsplit(server)._replace(path=f"/{name}").geturl()}
