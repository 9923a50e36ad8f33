"""The page of the studio itself, for administrators."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from studio.accounts.http import admin_view
from studio.system.facts import system
from studio.system.failures import forget_failures
from studio.system.models import FailedTask


@require_GET
@admin_view
def show(request: HttpRequest) -> HttpResponse:
    """Show how the studio is; the page asks for its live part again and again."""
    found = system()
    context = {
        "system": found,
        "children": [{**child, "since": _time(child.get("since"))} for child in found["children"]],
        "schedule": [{**row, "sent_at": _time(row["sent_at"]), "ran_at": _time(row["ran_at"])} for row in found["schedule"]],
        "memory": sum(child["memory"] or 0 for child in found["children"]),
        "backup": found["backup"] and {**found["backup"], "at": _time(found["backup"].get("at"))},
        "backup_guide": "/docs/operators/backup/",
        "failed": FailedTask.objects.all()[:50],
        "here": "System",
    }
    part = "#live" if request.htmx and not request.htmx.boosted else ""  # type: ignore[attr-defined]
    return render(request, f"system/system.html{part}", context)


@require_POST
@admin_view
def clear_failed(request: HttpRequest) -> HttpResponse:
    """Forget the failed tasks."""
    gone = forget_failures(request.user)
    messages.success(request, f"{gone} failed task{'' if gone == 1 else 's'} forgotten.")
    return redirect("system:show")


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
