"""Who works on an operation: a lease on its row, renewed while the work goes on, and lost with its holder.

The lease saves work; what makes a doubled leg harmless is that every step looks at the cluster first.
"""

import os
import platform
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from celery.signals import worker_shutting_down
from django.db import DatabaseError, connection
from django.db.models import Q
from django.utils import timezone

from compute.extension.models import OPEN, ExtensionOperation

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=20)
RENEW_SECONDS = 5.0
_stopping = threading.Event()


@worker_shutting_down.connect
def _stop(**_: object) -> None:
    """End the running legs when their worker is told to stop: the next worker takes them up again."""
    _stopping.set()


class Lost(Exception):
    """Another worker holds the operation now, or this one stops: leave it alone."""


class Hold:
    """The lease of one operation, kept by a thread of its own."""

    def __init__(self, operation_id: int) -> None:
        self.operation_id = operation_id
        self.owner = f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"[:80]
        self._over = threading.Event()
        self.lost = False

    def take(self) -> bool:
        """Take the lease; False when somebody has it, or the operation has ended."""
        now = timezone.now()
        free = Q(lease_until=None) | Q(lease_until__lt=now) | Q(lease_owner=self.owner)
        rows = ExtensionOperation.objects.filter(free, pk=self.operation_id, status__in=OPEN)
        return bool(rows.update(lease_owner=self.owner, lease_until=now + LEASE))

    def check(self) -> None:
        """Raise Lost when somebody else has it, or the worker stops."""
        if self.lost or _stopping.is_set():
            raise Lost

    def keep(self) -> None:
        """Renew until it is given back."""
        try:
            while not self._over.wait(RENEW_SECONDS):
                try:
                    mine = ExtensionOperation.objects.filter(pk=self.operation_id, lease_owner=self.owner)
                    if not mine.update(lease_until=timezone.now() + LEASE):
                        self.lost = True
                        return
                except DatabaseError as error:
                    log.warning("lease not renewed", operation=self.operation_id, error=str(error))
        finally:
            connection.close()

    def give_back(self) -> None:
        """Let the next leg begin at once."""
        self._over.set()
        ExtensionOperation.objects.filter(pk=self.operation_id, lease_owner=self.owner).update(lease_until=None, lease_owner="")


@contextmanager
def held(operation_id: int) -> Iterator[Hold | None]:
    """Hold an operation for as long as the block lasts; None when somebody else does."""
    hold = Hold(operation_id)
    if not hold.take():
        yield None
        return
    keeper = threading.Thread(target=hold.keep, name=f"hold-{operation_id}", daemon=True)
    keeper.start()
    try:
        yield hold
    finally:
        hold.give_back()
