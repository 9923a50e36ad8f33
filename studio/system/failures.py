"""Keep what failed in tasks, and forget it when an administrator has seen it."""

import traceback
from typing import Any

import structlog
from django.db import DatabaseError, transaction
from django.db.models import F
from django.utils import timezone

from studio.audit.services import write
from studio.core.scrub import scrubbed
from studio.system.models import FailedTask

log = structlog.get_logger(__name__)

KEPT = 200
LONGEST_TRACEBACK = 8000


def note_failure(name: str, task_id: str, error: BaseException) -> None:
    """Keep a task's failure, without secrets; one that came before counts up. A database that is away costs the note."""
    said = scrubbed(f"{type(error).__name__}: {error}")[:500]
    # Frames without their local variables: passwords would be among them.
    lines = scrubbed("".join(traceback.format_exception(error)))[-LONGEST_TRACEBACK:]
    now = timezone.now()
    try:
        with transaction.atomic():
            same = FailedTask.objects.filter(name=name, error=said)
            if not same.update(count=F("count") + 1, at=now, task_id=task_id, traceback=lines):
                FailedTask.objects.create(name=name, task_id=task_id, error=said, traceback=lines, first_at=now, at=now)
                beyond = FailedTask.objects.order_by("-at", "-pk").values_list("pk", flat=True)[KEPT:]
                FailedTask.objects.filter(pk__in=list(beyond)).delete()
    except DatabaseError as problem:
        log.error("failed task not kept", task=name, error=str(problem))


def forget_failures(actor: Any) -> int:
    """Forget all failed tasks; return how many there were."""
    with transaction.atomic():
        gone, _ = FailedTask.objects.all().delete()
        if gone:
            write(actor, "cleared the failed tasks", ("system", "", "failed tasks"), diff={"failed tasks": [gone, 0]})
    return gone
