"""What the menus of a list do: keep columns, density and views, and come back to the list."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from studio.core.errors import ProblemError
from studio.saved.access import list_view
from studio.tables import services
from studio.tables.asked import address, pairs_of
from studio.tables.declared import Table
from studio.tables.models import SavedView
from studio.tables.page import address_of


@require_POST
@list_view
def columns(request: HttpRequest, found: Table, space: Any) -> HttpResponse:
    """Keep which columns the person wants to see of a list."""
    usual = "usual" in request.POST
    wanted = [column.key for column in found.columns if column.shown] if usual else request.POST.getlist("column")
    services.choose_columns(request.user, found, columns=wanted, dense=not usual and request.POST.get("density") == "dense")
    path, _, query = _next(request).partition("?")
    pairs = [(name, value) for name, value in pairs_of(query) if name not in ("cols", "density")]
    return HttpResponseRedirect(path + address(pairs) if pairs else path)


@require_POST
@list_view
def views(request: HttpRequest, found: Table, space: Any) -> HttpResponse:
    """Save what the list shows as a view."""
    name, query = request.POST.get("name", ""), request.POST.get("query", "")
    try:
        view = services.save_view(request.user, found, name=name, query=query, workspace=space, shared="shared" in request.POST)
    except ProblemError as error:
        messages.error(request, f"{error.title}: {error.text} {error.todo}")
        return HttpResponseRedirect(f"{_next(request)}?{query}")
    messages.success(request, f"The view {view.name} is saved{' and shared' if view.shared else ''}.")
    return _back(request, view)


@require_POST
@list_view
def view(request: HttpRequest, found: Table, space: Any, view_id: int) -> HttpResponse:
    """Change one view: `update`, `open`, `close`, `share`, `unshare` or `delete` it."""
    row = services.views_of(request.user, found, space).filter(pk=view_id).first()
    if row is None:
        raise ProblemError("not-found")
    action = request.POST.get("action", "")
    try:
        said = _change(request, found, space, row, action)
    except ProblemError as error:
        messages.error(request, f"{error.title}: {error.text} {error.todo}")
        return _back(request, row)
    messages.success(request, said)
    return HttpResponseRedirect(f"{_next(request)}?view=") if action == "delete" else _back(request, row)


def _change(request: HttpRequest, table: Table, workspace: Any, view: SavedView, action: str) -> str:
    if action == "delete":
        services.delete_view(request.user, view, workspace=workspace)
        return f"The view {view.name} is gone."
    if action in ("open", "close"):
        services.open_with(request.user, view, opens=action == "open")
        return f"The list opens with {view.name}." if action == "open" else "The list opens with all rows."
    if action in ("share", "unshare"):
        services.share_view(request.user, view, shared=action == "share", workspace=workspace)
        return f"The view {view.name} is shared." if action == "share" else f"The view {view.name} is yours alone."
    if action == "update" and view.owner_id == request.user.pk:
        kept = services.save_view(
            request.user, table, name=view.name, query=request.POST.get("query", ""), workspace=workspace, shared=view.shared
        )
        view.query = kept.query
        return f"The view {view.name} keeps what is shown."
    raise ProblemError("request-invalid", text="`action` is one of update, open, close, share, unshare, delete.")


def _back(request: HttpRequest, view: SavedView) -> HttpResponse:
    return HttpResponseRedirect(f"{_next(request)}{address_of(view)}")


def _next(request: HttpRequest) -> str:
    """Return the list's own address, as the form says it; never one of another site."""
    given = request.POST.get("next", "")
    return given if given.startswith("/") and url_has_allowed_host_and_scheme(given, allowed_hosts=None) else "/"
