"""Find audit entries: of one object, and since or until a time as people say it."""

import re
from datetime import UTC, date, datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from studio.audit.models import Entry
from studio.core.errors import ProblemError

_AGO = re.compile(r"([1-9][0-9]{0,5})(m|h|d)\Z")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def about(kind: str, id: object) -> QuerySet[Entry]:
    """Return what was done to one object, newest first."""
    return Entry.objects.filter(target_kind=kind, target_id=str(id)).order_by("-pk")


def moment(text: str, *, field: str, end: bool = False) -> datetime:
    """Return the time that `text` means; a day as an end is meant with all of it. Without a zone it is UTC."""
    time: datetime | None
    try:
        if ago := _AGO.match(text):
            return timezone.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        # A plus sign in an address is read as a space.
        time = parse_datetime(text.replace(" ", "+")) if "T" in text else None
        if time is None and (day := parse_date(text)):
            time = datetime(day.year, day.month, day.day) + timedelta(days=1 if end and day < date.max else 0)
        # The first hours of the year 1 are none in every zone.
        time = time and (time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        time = None
    if time is None:
        said = f"`{field}` is a day (2026-11-25), a time (2026-11-25T08:00:00Z) or how long ago (30m, 24h, 7d)."
        raise ProblemError("request-invalid", field=field, text=said)
    return time
