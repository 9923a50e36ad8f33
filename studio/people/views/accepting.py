"""The page behind an invitation's link: open to whoever holds it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from studio.accounts.http import open_view
from studio.core.errors import MooringError, ProblemError
from studio.core.forms import show_problems
from studio.people import invitations
from studio.people.forms import AcceptForm, PasswordForm


@never_cache
@require_http_methods(["GET", "POST"])
@open_view
def accept(request: HttpRequest, secret: str) -> HttpResponse:
    """Make the invited person, or set the password of the one whose link it is; then they sign in."""
    try:
        invitation = invitations.opened_by(request, secret)
    except ProblemError as error:
        return _answer(request, {"problem": error}, status=error.status)
    form = (PasswordForm if invitation.user else AcceptForm)(request.POST or None)
    problems: list[ProblemError] = []
    if request.method == "POST" and form.is_valid() and not request.user.is_authenticated:
        given = {name: form.cleaned_data.get(name, "") for name in ("username", "full_name", "password")}
        try:
            user = invitations.accept(secret, **given)
        except MooringError as error:
            problems = show_problems(form, error)
        else:
            said = "Your password is set" if invitation.user else "Your account is ready"
            messages.success(request, f"{said}. Sign in as {user.username}.")
            return redirect("account_login")
    context = {"form": form, "problems": problems, "invitation": invitation, "roles": invitation.roles.select_related("workspace")}
    return _answer(request, context, status=422 if form.errors or problems else 200)


def _answer(request: HttpRequest, context: dict[str, Any], status: int) -> HttpResponse:
    response = render(request, "people/accept.html", context, status=status)
    # The address holds the secret: it goes nowhere else.
    response["Referrer-Policy"] = "no-referrer"
    return response
