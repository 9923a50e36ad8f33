"""Decorators that put a view behind a role; a view without one of them fails the access test."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from studio.accounts.access import require_admin, require_operator, workspace_for

View = Callable[..., HttpResponseBase]


def workspace_view(role: str = "reader", *, archived: bool = False) -> Callable[[View], View]:
    """Give the view the workspace of its URL, after checking that the person has `role` in it.

    With `archived` it is also for a workspace that is put aside.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, workspace: str, **kwargs: Any) -> HttpResponseBase:
            row = workspace_for(request.user, workspace, role, archived=archived)
            request.workspace = row  # type: ignore[attr-defined]
            return view(request, row, **kwargs)

        guarded.access = role  # type: ignore[attr-defined]
        return guarded

    return decorate


def operator_view(view: View) -> View:
    """Let only IT operations and administrators at the view."""
    return _behind(require_operator, view, "operator")


def admin_view(view: View) -> View:
    """Let only administrators at the view."""
    return _behind(require_admin, view, "admin")


def person_view(view: View) -> View:
    """Say that the view is for everyone who is signed in; what it shows, it asks for as that person."""
    return _behind(_anyone, view, "person")


def open_view(view: View) -> View:
    """Say that the view is for everybody, signed in or not: whoever comes brings a secret of their own."""
    return _behind(_anyone, view, "everybody")


def _anyone(user: Any) -> None:
    """Refuse nobody."""


def _behind(check: Callable[[Any], None], view: View, name: str) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        check(request.user)
        return view(request, *args, **kwargs)

    guarded.access = name  # type: ignore[attr-defined]
    return guarded
