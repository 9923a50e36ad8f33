"""Keyset paging: the next page starts after the last row's key, whatever came in between."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from django.db.models import Model, QuerySet

from studio.core.errors import ProblemError
from studio.core.pages import LONGEST_KEY

MOST = 200


def page(rows: QuerySet[Any], *, limit: int, after: str | None, show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """Return {"items", "next"} of `rows`, newest first by id; `after` is the `next` of the page before."""
    limit = max(1, min(limit, MOST))
    if after:
        rows = rows.filter(pk__lt=_key(after))
    found: list[Model] = list(rows.order_by("-pk")[: limit + 1])
    more = len(found) > limit
    return {"items": [show(row) for row in found[:limit]], "next": _cursor(found[limit - 1]) if more else None}


def _cursor(row: Model) -> str:
    return base64.urlsafe_b64encode(str(row.pk).encode()).decode().rstrip("=")


def _key(cursor: str) -> int:
    try:
        key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        if len(key) > LONGEST_KEY:
            raise ValueError(cursor)
        return int(key)
    except (ValueError, binascii.Error) as error:
        raise ProblemError("request-invalid", text="`after` is not the `next` of a page before.") from error
