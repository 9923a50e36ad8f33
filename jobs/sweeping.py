"""The safety net: find rows that should have moved and nudge them. Any nudge may be lost; none is missed for long."""

from datetime import timedelta

import structlog
from django.utils import timezone

from jobs.models import FINAL, UNFINISHED, Job, Status
from jobs.progress import lost_cluster, settle
from studio.core.nudge import nudge

log = structlog.get_logger(__name__)

# Younger rows are left to the nudge that their own transaction sent.
PATIENCE = timedelta(seconds=5)
MOST = 200


def sweep() -> None:
    """Nudge what waits for the cluster, for its removal or for its end."""
    before = timezone.now() - PATIENCE
    old = Job.objects.filter(status_at__lt=before)
    for id in _ids(old.filter(status=Status.NOT_STARTED) | old.filter(status=Status.QUEUED, object_uid="")):
        nudge("jobs.start", id)
    for id in _ids(old.filter(status=Status.CANCEL_REQUESTED) | old.filter(status__in=FINAL, cleaned=False)):
        nudge("jobs.remove", id)
    for id in _ids(Job.objects.exclude(deleted_at=None).filter(deleted_at__lt=before)):
        nudge("jobs.delete", id)
    for job in old.filter(status__in=UNFINISHED, cluster=None).select_related("workspace")[:MOST]:
        lost_cluster(job)
    for id in _ids(old.filter(status__in=[Status.RUNNING, Status.FINALIZING, Status.CANCEL_REQUESTED])):
        _settle(id)


def _settle(id: int) -> None:
    """Settle one job; one that cannot be must not keep the others from it."""
    try:
        settle(id)
    except Exception:
        log.exception("job could not be settled", row=id)


def _ids(rows: object) -> list[int]:
    return list(rows.order_by("pk").values_list("pk", flat=True)[:MOST])  # type: ignore[attr-defined]
