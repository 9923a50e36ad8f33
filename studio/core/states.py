"""The one way in which a row's state changes: compare and set, with its entry and its event in the same breath.

A row's model declares its states by a `Moves` attribute; the update touches the row only while it is still in one of
the states that the caller saw. Whoever comes second changes nothing and is told so by the answer False.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from django.db import models, transaction
from django.db.models import F
from django.utils import timezone


class Stateful(Protocol):
    """What `move` asks of a model: a state, the time it was entered, a version, and what to do when it changed."""

    pk: Any
    status: str
    status_at: datetime
    version: int

    def moved(self, old: str, new: str, *, actor: Any, reason: str, at: Any) -> None:
        """Write the timeline or audit entry and publish the event on commit; runs in the same transaction."""


def move(
    row: Any,
    new: str,
    *,
    expect: str | Iterable[str],
    actor: Any = None,
    reason: str = "",
    at: datetime | None = None,
    **fields: Any,
) -> bool:
    """Change `row.status` to `new` if it is still one of `expect`; True when this call did it.

    `fields` are set in the same update; `at` is when it truly happened, if that is known better than "now", which is never
    before the state that the row was in. On True the
    row in memory is as in the database; on False it is untouched and the caller should look again.
    """
    expected = [expect] if isinstance(expect, str) else list(expect)
    # With a clock that was set back, what comes after would stand before.
    at = at or max(timezone.now(), row.status_at)
    model: type[models.Model] = type(row)
    values = {"status": new, "reason": reason, "status_at": at, "version": F("version") + 1, **fields}
    with transaction.atomic():
        # One state at a time, so that the entry says truly what it was before; the one that the caller saw is the likeliest.
        for state in sorted(expected, key=lambda state: state != row.status):
            if model._default_manager.filter(pk=row.pk, status=state).update(**values):
                reread(row)
                row.moved(state, new, actor=actor, reason=reason, at=at)
                return True
    return False


def reread(row: models.Model) -> None:
    """Make a row in memory as it is in the database by one query; what it refers to is read again only where it is another.

    Django's own `refresh_from_db` forgets every row that it refers to, and reads each anew when it is next asked for.
    """
    fields = [field.attname for field in row._meta.concrete_fields]
    for name, value in type(row)._default_manager.filter(pk=row.pk).values(*fields).get().items():
        setattr(row, name, value)


def touch(row: Any, **fields: Any) -> None:
    """Change facts of a row that are not its state, and its version with them, so that pages know."""
    type(row)._default_manager.filter(pk=row.pk).update(version=F("version") + 1, **fields)
    for name, value in fields.items():
        setattr(row, name, value)
