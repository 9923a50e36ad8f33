"""Django's SQLite backend, with a queue before the one lock that SQLite has for writing.

SQLite lets whoever finds the lock taken sleep, up to a tenth of a second at a time and in no order: of many threads that
write a little each, most sleep while nobody writes (https://www.sqlite.org/c3ref/busy_timeout.html). Here the threads of a
process wait for each other first, and are woken as soon as it may be their turn; only one of them at a time asks SQLite,
every millisecond, as other processes may have the lock. The queue saves waiting and guarantees nothing: who has waited in
it for as long as the setting `timeout` says goes on to SQLite, which gives the lock or says "database is locked".

A connection is also opened anew when an error was seen on it, or when its file is another one by now (restored, moved
away), so that a process may keep it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base

# What holds the lock in another process mostly takes a few milliseconds.
PAUSE_S = 0.001
WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "REPLACE")

_turn = threading.Lock()


def _anew() -> None:
    global _turn
    _turn = threading.Lock()


# In the child of a fork there is no thread left that would give the turn back.
os.register_at_fork(after_in_child=_anew)


class Connection(sqlite3.Connection):
    """A connection to SQLite that takes its turn before it writes, and keeps it until its transaction ends."""

    patience_s = 0.0
    _mine: threading.Lock | None = None

    def in_turn(self, does: Callable[[], Any]) -> Any:
        """Run what writes or begins to write, when it is this connection's turn."""
        if self.in_transaction or not self.patience_s:
            return does()
        until = time.monotonic() + self.patience_s
        turn = _turn
        if turn.acquire(timeout=self.patience_s):
            self._mine = turn
        try:
            return self._asked(does, until)
        finally:
            self.settled()

    def settled(self) -> None:
        """Give the turn back, unless a transaction is under way."""
        turn = self._mine
        if turn is not None and not self.in_transaction:
            self._mine = None
            turn.release()

    def commit(self) -> None:
        try:
            super().commit()
        finally:
            self.settled()

    def rollback(self) -> None:
        try:
            super().rollback()
        finally:
            self.settled()

    def close(self) -> None:
        turn, self._mine = self._mine, None
        try:
            super().close()
        finally:
            if turn is not None:
                turn.release()

    def _asked(self, does: Callable[[], Any], until: float) -> Any:
        """Ask SQLite until it has the lock for us, or until the time is over."""
        self.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    return does()
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                        raise
                time.sleep(PAUSE_S)
        finally:
            self.execute(f"PRAGMA busy_timeout = {int(self.patience_s * 1000)}")


class Cursor(base.SQLiteCursorWrapper):
    """A cursor whose writes come in turn."""

    connection: Connection

    def execute(self, query: str, params: Any = None) -> Any:
        if not query.startswith(WRITES):
            return super().execute(query, params)
        return self.connection.in_turn(lambda: super(Cursor, self).execute(query, params))

    def executemany(self, query: str, param_list: Any) -> Any:
        rows = list(param_list)
        return self.connection.in_turn(lambda: super(Cursor, self).executemany(query, rows))


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, over such connections."""

    _file: tuple[int, int] | None = None

    def get_connection_params(self) -> dict[str, Any]:
        return {**super().get_connection_params(), "factory": Connection}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        # In memory there is no other process, and a table's lock is not one that is waited for.
        connection.patience_s = 0.0 if self.is_in_memory_db() else float(conn_params.get("timeout", 5))
        self._file = self._on_disk()
        return connection

    def create_cursor(self, name: str | None = None) -> Any:
        return self.connection.cursor(factory=Cursor)

    def is_usable(self) -> bool:
        """After an error it is opened anew: a file that could only be read when it was opened stays so for a connection."""
        return self.is_in_memory_db() or not self.errors_occurred

    def close_if_unusable_or_obsolete(self) -> None:
        if self.connection is not None and not self.in_atomic_block and self._file != self._on_disk():
            self.close()
        super().close_if_unusable_or_obsolete()

    def _on_disk(self) -> tuple[int, int] | None:
        if self.is_in_memory_db():
            return None
        with contextlib.suppress(OSError):
            found = Path(self.settings_dict["NAME"]).stat()
            return found.st_dev, found.st_ino
        return None
