"""The bell, the list of what a person was told, and what they want to be told of."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from studio.accounts.http import person_view
from studio.core.errors import ProblemError
from studio.core.pages import LONGEST_KEY
from studio.notices import services
from studio.notices.lists import NOTICES, notice_lines
from studio.notices.selectors import notices_of, preferences_of, unread_count
from studio.tables.page import list_page

IN_BELL = 6


@require_GET
@person_view
def notices(request: HttpRequest) -> HttpResponseBase:
    """List what the person was told, the newest first."""
    user: Any = request.user
    return list_page(
        request,
        NOTICES,
        "notices/list.html",
        rows=notices_of(user),
        lines=notice_lines,
        topics=f"notices:{user.pk}",
        triggers="live:told, live:changed, live:resync",
        actions_url=reverse("notices:read"),
        context={"unread": unread_count(user), "here": "Notifications"},
    )


@require_GET
@person_view
def bell(request: HttpRequest) -> HttpResponse:
    """Answer the bell's count and, with `?open`, its last notices."""
    user: Any = request.user
    context: dict[str, Any] = {"unread": unread_count(user)}
    if "open" in request.GET:
        return render(request, "notices/bell_panel.html", context | {"rows": notices_of(user)[:IN_BELL]})
    return render(request, "notices/bell_count.html", context)


@require_GET
@person_view
def open_notice(request: HttpRequest, id: int) -> HttpResponse:
    """Lead to what a notice is about, and mark it read."""
    if len(str(id)) > LONGEST_KEY:
        raise ProblemError("not-found")
    notice = services.open_notice(request.user, id)  # type: ignore[arg-type]
    # Our own code wrote the address; a row that somebody else changed leads nowhere else.
    return redirect(notice.url if url_has_allowed_host_and_scheme(notice.url, allowed_hosts=None) else "notices:list")


@require_POST
@person_view
def read(request: HttpRequest) -> HttpResponse:
    """Mark the chosen notices, or all, as read; or as unread again."""
    given = [*request.POST.getlist("id"), *request.POST.getlist("chosen")]
    ids = [int(one) for one in given if one.isdecimal() and len(one) <= LONGEST_KEY]
    unread = "unread" in (request.POST.get("as"), request.POST.get("action"))
    everything = "all" in request.POST
    changed = services.mark_read(request.user, None if everything else ids, read=not unread)  # type: ignore[arg-type]
    if everything:
        messages.success(request, f"{changed} notification{'' if changed == 1 else 's'} marked as read.")
    return redirect("notices:list")


@person_view
def settings(request: HttpRequest) -> HttpResponse:
    """Let the person say what they are told of, on the page and by the browser."""
    user: Any = request.user
    rows = preferences_of(user)
    if request.method == "POST":
        wanted = {
            one["kind"]: {"page": f"{one['kind']}.page" in request.POST, "browser": f"{one['kind']}.browser" in request.POST}
            for one in rows
        }
        services.choose(user, wanted)
        messages.success(request, "What you are told of was kept.")
        return redirect("notices:settings")
    crumbs = [("Notifications", "/notifications/")]
    return render(request, "notices/settings.html", {"rows": rows, "crumbs": crumbs, "here": "What you are told of"})
