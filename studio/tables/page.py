"""A list as a page: the declaration, what the address asks, what the person keeps, and the rows, put into one template."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from studio.core.bytes import download
from studio.core.numbers import count
from studio.tables import listed, services, sheet
from studio.tables.asked import Asked, address, address_without, kept, pairs_of, read
from studio.tables.declared import Choice, Column, Filter, Line, Table
from studio.tables.keyset import slice_of
from studio.tables.models import SavedView, TableChoice
from studio.tables.narrowing import chip_parts, count_text, counts, narrowed, order_of

PIECE = 500
HITS = ("", "hits")


@dataclass(frozen=True)
class Head:
    """A column's head: where a click on it leads, and how it sorts now."""

    column: Column
    url: str = ""
    sorts: str = ""

    @property
    def arrow(self) -> str:
        return {"ascending": "arrow-up", "descending": "arrow-down"}.get(self.sorts, "selector")


@dataclass(frozen=True)
class Box:
    """A filter's menu: its options as (value, title, count, chosen)."""

    filter: Filter
    options: list[dict[str, Any]]

    @property
    def chosen(self) -> int:
        return sum(1 for option in self.options if option["on"])


@dataclass
class Listing:
    """One list as one person sees it now; the template `components/table/` draws it."""

    table: Table
    pairs: list[tuple[str, str]]
    asked: Asked
    choice: TableChoice
    views: list[SavedView]
    workspace: Any
    person: Any
    topics: str = ""
    triggers: str = "live:changed, live:resync"
    actions_url: str = ""
    lines: list[Line] = field(default_factory=list)
    count: int = 0
    next: str | None = None
    previous: str | None = None
    counts: Mapping[Any, int] = field(default_factory=dict)
    options: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    # Nothing is in the list, whatever is asked for.
    nothing: bool = False

    @property
    def columns(self) -> list[Column]:
        """Return the columns in sight: by the address, else as the person keeps them, else as declared; the first one always."""
        wanted = self.asked.columns or self.choice.columns or [column.key for column in self.table.columns if column.shown]
        first, *others = self.table.columns
        return [first, *(column for column in others if column.key in wanted)]

    @property
    def dense(self) -> bool:
        return self.choice.dense if self.asked.dense is None else self.asked.dense

    @property
    def count_text(self) -> str:
        return count_text(self.count)

    @property
    def noun(self) -> str:
        return self.table.noun if self.count == 1 else self.table.plural

    @property
    def has_menus(self) -> bool:
        return any(line.links for line in self.lines)

    @property
    def chooses(self) -> bool:
        return bool(self.table.actions and self.actions_url)

    @property
    def heads(self) -> list[Head]:
        return [self._head(column) for column in self.columns]

    @property
    def sort_heads(self) -> list[Head]:
        """Return what the list sorts by, in sight or not: a phone has no heads."""
        return [self._head(column) for column in self.table.columns if column.sort]

    @property
    def chips(self) -> list[dict[str, Any]]:
        """Return the chips above the list, each with its count."""
        found = []
        for place, show in enumerate(self.table.shows):
            active = self.asked.show == show.key or (not place and not self.asked.show)
            url = address(self.pairs, without=("view",), show=show.key if place else None)
            found.append({"title": show.title, "url": url, "active": active, "count": self._counted("show", show.key)})
        return found

    @property
    def boxes(self) -> list[Box]:
        """Return the menus of the filters, with what is chosen even where it is no option any more."""
        found = []
        for one in self.table.filters:
            if one.hidden:
                continue
            values = self.asked.filters.get(one.key, ())
            options = [*self.options.get(one.key, ())]
            options += [(value, value) for value in values if value not in dict(options)]
            shown = [
                {"value": value, "title": title, "count": self._counted(one.key, value), "on": value in values} for value, title in options
            ]
            if shown:
                found.append(Box(one, shown))
        return found

    @property
    def chosen(self) -> list[dict[str, str]]:
        """Return the filters that are on, each with the address without it."""
        found = []
        for one in self.table.filters:
            titles = dict(self.options.get(one.key, ()))
            word = getattr(one, "word", None)
            for value in self.asked.filters.get(one.key, ()):
                said = titles.get(value) or (word(value) if word else value)
                found.append({"name": one.title, "value": said, "url": address_without(self.pairs, (one.key, *one.also), value)})
        return found

    @property
    def clear_url(self) -> str:
        return address([], view="") if not self.asked.show else address([], show=self.asked.show)

    @property
    def first_url(self) -> str:
        return address(self.pairs)

    @property
    def next_url(self) -> str:
        return address(self.pairs, after=self.next)

    @property
    def previous_url(self) -> str:
        return address(self.pairs, before=self.previous)

    @property
    def files(self) -> list[dict[str, str]]:
        """Return what the list can be taken away as: all that passes."""
        if self.table.files:
            said = f"All {self.table.plural} that pass, as"
            return [{"url": address(self.pairs, format=key), "title": title, "said": f"{said} {title}"} for key, title in self.table.files]
        said = f"The rows that pass, as CSV, {count(int(settings.CSV_ROWS))} at most"
        return [{"url": address(self.pairs, format="csv"), "title": "CSV", "said": said}]

    @property
    def query(self) -> str:
        """Return what a saved view would keep of this address."""
        return urlencode(kept(self.table, self.pairs))

    @property
    def shared_address(self) -> str:
        """Return the address that shows others the same, columns and density included."""
        columns = ",".join(column.key for column in self.columns)
        return address(self.pairs, without=("view",), cols=columns, density="dense" if self.dense else "roomy")

    @property
    def hidden_pairs(self) -> list[tuple[str, str]]:
        """Return what the form above the list sends along without scripts: what it has no field for."""
        named = {"q", "after", "before", "format"} | {name for box in self.boxes for name in (box.filter.key, *box.filter.also)}
        return [(name, value) for name, value in self.pairs if name not in named]

    @property
    def view(self) -> SavedView | None:
        """Return the saved view that the address names."""
        found = [view for view in self.views if view.name == self.asked.view] if self.asked.view else []
        return sorted(found, key=lambda view: view.owner_id != self.person.pk)[0] if found else None

    @property
    def view_links(self) -> list[dict[str, Any]]:
        active = self.view
        return [
            {"view": view, "url": address_of(view), "active": view == active, "mine": view.owner_id == self.person.pk}
            for view in self.views
        ]

    @property
    def view_changed(self) -> bool:
        """Tell whether what is shown is no longer what the view keeps."""
        view = self.view
        return view is not None and sorted(pairs_of(view.query)) != sorted(pairs_of(self.query))

    @property
    def may_share(self) -> bool:
        return services.may_share(self.workspace)

    @property
    def may_delete_view(self) -> bool:
        view = self.view
        return view is not None and services.may_delete(self.person, view, self.workspace)

    @property
    def owns_view(self) -> bool:
        view = self.view
        return view is not None and view.owner_id == self.person.pk

    @property
    def column_boxes(self) -> list[dict[str, Any]]:
        shown = self.columns
        first = self.table.columns[0]
        return [{"column": column, "on": column in shown, "fixed": column == first} for column in self.table.columns]

    @property
    def columns_url(self) -> str:
        return self._url("columns")

    @property
    def view_save_url(self) -> str:
        return self._url("views")

    @property
    def view_change_url(self) -> str:
        view = self.view
        return self._url("view", view.pk) if view else ""

    @property
    def view_names(self) -> list[str]:
        view = self.view
        return [view.name] if view else []

    @property
    def empty_title(self) -> str:
        return f"No {self.table.noun} yet"

    @property
    def no_match_title(self) -> str:
        return f"No {self.table.noun} matches"

    @property
    def no_match_text(self) -> str:
        return f"None of the {self.table.plural} passes these filters."

    @property
    def all_words(self) -> str:
        return f"Show all {self.table.plural}"

    @property
    def all_url(self) -> str:
        return address([])

    def _head(self, column: Column) -> Head:
        if not column.sort:
            return Head(column)
        now, key = self.asked.sort or self.table.sort, column.key
        sorts = {key: "ascending", f"-{key}": "descending"}.get(now, "")
        return Head(column, address(self.pairs, sort=f"-{key}" if now == key else key), sorts)

    def _url(self, name: str, *args: object) -> str:
        if self.workspace is None:
            return reverse(f"lists:site-{name}", args=[self.table.key, *args])
        return reverse(f"lists:{name}", args=[self.workspace.name, self.table.key, *args])

    def _counted(self, key: str, value: str) -> str:
        found = self.counts.get((key, value))
        return "" if found is None else count_text(found)


Lines = Callable[[Sequence[Any]], list[Line]]


def list_page(
    request: HttpRequest,
    table: Table,
    template: str,
    *,
    lines: Lines | Sequence[Line],
    rows: QuerySet[Any] | None = None,
    workspace: Any = None,
    topics: str = "",
    triggers: str = "live:changed, live:resync",
    actions_url: str = "",
    context: Mapping[str, Any] | Callable[[Listing], Mapping[str, Any]] | None = None,
) -> HttpResponseBase:
    """Answer a list's page: whole, its live part alone to htmx, or as CSV.

    `rows` are the rows of the database that the person may see, and `lines` turns some of them into lines; without `rows`,
    `lines` are all there are. `template` gets the Listing as `list`, beside `context`.
    """
    pairs = [(name, value) for name, values in request.GET.lists() for value in values]
    part = bool(request.htmx) and not request.htmx.boosted  # type: ignore[attr-defined]
    asked = read(table, pairs)
    views = list(services.views_of(request.user, table, workspace))
    # Where a form was refused the list is shown around its problem, and leads nowhere else.
    if not part and request.method == "GET" and (found := _redirected(request, asked, pairs, views)):
        return found
    listing = Listing(
        table, pairs, asked, services.choice_of(request.user, table), views, workspace, request.user, topics=topics, triggers=triggers
    )
    listing.actions_url = actions_url
    if asked.format == "csv":
        every = _every_line(listing, rows, lines)
        pieces = sheet.pieces(listing.columns, every, most=settings.CSV_ROWS)
        return download(pieces, name=_file_name(listing), kind="text/csv; charset=utf-8")
    _fill(listing, rows, lines)
    given = context(listing) if callable(context) else context or {}
    # A live refresh leaves the menus alone: somebody may have one open.
    live = part and request.htmx.trigger == "list"  # type: ignore[attr-defined]
    whole: dict[str, Any] = {"list": listing, "alone": part, "menus_too": part and not live, **given}
    if workspace is not None:
        whole["workspace"] = workspace
    if part:
        return render(request, "components/table/part.html", whole)
    return render(request, template, whole)


def _redirected(request: HttpRequest, asked: Asked, pairs: list[tuple[str, str]], views: list[SavedView]) -> HttpResponse | None:
    """Return the way to the view that the address names alone, or that the list opens with; state stays in the address."""
    if not pairs:
        view = next((one for one in views if one.opens), None)  # type: ignore[attr-defined]
    elif asked.plain and asked.view:
        mine = sorted((one for one in views if one.name == asked.view), key=lambda one: one.owner_id != request.user.pk)
        view = mine[0] if mine else None
        if view is None:
            messages.info(request, f"There is no view {asked.view} of this list, or it is not shared with you.")
            return HttpResponseRedirect("?view=")
        if not view.query:
            return None
    else:
        return None
    return HttpResponseRedirect(address_of(view)) if view else None


def address_of(view: SavedView) -> str:
    """Return the query string with which a list shows a view."""
    return f"?{urlencode([*pairs_of(view.query), ('view', view.name)])}"


def _fill(listing: Listing, rows: QuerySet[Any] | None, lines: Lines | Sequence[Line]) -> None:
    table, asked = listing.table, listing.asked
    if rows is None:
        _fill_from_memory(listing, lines)  # type: ignore[arg-type]
        return
    wanted = narrowed(table, rows, asked, listing.person)
    found = slice_of(wanted, order_of(table, asked), after=asked.after, before=asked.before, size=table.size)
    listing.lines = lines(found.rows)  # type: ignore[operator]
    listing.next, listing.previous = found.next, found.previous
    listing.options = {one.key: one.options(rows) if callable(one.options) else one.options for one in table.filters if not one.hidden}
    parts = {HITS: wanted, **chip_parts(table, rows, listing.person, listing.options)}
    if not table.shows:
        parts[("show", "")] = rows
    listing.counts = counts(parts)
    listing.count = listing.counts[HITS]
    first = table.shows[0].key if table.shows and table.shows[0].where is None else ""
    everything = listing.counts.get(("show", first))
    listing.nothing = not listing.lines and (not rows.exists() if everything is None else not everything)


def _fill_from_memory(listing: Listing, lines: Sequence[Line]) -> None:
    table, asked = listing.table, listing.asked
    found = listed.narrowed(table, lines, asked)
    part = listed.part_of(found, after=asked.after, before=asked.before, size=table.size)
    listing.lines, listing.count, listing.next, listing.previous = part.lines, part.count, part.next, part.previous
    counted: dict[Any, int] = {
        ("show", show.key): sum(1 for line in lines if show.keeps is None or show.keeps(line)) for show in table.shows
    }
    options: dict[str, Sequence[tuple[str, str]]] = {}
    for one in table.filters:
        if not isinstance(one, Choice) or one.hidden:
            continue
        options[one.key] = one.options(lines) if callable(one.options) else one.options
        if one.counted:
            counted |= {(one.key, value): sum(1 for line in lines if one.keeps(line, (value,))) for value, _ in options[one.key]}
    listing.counts, listing.options, listing.nothing = counted, options, not lines


def _every_line(listing: Listing, rows: QuerySet[Any] | None, lines: Lines | Sequence[Line]) -> Iterator[Line]:
    """Yield all lines that pass, from page to page by key: no query is open while the reader is slow."""
    table, asked = listing.table, listing.asked
    if rows is None:
        yield from listed.narrowed(table, lines, asked)  # type: ignore[arg-type]
        return
    wanted, order, after = narrowed(table, rows, asked, listing.person), order_of(table, asked), ""
    while True:
        found = slice_of(wanted, order, after=after, size=PIECE)
        yield from lines(found.rows)  # type: ignore[operator]
        if found.next is None:
            return
        after = found.next


def _file_name(listing: Listing) -> str:
    place = f"{listing.workspace.name}-" if listing.workspace else ""
    return f"{place}{listing.table.key}-{timezone.localtime():%Y-%m-%d}.csv"
