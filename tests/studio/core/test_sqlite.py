"""Threads that write to SQLite wait for each other in a queue; a connection that is kept is opened anew when it must be."""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.db.utils import ConnectionHandler

from studio.core.sqlite import base
from studio.environment import database

Connect = Callable[[], Any]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "studio.sqlite3"


@pytest.fixture
def connect(file: Path, django_db_blocker: Any) -> Iterator[Connect]:
    """Return what gives the connection of the thread that asks, to a file with a table."""
    # Not the tests' own database: it would hold the turn for as long as the test lasts.
    settings = database("", file.parent)
    settings |= {"NAME": str(file), "OPTIONS": settings["OPTIONS"] | {"timeout": 0.3}, "CONN_MAX_AGE": 60}  # type: ignore[operator]
    handler = ConnectionHandler({"default": settings})
    with django_db_blocker.unblock():
        with handler["default"].cursor() as cursor:
            cursor.execute("CREATE TABLE note (text TEXT)")
        yield lambda: handler["default"]
        handler["default"].close()


@pytest.fixture
def elsewhere(file: Path, connect: Connect) -> Iterator[sqlite3.Connection]:
    """Return a connection as another process has one."""
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    yield other
    other.close()


def written(connection: Any, text: str = "x") -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO note (text) VALUES (%s)", [text])


def notes(connection: Any) -> list[str]:
    with connection.cursor() as cursor:
        return [text for (text,) in cursor.execute("SELECT text FROM note ORDER BY text")]


def test_the_threads_of_a_process_write_in_turn(connect: Connect) -> None:
    def write(number: int) -> None:
        connection = connect()
        connection.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
        written(connection, f"{number:02}")
        connection.commit()
        connection.set_autocommit(True)
        written(connection, f"{number:02} alone")
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))

    assert notes(connect()) == sorted([f"{n:02}" for n in range(40)] + [f"{n:02} alone" for n in range(40)])
    assert not base._turn.locked()


def test_a_write_comes_when_the_transaction_of_another_thread_is_over(connect: Connect) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        connection = connect()
        connection.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
        written(connection, "first")
        begun.set()
        may_end.wait(10)
        connection.rollback()
        connection.set_autocommit(True)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        begun.wait(10)
        assert base._turn.locked()
        may_end.set()
        written(connect(), "second")
        held.result(10)

    assert notes(connect()) == ["second"]
    assert not base._turn.locked()


def test_a_write_waits_for_another_process(connect: Connect, elsewhere: sqlite3.Connection) -> None:
    elsewhere.execute("BEGIN IMMEDIATE")
    free = threading.Timer(0.05, elsewhere.execute, ["COMMIT"])
    free.start()

    written(connect())

    free.join()
    assert notes(connect()) == ["x"]


def test_who_waits_for_too_long_is_told_and_gives_the_turn_back(connect: Connect, elsewhere: sqlite3.Connection) -> None:
    elsewhere.execute("BEGIN IMMEDIATE")

    with pytest.raises(OperationalError, match="locked"):
        written(connect())

    assert not base._turn.locked()
    elsewhere.execute("COMMIT")
    written(connect())
    assert notes(connect()) == ["x"]


def test_a_turn_that_is_never_given_back_costs_the_wait_and_nothing_else(connect: Connect) -> None:
    with base._turn:
        written(connect())

    assert notes(connect()) == ["x"]


def test_a_connection_that_is_closed_in_a_transaction_gives_its_turn_back(connect: Connect) -> None:
    connection = connect()
    connection.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    connection.close()

    assert not base._turn.locked()


def test_a_kept_connection_is_opened_anew_when_its_file_is_another_one(connect: Connect, file: Path) -> None:
    written(connect(), "kept")
    connect().close()
    shutil.copy(file, file.with_suffix(".copy"))
    written(connect(), "lost")
    before = connect().connection

    connect().close_if_unusable_or_obsolete()
    assert connect().connection is before
    file.with_suffix(".copy").replace(file)
    for each in ("-wal", "-shm"):
        Path(f"{file}{each}").unlink(missing_ok=True)
    connect().close_if_unusable_or_obsolete()

    assert notes(connect()) == ["kept"]


def test_a_kept_connection_is_opened_anew_after_an_error(connect: Connect) -> None:
    with pytest.raises(OperationalError):
        connect().cursor().execute("SELECT * FROM nothing")

    connect().close_if_unusable_or_obsolete()

    assert connect().connection is None
