"""What the templates of lists need beside the studio's own tags."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import template
from django.template import Context
from django.template.loader import get_template
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from studio.core import numbers
from studio.core.templatetags.mooring import ago
from studio.tables.declared import Column, Line
from studio.tables.page import Listing

register = template.Library()


@register.simple_tag(takes_context=True)
def cells(context: Context, listing: Listing, line: Line) -> SafeString:
    """Draw the cells of a line: for each the part of the list's `cells` template that its column names, else its plain value.

    What does not change from row to row is put together once an answer: a template would do it for each cell.
    """
    columns = _kept(context, "columns", lambda: [(one, _opening(one, first=not at)) for at, one in enumerate(listing.columns)])
    drawn = []
    with context.push(line=line, row=line.row, **line.extra):
        for at, (column, opening) in enumerate(columns):
            drawn += [opening, _cell(context, listing, column, line, first=not at), "</td>"]
    return mark_safe("".join(drawn))  # noqa: S308 each part is escaped above


def _cell(context: Context, listing: Listing, column: Column, line: Line, *, first: bool) -> str:
    if column.cell:
        return str(_part(context, f"{listing.table.cells}#{column.cell}").render(context))
    if first:
        title = conditional_escape(line.title)
        return format_html('<a href="{}">{}</a>', line.href, title) if line.href else title
    return conditional_escape(plain(column.of(line)))


def _opening(column: Column, *, first: bool) -> SafeString:
    css = " ".join(filter(None, ("name" if first else "", "num" if column.number else "", column.css)))
    return format_html('<td{} data-label="{}">', format_html(' class="{}"', css) if css else "", column.title)


@register.filter
def plain(value: Any) -> SafeString | str:
    """Return a value as a cell without a template of its own says it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return ago(value)
    if isinstance(value, int | float):
        return numbers.count(value)
    if isinstance(value, list | tuple | set):
        value = ", ".join(str(one) for one in value)
    return conditional_escape(value)


def _part(context: Context, name: str) -> Any:
    """Return a part of a template, looked up once an answer."""
    return _kept(context, name, lambda: get_template(name).template)  # type: ignore[attr-defined]


def _kept(context: Context, name: str, make: Callable[[], Any]) -> Any:
    """Return what is made once an answer."""
    kept: dict[str, Any] = context.render_context.setdefault("table_cells", {})  # type: ignore[arg-type, assignment]
    if name not in kept:
        kept[name] = make()
    return kept[name]
