"""Which database a studio of the tests or of a benchmark has: SQLite in its data folder, or one of its own on a given PostgreSQL."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# The address of a PostgreSQL whose user may make databases; `python -m tests.postgresql` sets it.
SERVER = "MOORING_TEST_POSTGRES"
SQLITE, POSTGRESQL = "sqlite", "postgresql"
# What is measured on both.
ON_BOTH = ("job_list", "pages", "submit", "recover")


def named() -> str:
    """Return which database studios have that are started now."""
    return POSTGRESQL if os.environ.get(SERVER) else SQLITE


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


@contextlib.contextmanager
def chosen(database: str) -> Iterator[None]:
    """Have studios that are started in the block use a database of this kind; PostgreSQL runs as long as the block lasts.

    It waits for the disk as an operator's does, which that of the tests does not.
    """
    before = os.environ.pop(SERVER, None)
    try:
        if database == SQLITE:
            yield
            return
        from benchmarks.process import NotThereError
        from tests.postgresql import server

        with contextlib.ExitStack() as stack:
            try:
                os.environ[SERVER] = stack.enter_context(server(durable=True))
            except (FileNotFoundError, RuntimeError) as error:
                raise NotThereError(f"PostgreSQL: {error}") from error
            yield
    finally:
        os.environ.pop(SERVER, None)
        if before is not None:
            os.environ[SERVER] = before


def rows(data: Path, sql: str) -> list[tuple[Any, ...]]:
    """Read the database of a studio past it."""
    if not os.environ.get(SERVER):
        with contextlib.closing(sqlite3.connect(f"file:{data}/mooring.sqlite3?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(sql).fetchall()
    import psycopg

    with psycopg.connect(database_of(data)["DATABASE_URL"]) as other:
        return other.execute(sql).fetchall()  # type: ignore[call-overload, no-any-return, unused-ignore]


def change(data: Path, sql: str, *values: Any) -> None:
    """Change the database of a studio past it; values stand for `?`."""
    if not os.environ.get(SERVER):
        with contextlib.closing(sqlite3.connect(data / "mooring.sqlite3", timeout=30)) as connection, connection:
            connection.execute(sql, values)
        return
    import psycopg

    with psycopg.connect(database_of(data)["DATABASE_URL"]) as other:
        other.execute(sql.replace("?", "%s"), values)  # type: ignore[call-overload, unused-ignore]
