"""The safety net: find rows that should have moved and nudge them. Any nudge may be lost; none is missed for long."""

from datetime import timedelta
from typing import Any

import structlog
from django.db.models import QuerySet
from django.utils import timezone

from jobs.models import ACTIVE, FINAL, UNFINISHED, WAITING, Job, Status
from jobs.progress import lost_cluster, settle
from jobs.waiting import ASKED
from studio.core.nudge import nudge

log = structlog.get_logger(__name__)

# Younger rows are left to the nudge that their own transaction sent.
PATIENCE = timedelta(seconds=5)
MOST = 200
# A wait that lasts longer may have a cause that only the cluster's events tell; so many are asked for at a turn.
SPEECHLESS = timedelta(seconds=10)
MOST_ASKED = 20


def sweep() -> None:
    """Nudge what waits for the cluster, for its removal or for its end."""
    before = timezone.now() - PATIENCE
    old = Job.objects.filter(status_at__lt=before)
    for id in _due("start", status__in=ACTIVE, object_uid=""):
        nudge("jobs.start", id)
    speechless = Job.objects.filter(status_at__lt=timezone.now() - SPEECHLESS, status__in=WAITING, waits_for__in=ASKED)
    for id in _turn("explain", speechless.exclude(object_uid=""), MOST_ASKED):
        nudge("jobs.explain", id)
    for id in _due("cancel", status=Status.CANCEL_REQUESTED):
        nudge("jobs.remove", id)
    for id in _due("remove", status__in=FINAL, cleaned=False):
        nudge("jobs.remove", id, last=True)
    for id in _turn("delete", Job.objects.exclude(deleted_at=None).filter(deleted_at__lt=before)):
        nudge("jobs.delete", id)
    for job in old.filter(status__in=UNFINISHED, cluster=None).select_related("workspace")[:MOST]:
        lost_cluster(job)
    for id in _due("settle", status__in=[Status.RUNNING, Status.FINALIZING, Status.CANCEL_REQUESTED]):
        _settle(id)
    # Over in the cluster before anything was told of its pods; those in later states are among the ones above.
    for id in _due("settle early", status__in=WAITING, object_state__in=["Complete", "Failed"]):
        _settle(id)


def _due(kind: str, **wanted: Any) -> list[int]:
    """Return the next rows of a kind that have not moved for a while."""
    now, rows = timezone.now(), Job.objects.filter(**wanted)
    # Those of a time to come: the clock was set back since, and theirs would come when it has gone as far again.
    ahead = _turn(f"{kind} ahead", rows.filter(status_at__gt=now + PATIENCE))
    return _turn(kind, rows.filter(status_at__lt=now - PATIENCE)) + ahead


def _settle(id: int) -> None:
    """Settle one job; one that cannot be must not keep the others from it."""
    try:
        settle(id)
    except Exception:
        log.exception("job could not be settled", row=id)


# Where the last turn of each kind ended: rows that never move must not keep those behind them from being looked at.
_last: dict[str, int] = {}


def _turn(kind: str, rows: QuerySet[Job], most: int = 0) -> list[int]:
    """Return the next rows of a kind, from where the last turn ended, and from the first again after the last."""
    most = most or MOST
    keys = rows.order_by("pk").values_list("pk", flat=True)
    found = list(keys.filter(pk__gt=_last.get(kind, 0))[:most])
    if len(found) < most:
        found += list(keys.filter(pk__lte=_last.get(kind, 0))[: most - len(found)])
    _last[kind] = found[-1] if found else 0
    return found
