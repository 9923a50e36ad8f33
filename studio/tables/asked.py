"""What an address asks of a list, and the addresses that ask for a little more or less. Free of Django."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from studio.tables.declared import Since, Table

Pairs = Sequence[tuple[str, str]]
# What is about the place in the list, not about the list.
PLACE = ("after", "before", "format", "limit")
LONGEST_TEXT = 200
MOST_VALUES = 20
LONGEST_KEY = 2000
# How long ago, as `24h` or `7d`.
SPAN = re.compile(r"(\d{1,4})([hd])")


@dataclass(frozen=True)
class Asked:
    """What is asked: search, chip, filters, sort, columns, density, view, and the key before or after which to begin."""

    text: str = ""
    show: str = ""
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sort: str = ""
    columns: tuple[str, ...] = ()
    dense: bool | None = None
    view: str | None = None
    after: str = ""
    before: str = ""
    format: str = ""
    # Whether the address says anything beside a view's name.
    plain: bool = True

    @property
    def narrows(self) -> bool:
        """Tell whether anything is left out of the list."""
        return bool(self.text or self.show or any(self.filters.values()))


class NotUnderstoodError(ValueError):
    """A name or a value that a list does not know; raised only where `strict` was asked for."""


def read(table: Table, pairs: Pairs, *, strict: bool = False) -> Asked:
    """Return what query pairs ask of a table; what it does not know is left out, or raised when `strict`."""
    filters: dict[str, tuple[str, ...]] = {}
    asked = Asked()
    plain = True
    for name, value in pairs:
        plain = plain and name == "view"
        found = table.filter(name)
        if found is not None:
            known = {key for key, _ in found.options} if not callable(found.options) else None
            if not value or (known is not None and not found.free and value not in known):
                if strict and value:
                    raise NotUnderstoodError(f"`{name}` is one of {', '.join(sorted(known or ()))}.")
                continue
            if isinstance(found, Since) and not SPAN.fullmatch(value) and day_of(value) is None:
                if strict:
                    raise NotUnderstoodError(f"`{name}` is a day (2026-11-25), or how long ago (24h, 7d).")
                continue
            held = filters.get(found.key, ())
            if value not in held and len(held) < MOST_VALUES:
                filters[found.key] = (*held, value)
        else:
            asked = _one(table, asked, name, value, strict)
    return replace(asked, filters=filters, plain=plain)


def _one(table: Table, asked: Asked, name: str, value: str, strict: bool) -> Asked:
    if name in ("sort", "show"):
        return _one_of_few(table, asked, name, value, strict)
    if name == "q":
        return replace(asked, text=" ".join(value.replace("\0", " ").split())[:LONGEST_TEXT])
    if name == "cols":
        return replace(asked, columns=tuple(dict.fromkeys(key for key in value.split(",") if table.column(key))))
    if name == "density" and value in ("dense", "roomy"):
        return replace(asked, dense=value == "dense")
    plain = {"after": LONGEST_KEY, "before": LONGEST_KEY, "format": 10, "view": 100}
    changed: dict[str, Any] = {name: value[: plain[name]]} if name in plain else {}
    return replace(asked, **changed)


def _one_of_few(table: Table, asked: Asked, name: str, value: str, strict: bool) -> Asked:
    known = table.sorts if name == "sort" else tuple(show.key for show in table.shows)
    if value and value.removeprefix("-" if name == "sort" else "") in known:
        usual = table.sort if name == "sort" else known[0]
        changed: dict[str, Any] = {name: "" if value == usual else value}
        return replace(asked, **changed)
    if value and strict:
        more = ", with `-` before it for the other way round" if name == "sort" else ""
        raise NotUnderstoodError(f"`{name}` is one of {', '.join(known)}{more}.")
    return asked


def day_of(value: str) -> datetime | None:
    """Return the beginning of a day (2026-11-25), in no time zone; None for anything else."""
    try:
        day = datetime.strptime(value, "%Y-%m-%d")
    except ValueError:
        return None
    # The very first and the very last day are none in every zone.
    return day if 1 < day.year < 9999 else None


def pairs_of(query: str) -> list[tuple[str, str]]:
    """Return the pairs of a query string."""
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return []


def kept(table: Table, pairs: Pairs) -> list[tuple[str, str]]:
    """Return the pairs that a saved view keeps: what the list knows, without the place in it."""
    asked = read(table, pairs)
    found = [("show", asked.show), ("q", asked.text)]
    found += [(key, value) for key, values in asked.filters.items() for value in values]
    found += [("sort", asked.sort), ("cols", ",".join(asked.columns))]
    found.append(("density", "" if asked.dense is None else "dense" if asked.dense else "roomy"))
    return [(name, value) for name, value in found if value]


def address(pairs: Pairs, *, without: Iterable[str] = (), **changes: str | None) -> str:
    """Return the query string with some parameters changed (None: left out) and the place in the list given up."""
    gone = {*PLACE, *without, *changes}
    left = [(name, value) for name, value in pairs if name not in gone]
    left += [(name, value) for name, value in changes.items() if value]
    # An empty query would bring the person's default view back.
    return f"?{urlencode(left)}" if left else "?view="


def address_without(pairs: Pairs, names: Iterable[str], value: str) -> str:
    """Return the query string without one value of a parameter, under whichever of its names."""
    named = set(names)
    return address([(name, one) for name, one in pairs if not (name in named and one == value)])


def overlay(below: Pairs, above: Pairs) -> list[tuple[str, str]]:
    """Return the pairs of a view with those that were given beside its name in their stead."""
    given = {name for name, _ in above}
    return [*((name, value) for name, value in below if name not in given), *above]
