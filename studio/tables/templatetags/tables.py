"""What the templates of lists need beside the studio's own tags."""

from datetime import datetime
from typing import Any

from django import template
from django.template import Context
from django.template.loader import get_template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from studio.core import numbers
from studio.core.templatetags.mooring import ago
from studio.tables.declared import Column, Line
from studio.tables.page import Listing

register = template.Library()


@register.simple_tag(takes_context=True)
def cell(context: Context, listing: Listing, column: Column, line: Line) -> SafeString | str:
    """Draw one cell: the part of the list's `cells` template that the column names, else its plain value."""
    if not column.cell:
        return plain(column.of(line))
    part = _part(context, f"{listing.table.cells}#{column.cell}")
    with context.push(line=line, row=line.row, **line.extra):
        return mark_safe(part.render(context))


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
    kept: dict[str, Any] = context.render_context.setdefault("table_cells", {})  # type: ignore[arg-type, assignment]
    if name not in kept:
        kept[name] = get_template(name).template  # type: ignore[attr-defined]
    return kept[name]
