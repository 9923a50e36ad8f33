"""One page of rows by key: what comes or goes meanwhile neither repeats nor hides a row, forward and back."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import F, Field, Model, Q, QuerySet
from django.db.models.expressions import RawSQL

from studio.core.errors import ProblemError
from studio.core.texts import UNKEEPABLE

LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Order:
    """A field to sort by, up or down; rows with the same value are in the order of their ids. No field: by id alone."""

    field: str = ""
    down: bool = True
    # The id in SQL, where an index of words that is joined has it in order.
    ids: str = ""

    @property
    def name(self) -> str:
        return f"{'-' if self.down else ''}{self.field or 'pk'}"


@dataclass(frozen=True)
class Slice:
    """The rows of one page, and the keys with which the pages before and after it begin."""

    rows: list[Any]
    next: str | None
    previous: str | None


def slice_of(rows: QuerySet[Any], order: Order, *, after: str = "", before: str = "", size: int = 50) -> Slice:
    """Return a page of `rows`: the first one, the one after a key, or the one before it.

    Raises ProblemError `request-invalid` for a key that is not one of this order.
    """
    nullable = _is_nullable(rows.model, order.field)
    back = bool(before) and not after
    key = after or before
    wanted = _ordered(rows, order, nullable, reverse=back)
    if key:
        read = _read(rows.model, order, key)
        wanted = wanted.filter(_beyond(rows.model, order, read, nullable, back=back))
        if order.ids and not order.field:
            wanted = wanted.extra(where=[f"{order.ids} {'<' if order.down != back else '>'} %s"], params=[read[1]])
    found = list(wanted[: size + 1])
    more = len(found) > size
    found = found[:size]
    if back:
        if not more:
            # The first page, whole: rows may have come to it since.
            return slice_of(rows, order, size=size)
        found.reverse()
    last = _key(found[-1], order) if found and (more or back) else None
    first = _key(found[0], order) if found and key else None
    return Slice(found, last, first)


def _ordered(rows: QuerySet[Any], order: Order, nullable: bool, *, reverse: bool) -> QuerySet[Any]:
    down = order.down != reverse
    by_id = "-pk" if down else "pk"
    if order.ids and not order.field:
        ids = RawSQL(order.ids, ())
        return rows.order_by(ids.desc() if down else ids.asc())
    if not order.field:
        return rows.order_by(by_id)
    field = F(order.field)
    if nullable:
        # A missing value counts as the least, on every database.
        return rows.order_by(field.desc(nulls_last=True) if down else field.asc(nulls_first=True), by_id)
    return rows.order_by(field.desc() if down else field.asc(), by_id)


def _beyond(model: type[Model], order: Order, key: tuple[Any, int], nullable: bool, *, back: bool) -> Q:
    value, pk = key
    down = order.down != back
    tie = Q(pk__lt=pk) if down else Q(pk__gt=pk)
    if not order.field:
        return tie
    name = order.field
    if value is None:
        return Q(**{f"{name}__isnull": True}) & tie if down else Q(**{f"{name}__isnull": False}) | tie
    # The first half is what an index can seek to; the second leaves out the rest of the same value.
    way = "lt" if down else "gt"
    found = Q(**{f"{name}__{way}e": value}) & (Q(**{f"{name}__{way}": value}) | tie)
    return found | Q(**{f"{name}__isnull": True}) if nullable and down else found


def _key(row: Model, order: Order) -> str:
    value: Any = row if order.field else None
    for name in order.field.split("__") if order.field else ():
        value = getattr(value, name) if value is not None else None
    said = value.isoformat() if hasattr(value, "isoformat") else value
    text = json.dumps([order.name, said, row.pk], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(model: type[Model], order: Order, key: str) -> tuple[Any, int]:
    try:
        name, value, pk = json.loads(base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)))
        if name != order.name or type(pk) is not int or abs(pk) > LARGEST:
            raise ValueError(key)
        if isinstance(value, dict | list) or UNKEEPABLE.search(str(value)):
            raise ValueError(key)
        field = _field(model, order.field)
        if value is not None and field is not None:
            value = field.to_python(value)
        # What is worked out is a number.
        if value is not None and field is None and order.field and not (type(value) in (int, float) and abs(value) <= LARGEST):
            raise ValueError(key)
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error, ValidationError) as error:
        text = "`after` or `before` is not the key of a page of this list, sorted like this."
        raise ProblemError("request-invalid", field="after", text=text) from error
    return value, pk


def _field(model: type[Model], path: str) -> "Field[Any, Any] | None":
    """Return the field at the end of a path, or None when it is no field but something worked out."""
    found: Any = None
    for name in path.split("__") if path else ():
        try:
            found = model._meta.get_field(name)
        except FieldDoesNotExist:
            return None
        model = found.related_model or model
    return found  # type: ignore[no-any-return]


def _is_nullable(model: type[Model], path: str) -> bool:
    """Tell whether a path can come to nothing: what is worked out may, too."""
    if not path:
        return False
    for name in path.split("__"):
        try:
            field: Any = model._meta.get_field(name)
        except FieldDoesNotExist:
            return True
        if field.null:
            return True
        model = field.related_model or model
    return False
