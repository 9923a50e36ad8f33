"""Keyset paging: the next page starts after the last row's key, whatever came in between.

Every list takes `limit` and `after` and answers {"items", "next"}; `next` is the `after` of the next page, or null.
"""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from django.db.models import Q, QuerySet
from ninja import Query

from studio.core.errors import ProblemError
from studio.core.pages import LONGEST_KEY

MOST = 200
LONGEST_CURSOR = 2000
# The parameters of every list.
Limit = Annotated[int, Query(description=f"How many rows at most; {MOST} and more give {MOST}.")]
After = Annotated[str | None, Query(description="The `next` of the page before.")]


def page(
    rows: QuerySet[Any], *, limit: int, after: str | None, show: Callable[[Any], dict[str, Any]], by: str = "-pk"
) -> dict[str, Any]:
    """Return {"items", "next"} of `rows`, newest first by id; or sorted `by` another unique field: name, or a number."""
    limit = _bounded(limit)
    field, down = by.removeprefix("-"), by.startswith("-")
    if after:
        key: Any = text(after) if field == "name" else number(after)
        rows = rows.filter(Q(**{f"{field}__{'lt' if down else 'gt'}": key}))
    found: list[Any] = list(rows.order_by(by)[: limit + 1])
    more = len(found) > limit
    return {"items": [show(row) for row in found[:limit]], "next": cursor(getattr(found[limit - 1], field)) if more else None}


def page_of(
    rows: Iterable[Any], *, limit: int, after: str | None, key: Callable[[Any], str], show: Callable[[Any], Any]
) -> dict[str, Any]:
    """Return {"items", "next"} of rows in memory, sorted by a unique key."""
    limit = _bounded(limit)
    past = text(after) if after else None
    found = [row for row in sorted(rows, key=key) if past is None or key(row) > past][: limit + 1]
    more = len(found) > limit
    return {"items": [show(row) for row in found[:limit]], "next": cursor(key(found[limit - 1])) if more else None}


def cursor(key: Any) -> str:
    """Return a key as the `next` of a page."""
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def text(given: str) -> str:
    """Return the key that an `after` holds; raises what a caller is told who made one up."""
    try:
        if len(given) > LONGEST_CURSOR:
            raise ValueError(given)
        found = base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True).decode()
        if "\0" in found:
            raise ValueError(given)
        return found
    except (ValueError, binascii.Error) as error:
        raise ProblemError("request-invalid", field="after", text="`after` is not the `next` of a page before.") from error


def number(given: str) -> int:
    """Return the id that an `after` holds."""
    key = text(given)
    if not (key.isascii() and key.isdecimal()) or len(key) > LONGEST_KEY:
        raise ProblemError("request-invalid", field="after", text="`after` is not the `next` of a page before.")
    return int(key)


def _bounded(limit: int) -> int:
    return max(1, min(limit, MOST))
