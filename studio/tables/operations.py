"""The API's list operations: the same search, filters, sorts and views as the page, from the same declaration."""

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Schema
from pydantic import Field, create_model

from studio.core.errors import ProblemError
from studio.tables import listed, services
from studio.tables.asked import Asked, NotUnderstoodError, overlay, pairs_of, read
from studio.tables.declared import Choice, Line, Table
from studio.tables.keyset import slice_of
from studio.tables.narrowing import narrowed, order_of

MOST = 200


def list_query(table: Table) -> type[Schema]:
    """Return the query parameters of a list's API operation, as its declaration says."""
    fields: dict[str, Any] = {
        "sort": (str, Field("", description=f"One of {', '.join(table.sorts) or 'none'}; with `-` before it the other way round.")),
        "limit": (int, Field(50, description=f"How many rows, {MOST} at most.")),
        "after": (str, Field("", description="The `next` of the page before.")),
        "before": (str, Field("", description="The `previous` of the page after.")),
    }
    return create_model(f"{_name(table)}Query", __base__=filter_query(table), **fields)


def filter_query(table: Table) -> type[Schema]:
    """Return the query parameters of an operation that takes all that passes, whatever the order."""
    fields: dict[str, Any] = {
        "q": (str, Field("", description=f"Words that are looked for: {table.placeholder[:1].lower()}{table.placeholder[1:]}.")),
        "view": (str, Field("", description="The name of a saved view; what is given beside it stands in the view's stead.")),
    }
    if table.shows:
        fields["show"] = (str, Field("", description=f"One of {', '.join(show.key for show in table.shows)}."))
    for one in table.filters:
        known = "" if callable(one.options) or one.free else f": {', '.join(key for key, _ in one.options)}"
        for name in (one.key, *one.also):
            fields[name] = (list[str], Field([], description=f"{one.title}; may be given several times{known}."))
    return create_model(f"{_name(table)}Filters", __base__=Schema, **fields)


def listed_rows(
    request: HttpRequest, table: Table, rows: QuerySet[Any], given: Any, *, show: Callable[[Any], Any], workspace: Any = None
) -> dict[str, Any]:
    """Return {"items", "next", "previous"} of the rows of the database that pass."""
    asked, size = _asked(request, table, given, workspace)
    found = slice_of(
        narrowed(table, rows, asked, request.user), order_of(table, asked), after=asked.after, before=asked.before, size=size
    )
    return {"items": [show(row) for row in found.rows], "next": found.next, "previous": found.previous}


def listed_lines(
    request: HttpRequest, table: Table, lines: Sequence[Line], given: Any, *, show: Callable[[Any], Any], workspace: Any = None
) -> dict[str, Any]:
    """Return {"items", "next", "previous"} of the lines in memory that pass."""
    asked, size = _asked(request, table, given, workspace)
    part = listed.part_of(listed.narrowed(table, lines, asked), after=asked.after, before=asked.before, size=size)
    return {"items": [show(line.row) for line in part.lines], "next": part.next, "previous": part.previous}


def narrowed_rows(request: HttpRequest, table: Table, rows: QuerySet[Any], given: Any, *, workspace: Any = None) -> QuerySet[Any]:
    """Return all rows of the database that pass, for what is sent as a file."""
    return narrowed(table, rows, _asked(request, table, given, workspace)[0], request.user)


def _name(table: Table) -> str:
    return "".join(part.capitalize() for part in table.key.split("-"))


def _asked(request: HttpRequest, table: Table, given: Any, workspace: Any) -> tuple[Asked, int]:
    said = given.dict()
    size = max(1, min(said.pop("limit", MOST), MOST))
    view = said.pop("view")
    pairs = [(name, one) for name, value in said.items() for one in (value if isinstance(value, list) else [value]) if one]
    try:
        if view:
            found = services.view_named(request.user, table, workspace, view)
            # What the view keeps was understood when it was saved; what is gone since is left out.
            read(table, pairs, strict=True)
            return read(table, overlay(pairs_of(found.query), _canonical(table, pairs))), size
        return read(table, pairs, strict=True), size
    except NotUnderstoodError as error:
        raise ProblemError("request-invalid", text=str(error)) from error


def _canonical(table: Table, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return pairs under the first name of each filter, so that they stand in for what the view says of it."""
    named = {name: one.key for one in table.filters if isinstance(one, Choice) for name in one.also}
    return [(named.get(name, name), value) for name, value in pairs]
