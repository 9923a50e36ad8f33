"""Find audit entries: the same filters for page, API, export and command line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from studio.audit.models import Entry, Result, Via
from studio.core.errors import ProblemError

_AGO = re.compile(r"([1-9][0-9]{0,5})(m|h|d)\Z")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
# Choices are offered from so many of the newest entries: reading all of a large log for them would take seconds.
_LOOKED_AT = 5000


@dataclass(frozen=True)
class Wanted:
    """Which entries somebody wants to see; empty means any. Times: `2026-11-25`, ISO 8601, or `30m`, `24h`, `7d` ago."""

    person: str = ""
    verb: str = ""
    kind: str = ""
    object: str = ""
    result: str = ""
    via: str = ""
    since: str = ""
    until: str = ""
    q: str = ""
    workspace: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Wanted":
        """Take what a query says; what is none of the filters is left out."""
        return cls(**{field.name: str(given.get(field.name) or "").strip()[:255] for field in fields(cls)})

    @property
    def chosen(self) -> dict[str, str]:
        """Return the filters that are set."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name))}


def entries_like(wanted: Wanted, *, before: datetime | None = None) -> QuerySet[Entry]:
    """Return the entries that pass all filters, newest first; raises ProblemError for a filter that cannot be read."""
    _check(wanted)
    rows = Entry.objects.all()
    exact = {"actor_name": wanted.person, "verb": wanted.verb, "target_kind": wanted.kind, "target_name": wanted.object,
             "result": wanted.result, "via": wanted.via, "workspace": wanted.workspace}  # fmt: skip
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    if wanted.since:
        rows = rows.filter(at__gte=moment(wanted.since, field="since"))
    if wanted.until:
        rows = rows.filter(at__lt=moment(wanted.until, field="until", end=True))
    if wanted.q:
        words = ("actor_name", "verb", "target_name", "workspace", "address", "request_id", "problem")
        anywhere = Q()
        for word in words:
            anywhere |= Q(**{f"{word}__icontains": wanted.q})
        rows = rows.filter(anywhere)
    return rows.order_by("-pk")


def about(kind: str, id: object) -> QuerySet[Entry]:
    """Return what was done to one object, newest first."""
    return Entry.objects.filter(target_kind=kind, target_id=str(id)).order_by("-pk")


def moment(text: str, *, field: str, end: bool = False) -> datetime:
    """Return the time that `text` means; a day as an end is meant with all of it. Without a zone it is UTC."""
    if ago := _AGO.match(text):
        return timezone.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        # A plus sign in an address is read as a space.
        time = parse_datetime(text.replace(" ", "+")) if "T" in text else None
        day = parse_date(text) if time is None else None
        if day is not None:
            time = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1 if end else 0)
    except (ValueError, OverflowError):
        time = None
    if time is None:
        said = f"`{field}` is a day (2026-11-25), a time (2026-11-25T08:00:00Z) or how long ago (30m, 24h, 7d)."
        raise ProblemError("request-invalid", field=field, text=said)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def choices(rows: QuerySet[Entry]) -> dict[str, list[str]]:
    """Return the people, verbs and kinds that the newest of `rows` name, to choose from."""
    newest = list(rows.order_by("-pk").values_list("actor_name", "verb", "target_kind")[:_LOOKED_AT])
    return {name: sorted({row[at] for row in newest}) for at, name in enumerate(("person", "verb", "kind"))}


def _check(wanted: Wanted) -> None:
    for name, known in (("result", Result.values), ("via", Via.values)):
        if (value := getattr(wanted, name)) and value not in known:
            raise ProblemError("request-invalid", field=name, text=f"`{name}` is one of {', '.join(known)}.")
