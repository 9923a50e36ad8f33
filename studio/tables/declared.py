"""What a list is: its columns, filters, search and actions, as values. Free of Django.

A field is the name of a column of the database (with `__` for what it points to). Lists whose rows are in memory leave
fields out and compare what their columns say.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

Option = tuple[str, str]


@dataclass
class Line:
    """One row as the page draws it.

    `id` is its id in the page, `href` what opens it, `choose` the value of its checkbox, `links` its menu, `extra` what
    its cells need beside the row.
    """

    row: Any
    id: str
    title: str
    href: str = ""
    choose: str = ""
    links: Sequence[Mapping[str, Any]] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """One column.

    `value` gives what the CSV says (default: the row's attribute `key`), and the cell, too, unless `cell` names a part of
    the table's `cells` template. `sort` is the field it sorts by (True for rows in memory).
    """

    key: str
    title: str
    value: Callable[[Line], Any] | None = None
    cell: str = ""
    sort: str | bool = ""
    number: bool = False
    css: str = ""
    # Shown unless a person chose otherwise; the first column is always shown.
    shown: bool = True
    # What the head says where that differs from what the columns' menu says.
    head: str | None = None

    @property
    def heading(self) -> str:
        return self.title if self.head is None else self.head

    def of(self, line: Line) -> Any:
        """Return the column's plain value in a line."""
        return self.value(line) if self.value else attribute(line.row, self.key)


@dataclass(frozen=True)
class Choice:
    """A filter with values to choose from, several at once.

    `options` are (value, title) pairs, or a function of all rows of the list that gives them; `free` takes values that are
    not among them. `also` are other names under which the address may give it. `counted` shows how many rows each has.
    """

    key: str
    title: str
    options: Sequence[Option] | Callable[[Any], Sequence[Option]] = ()
    field: str = ""
    of: Callable[[Line], Any] | None = None
    free: bool = False
    counted: bool = False
    also: tuple[str, ...] = ()
    # Overrides how the values narrow rows of the database: a function of rows and values that gives rows.
    narrow: Callable[[Any, Sequence[str]], Any] | None = None
    # How a value reads on its chip, where it is no option.
    word: Callable[[str], str] | None = None
    # Without a menu of its own: chosen from a row, or by the address.
    hidden: bool = False

    def keeps(self, line: Line, values: Sequence[str]) -> bool:
        """Tell whether a line in memory passes."""
        return str(self.of(line) if self.of else attribute(line.row, self.key)) in values


@dataclass(frozen=True)
class Since:
    """A filter by time: the last hour, day, week, month, or from a day on (2026-11-25)."""

    key: str
    title: str
    field: str
    options: Sequence[Option] = (("1h", "Last hour"), ("24h", "Last 24 hours"), ("7d", "Last 7 days"), ("30d", "Last 30 days"))
    also: tuple[str, ...] = ()
    free: bool = True
    counted: bool = False
    hidden: bool = False


Filter = Choice | Since


@dataclass(frozen=True)
class Show:
    """One of the chips above a list; exactly one is on. `where` gives a Q for the person who looks, None for all rows."""

    key: str
    title: str
    where: Callable[[Any], Any] | None = None
    keeps: Callable[[Line], bool] | None = None


@dataclass(frozen=True)
class Bulk:
    """Something to do to the chosen rows; `confirm` are the attributes that make it ask first."""

    value: str
    title: str
    danger: bool = False
    confirm: str = ""


@dataclass(frozen=True)
class Table:
    """One list of the studio. Its `key` is in addresses and in what people keep, and never changes."""

    key: str
    noun: str
    columns: tuple[Column, ...]
    nouns: str = ""
    cells: str = ""
    filters: tuple[Filter, ...] = ()
    shows: tuple[Show, ...] = ()
    # Fields that each word of a search is looked for in, a studio.tables.words.WordIndex, or a function of rows and text;
    # True for rows in memory.
    search: Any = ()
    placeholder: str = "Search"
    sort: str = ""
    actions: tuple[Bulk, ...] = ()
    size: int = 50
    css: str = ""
    # Who has it: a workspace's members or its `owner`, or, outside workspaces, `operator`, `admin` or `everyone`.
    whose: str = "workspace"
    # Files that its page sends by itself under `format`, as (format, title); without: CSV of the columns in sight.
    files: tuple[Option, ...] = ()
    # What it says while there is nothing in it, and the icon beside it.
    icon: str = "list"
    empty: str = ""

    @property
    def plural(self) -> str:
        return self.nouns or f"{self.noun}s"

    def column(self, key: str) -> Column | None:
        """Return the column of a key."""
        return next((one for one in self.columns if one.key == key), None)

    def filter(self, key: str) -> Filter | None:
        """Return the filter of a key, or of one of its other names."""
        return next((one for one in self.filters if key == one.key or key in one.also), None)

    @property
    def searches(self) -> bool:
        """Tell whether it can be searched: templates would call a search that is a function."""
        return bool(self.search)

    @property
    def in_workspace(self) -> bool:
        """Tell whether there is one in each workspace."""
        return self.whose in ("workspace", "owner")

    @property
    def sorts(self) -> tuple[str, ...]:
        return tuple(one.key for one in self.columns if one.sort)


def attribute(row: Any, path: str) -> Any:
    """Return an attribute, of what it points to where the path has dots; None when something on the way is None."""
    return reduce(lambda found, name: None if found is None else getattr(found, name, None), path.split("."), row)


def titled(values: Iterable[Any]) -> list[Option]:
    """Return values as options that read as they are."""
    return [(str(value), str(value)) for value in values if value not in ("", None)]


# Each app adds its lists, so that views of them can be kept: studio.tables.services looks them up by key.
TABLES: dict[str, Table] = {}


def register_table(table: Table) -> Table:
    """Make a list known by its key, and return it."""
    TABLES[table.key] = table
    return table
