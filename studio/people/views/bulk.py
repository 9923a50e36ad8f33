"""Do one thing to several people, invitations or tokens: first name those that it concerns, then, once sure, do it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from studio.accounts.http import admin_view, person_view
from studio.accounts.models import ApiToken, Invitation, User
from studio.core.errors import ProblemError
from studio.people import invitations, lists, tokens, users
from studio.tables.declared import Table

MOST_AT_ONCE = 200
LONGEST_KEY = 18


@dataclass(frozen=True)
class Act:
    """What is done to each, and how it is said: the button, what came of it, and what it means."""

    do: Callable[[Any, Any], Any]
    fits: Callable[[Any], bool]
    verb: str
    done: str
    text: str
    # Why the others are left alone.
    others: str
    danger: bool = True


_USERS = {
    "deactivate": Act(users.deactivate_user, lambda row: row.is_active, "Deactivate", "deactivated",
                      "All sessions, live pages, tokens and open links end at once. The accounts stay and can be let in again.",
                      "they are deactivated"),
    "reactivate": Act(users.reactivate_user, lambda row: not row.is_active and not row.deleted_at, "Let in again", "let in again",
                      "They may sign in again; what ended when they were deactivated stays ended.",
                      "they may come in or were deleted", danger=False),
    "sign-out": Act(users.end_every_session, lambda row: row.is_active, "Sign out", "signed out everywhere",
                    "Every browser that they are signed in with is signed out. Tokens go on.", "they are deactivated", danger=False),
}  # fmt: skip
_INVITATIONS = {
    "withdraw": Act(invitations.withdraw, lambda row: invitations.state_of(row) == "open", "Withdraw", "withdrawn",
                    "The links stop working at once.", "they are over"),
}  # fmt: skip
_TOKENS = {
    "revoke": Act(tokens.revoke_token, lambda row: tokens.state_of(row) == "active", "Revoke", "revoked",
                  "Programs that use these tokens are refused from now on. They cannot be brought back.", "they do not work any more"),
}  # fmt: skip


@require_POST
@admin_view
def of_users(request: HttpRequest) -> HttpResponse:
    """Deactivate several people, let them in again, or sign them out."""
    return _bulk(request, lists.USERS, _USERS, User.objects.order_by("username"), "people:users", "people:users-bulk")


@require_POST
@admin_view
def of_invitations(request: HttpRequest) -> HttpResponse:
    """Withdraw several invitations."""
    rows = Invitation.objects.order_by("name")
    return _bulk(request, lists.INVITATIONS, _INVITATIONS, rows, "people:invitations", "people:invitations-bulk")


@require_POST
@admin_view
def of_tokens(request: HttpRequest) -> HttpResponse:
    """Revoke several tokens, whoever's they are."""
    rows = ApiToken.objects.select_related("user").order_by("name")
    return _bulk(request, lists.TOKENS, _TOKENS, rows, "people:all-tokens", "people:tokens-bulk")


@require_POST
@person_view
def of_own_tokens(request: HttpRequest) -> HttpResponse:
    """Revoke several of the person's own tokens."""
    rows = ApiToken.objects.filter(user=request.user).order_by("name")  # type: ignore[misc]
    return _bulk(request, lists.OWN_TOKENS, _TOKENS, rows, "people:tokens", "people:own-tokens-bulk")


def _bulk(request: HttpRequest, table: Table, acts: dict[str, Act], rows: QuerySet[Any], back: str, here: str) -> HttpResponse:
    act = acts.get(request.POST.get("action", ""))
    ids = [int(one) for one in request.POST.getlist("chosen")[:MOST_AT_ONCE] if one.isdecimal() and len(one) <= LONGEST_KEY]
    chosen = list(rows.filter(pk__in=ids))
    if act is None or not chosen:
        messages.info(request, f"No {table.noun} was chosen.")
        return redirect(back)
    fit = [row for row in chosen if act.fits(row)]
    if not fit or "sure" not in request.POST:
        counted = f"{len(fit)} {table.noun if len(fit) == 1 else table.plural}"
        context = {
            "act": act,
            "action": request.POST["action"],
            "counted": counted,
            "plural": table.plural,
            "fit": fit,
            "others": [row for row in chosen if row not in fit],
            "url": reverse(here),
            "back": reverse(back),
            "crumbs": [(table.plural.capitalize(), reverse(back))],
            "here": act.verb,
        }
        return render(request, "people/bulk.html", context)
    done = sum(_done(request, act, row) for row in fit)
    if done:
        messages.success(request, f"{done} {f'{table.noun} was' if done == 1 else f'{table.plural} were'} {act.done}.")
    return redirect(back)


def _done(request: HttpRequest, act: Act, row: Any) -> bool:
    try:
        act.do(request.user, row)
    except ProblemError as error:
        messages.error(request, f"{row}: {error.title}. {error.text} {error.todo}")
        return False
    return True
