"""The rows of the database that pass what is asked, and how many there are: counted to 1,000 and no further."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connections
from django.db.models import Q, QuerySet
from django.utils import timezone

from studio.core.pages import COUNTED_TO
from studio.tables.asked import SPAN, Asked, day_of
from studio.tables.declared import Choice, Filter, Option, Since, Table
from studio.tables.keyset import Order
from studio.tables.words import WordIndex

MOST_WORDS = 8


def narrowed(table: Table, rows: QuerySet[Any], asked: Asked, person: Any) -> QuerySet[Any]:
    """Return the rows that pass chip, filters and search."""
    show = next((one for one in table.shows if one.key == (asked.show or table.shows[0].key)), None)
    if show is not None and show.where is not None:
        rows = rows.filter(show.where(person))
    for key, values in asked.filters.items():
        one = table.filter(key)
        if one is not None and values:
            rows = passing(one, rows, values)
    return _searched(table, rows, asked.text) if asked.text else rows


def passing(one: Filter, rows: QuerySet[Any], values: Sequence[str]) -> QuerySet[Any]:
    """Return the rows that pass a filter by one of some values."""
    own = one.narrow if isinstance(one, Choice) else None
    found: QuerySet[Any] = own(rows, values) if own else rows.filter(condition(one, values))
    return found


def condition(one: Filter, values: Sequence[str]) -> Q:
    """Return what a row of the database passes a filter by."""
    if isinstance(one, Since):
        starts = [at for at in map(start_of, values) if at is not None]
        return Q(**{f"{one.field}__gte": min(starts)}) if starts else Q()
    if len(values) == 1:
        return Q(**{one.field or one.key: values[0]})
    return Q(**{f"{one.field or one.key}__in": values})


def start_of(value: str) -> datetime | None:
    """Return when `24h`, `7d` or a day (2026-11-25) began; None for anything else."""
    if match := SPAN.fullmatch(value):
        hours = int(match[1]) * (24 if match[2] == "d" else 1)
        return timezone.now() - timedelta(hours=hours)
    day = day_of(value)
    return timezone.make_aware(day) if day else None


def order_of(table: Table, asked: Asked) -> Order:
    """Return the order that is asked for, else the table's own, else the newest first."""
    sort = asked.sort or table.sort
    column = table.column(sort.removeprefix("-")) if sort else None
    ids = table.search.ids if isinstance(table.search, WordIndex) and table.search.joins(asked.text) else ""
    if column is None or not isinstance(column.sort, str):
        return Order(ids=ids)
    # A column that sorts by `id` is one that is in the order in which the rows came.
    down = sort.startswith("-")
    return Order(ids=ids, down=down) if column.sort in ("id", "pk") else Order(column.sort, down=down)


def mentions(text: str, fields: Sequence[str]) -> Q:
    """Return that each word of a text is in one of the fields."""
    found = Q()
    for word in text.split()[:MOST_WORDS]:
        # SQLite keeps JSON as ASCII: signs beyond it are searched for in their escaped spelling, too.
        spellings = {word, json.dumps(word)[1:-1]}
        found &= Q(*((f"{field}__icontains", one) for field in fields for one in spellings), _connector=Q.OR)
    return found


def _searched(table: Table, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    if isinstance(table.search, WordIndex):
        return table.search.narrow(rows, text)
    if callable(table.search):
        return table.search(rows, text)  # type: ignore[no-any-return]
    if isinstance(table.search, tuple) and table.search:
        return rows.filter(mentions(text, table.search))
    return rows


def counts(parts: Mapping[Any, QuerySet[Any]]) -> dict[Any, int]:
    """Return how many rows each query has, counted to 1,001, all in one statement."""
    if not parts:
        return {}
    queries = list(parts.values())
    connection = connections[queries[0].db]
    texts, values = [], []
    for rows in queries:
        limited = rows.order_by().values("pk")[: COUNTED_TO + 1]
        if limited.query.is_empty():
            texts.append("SELECT 0")
            continue
        text, params = limited.query.get_compiler(connection=connection).as_sql()
        texts.append(f"SELECT COUNT(*) FROM ({text}) AS counted")
        values += params
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"({text})" for text in texts), values)
        found = cursor.fetchone()
    return dict(zip(parts, found, strict=True))


def count_text(count: int) -> str:
    """Return a count as it is written: exact to 1,000, then `1,000+`."""
    return f"{COUNTED_TO:,}+" if count > COUNTED_TO else f"{count:,}"


def chip_parts(
    table: Table, rows: QuerySet[Any], person: Any, options: Mapping[str, Sequence[Option]]
) -> dict[tuple[str, str], QuerySet[Any]]:
    """Return the query behind each count that the page shows: one a chip, one an option of the filters that are counted.

    They are about the whole list, whatever is searched for: an index answers them, however long it is.
    """
    parts = {("show", one.key): rows.filter(one.where(person)) if one.where else rows for one in table.shows}
    for one in table.filters:
        if isinstance(one, Choice) and one.counted:
            parts |= {(one.key, value): passing(one, rows, [value]) for value, _ in options.get(one.key, ())}
    return parts
