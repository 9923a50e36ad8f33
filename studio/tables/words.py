"""Search within words over very many rows: by the database's own index of trigrams.

A model keeps what can be searched for in one text column, in lower case. SQLite gets an FTS5 table beside it, kept in step by
triggers; PostgreSQL an index of pg_trgm. Both are made after each migration, since a table that SQLite makes anew loses its
triggers. Without them (an extension that the database's owner does not allow) the same rows are found, slower.
"""

from dataclasses import dataclass
from typing import Any

import structlog
from django.db import DatabaseError, connections, transaction
from django.db.models import QuerySet

MOST_WORDS = 8
# Below three signs there is no trigram.
SHORTEST = 3
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class WordIndex:
    """The index of a model's text column."""

    table: str
    column: str = "words"

    @property
    def name(self) -> str:
        return f"{self.table}_{self.column}_index"

    @property
    def ids(self) -> str:
        """The id as the index has it: ordered by it, rows come without being sorted."""
        return f'"{self.name}"."rowid"'

    def joins(self, text: str, using: str = "default") -> bool:
        """Tell whether a search for `text` is answered by joining the FTS5 table."""
        return connections[using].vendor == "sqlite" and any(len(word) >= SHORTEST for word in _split(text))

    def narrow(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Return the rows that hold every word of a text, in any place of a word."""
        words = _split(text)
        if self.joins(text, rows.db):
            long = [word for word in words if len(word) >= SHORTEST]
            quoted = " ".join('"{}"'.format(word.replace('"', '""')) for word in long)
            rows = rows.extra(
                tables=[self.name],
                where=[f'{self.ids} = "{self.table}"."id"', f'"{self.name}" MATCH %s'],
                params=[quoted],
            )
            words = [word for word in words if len(word) < SHORTEST]
        for word in words:
            rows = rows.filter(**{f"{self.column}__contains": word})
        return rows

    def make(self, using: str = "default") -> None:
        """Make the index where it is missing, filled with the rows that are there."""
        connection = connections[using]
        if self.table not in connection.introspection.table_names():
            return
        if connection.vendor == "sqlite":
            self._make_fts(connection)
        elif connection.vendor == "postgresql":
            self._make_trigrams(connection)

    def _make_fts(self, connection: Any) -> None:
        index, table, column = self.name, self.table, self.column
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("SELECT name FROM sqlite_master WHERE name = %s", [index])
            if cursor.fetchone() is None:
                cursor.execute(
                    f'CREATE VIRTUAL TABLE "{index}" USING fts5("{column}", content="{table}", content_rowid="id", tokenize="trigram")'
                )
                cursor.execute(f'INSERT INTO "{index}"("{index}") VALUES (\'rebuild\')')
            gone = f'INSERT INTO "{index}"("{index}", rowid, "{column}") VALUES (\'delete\', old."id", old."{column}");'
            come = f'INSERT INTO "{index}"(rowid, "{column}") VALUES (new."id", new."{column}");'
            changed = f'AFTER UPDATE OF "{column}" ON "{table}" WHEN old."{column}" IS NOT new."{column}"'
            for name, when, body in (
                ("added", f'AFTER INSERT ON "{table}"', come),
                ("removed", f'AFTER DELETE ON "{table}"', gone),
                ("changed", changed, gone + come),
            ):
                cursor.execute(f'CREATE TRIGGER IF NOT EXISTS "{index}_{name}" {when} BEGIN {body} END')

    def _make_trigrams(self, connection: Any) -> None:
        try:
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
                cursor.execute(
                    f'CREATE INDEX IF NOT EXISTS "{self.name}" ON "{self.table}" USING gin ("{self.column}" gin_trgm_ops)'
                )
        except DatabaseError as error:
            log.warning("searching is slow without pg_trgm, which an administrator of the database can allow", why=str(error))


def folded(*parts: str) -> str:
    """Return texts as the column keeps them: one text, case gone."""
    return " ".join(" ".join(part.split()) for part in parts if part).casefold()


def _split(text: str) -> list[str]:
    return text.casefold().split()[:MOST_WORDS]
