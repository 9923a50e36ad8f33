"""API operations on the studio itself; for administrators."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from studio.accounts.access import require_admin
from studio.system.facts import system
from studio.system.failures import forget_failures

router = Router(tags=["system"])


@router.get("/system")
def show_system(request: HttpRequest) -> dict[str, Any]:
    """Return versions, address, processes, queues, leases, schedule, database, disk, Redis and the last failed tasks."""
    require_admin(request.user)
    return system()


@router.delete("/system/failed-tasks")
def clear_failed_tasks(request: HttpRequest) -> dict[str, Any]:
    """Forget the failed tasks that were seen; return how many there were."""
    require_admin(request.user)
    return {"forgotten": forget_failures(request.user)}
