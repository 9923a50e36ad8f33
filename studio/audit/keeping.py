"""Let entries go when their time is over: in pieces, and written down. Nothing else ever takes one."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from studio.audit.models import Entry, Retention
from studio.audit.services import record

PIECE = 1000
SHORTEST_DAYS = 1


def keep_for() -> Retention:
    """Note for how long entries are kept, where the trigger reads it; a change is recorded."""
    days = max(settings.AUDIT_DAYS, SHORTEST_DAYS)
    with transaction.atomic():
        row = Retention.objects.first()
        if row is None:
            return Retention.objects.create(pk=1, days=days)
        if row.days != days:
            record(None, "changed how long the audit is kept", row, diff={"days": [row.days, days]})
            row.days = days
            row.save()
    return row


def delete_old(*, piece: int = PIECE) -> int:
    """Delete the entries whose time is over; return how many went. Each piece is recorded in its own transaction.

    A day's worth is let to gather first: a log of deletions that grows by one a piece should not be what is left.
    """
    kept = keep_for()
    oldest = timezone.now() - timedelta(days=kept.days)
    if not Entry.objects.filter(at__lt=oldest - timedelta(days=1)).exists():
        return 0
    gone = 0
    # A minute is left, so that the database's own clock agrees.
    while old := list(Entry.objects.filter(at__lt=oldest - timedelta(minutes=1)).order_by("pk").values_list("pk", "at")[:piece]):
        with transaction.atomic():
            Entry.objects.filter(pk__in=[pk for pk, _ in old]).delete()
            times = {"from": [_said(old[0][1]), ""], "to": [_said(old[-1][1]), ""], "older than": ["", f"{kept.days} days"]}
            record(None, "deleted old audit entries", kept, diff={"entries": [len(old), 0], **times})
        gone += len(old)
    return gone


def _said(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
