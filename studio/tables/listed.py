"""Lists whose rows are in memory, since they are few or worked out: the same search, filters, sorts and pages."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studio.core.errors import ProblemError
from studio.tables.asked import Asked
from studio.tables.declared import Choice, Line, Table


@dataclass(frozen=True)
class Part:
    """One page of lines: how many pass in all, and the keys with which the pages before and after it begin."""

    lines: list[Line]
    count: int
    next: str | None
    previous: str | None


def narrowed(table: Table, lines: Sequence[Line], asked: Asked) -> list[Line]:
    """Return the lines that pass, in the order asked for."""
    show = next((one for one in table.shows if one.key == asked.show), None)
    found = [line for line in lines if show is None or show.keeps is None or show.keeps(line)]
    for key, values in asked.filters.items():
        one = table.filter(key)
        if isinstance(one, Choice):
            found = [line for line in found if one.keeps(line, values)]
    words = asked.text.casefold().split()
    if words:
        texts = [(line, _text(table, line)) for line in found]
        found = [line for line, text in texts if all(word in text for word in words)]
    sort = asked.sort or table.sort
    column = table.column(sort.removeprefix("-")) if sort else None
    if column is not None:
        # Twice, since missing values come first whatever the others are.
        found.sort(key=lambda line: _comparable(column.of(line)), reverse=sort.startswith("-"))
        found.sort(key=lambda line: column.of(line) is not None, reverse=sort.startswith("-"))
    return found


def part_of(lines: list[Line], *, after: str = "", before: str = "", size: int) -> Part:
    """Return one page; a key is the id of a line and its place, so that the next page begins right when lines went."""
    start = 0
    if after:
        start = _place(lines, after) + 1
    elif before:
        start = max(_place(lines, before, gone=0) - size, 0)
    shown = lines[start : start + size]
    more = start + size < len(lines)
    return Part(
        shown,
        len(lines),
        _key(shown[-1], start + len(shown) - 1) if shown and more else None,
        _key(shown[0], start) if shown and start else None,
    )


def _place(lines: list[Line], key: str, gone: int = -1) -> int:
    try:
        name, place = json.loads(base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)))
        if not isinstance(name, str) or type(place) is not int:
            raise ValueError(key)
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise ProblemError("request-invalid", field="after", text="`after` or `before` is not the key of a page of this list.") from error
    found = next((at for at, line in enumerate(lines) if line.id == name), None)
    return found if found is not None else max(min(place, len(lines)) + gone, -1)


def _key(line: Line, place: int) -> str:
    text = json.dumps([line.id, place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _text(table: Table, line: Line) -> str:
    values = [line.title, *(column.of(line) for column in table.columns)]
    return " ".join(_said(value) for value in values if value is not None).casefold()


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, list | tuple | set):
        return " ".join(map(_said, value))
    return str(value)


def _comparable(value: Any) -> tuple[int, Any]:
    """Return something that any two values can be compared by: numbers before times before texts."""
    if value is None:
        return (0, 0)
    if isinstance(value, bool | int | float):
        return (0, value)
    if hasattr(value, "timestamp"):
        return (1, value.timestamp())
    return (2, _said(value).casefold())
