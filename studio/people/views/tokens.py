"""Pages of tokens: a person's own, and everyone's for administrators."""

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from studio.accounts.access import workspaces_of
from studio.accounts.http import admin_view, person_view
from studio.accounts.models import ApiToken
from studio.core.addresses import public_url
from studio.core.errors import MooringError, ProblemError
from studio.core.forms import show_problems
from studio.people import selectors, tokens
from studio.people.forms import TokenForm
from studio.people.lines import token_lines
from studio.people.lists import OWN_TOKENS, TOKENS
from studio.people.views.frame import tabs
from studio.tables.page import list_page


@require_GET
@person_view
def own_tokens(request: HttpRequest) -> HttpResponseBase:
    """Show the person's own tokens."""
    return list_page(
        request,
        OWN_TOKENS,
        "people/tokens.html",
        rows=selectors.tokens_shown(ApiToken.objects.filter(user=request.user)),  # type: ignore[misc]
        lines=partial(token_lines, "people:token-revoke"),
        actions_url=reverse("people:own-tokens-bulk"),
        context={"here": "Tokens"},
    )


@never_cache
@require_http_methods(["GET", "POST"])
@person_view
def new(request: HttpRequest) -> HttpResponse:
    """Make a token, and show it once."""
    person: Any = request.user
    spaces = workspaces_of(person)
    form = TokenForm(request.POST or None, person=person, workspaces=spaces, initial={"days": settings.TOKEN_DAYS, "scopes": ["jobs"]})
    problems: list[ProblemError] = []
    crumbs = [("Your tokens", reverse("people:tokens"))]
    if request.method == "POST" and form.is_valid():
        try:
            token, clear = tokens.make_token(person, **form.cleaned_data)
        except MooringError as error:
            problems = show_problems(form, error)
        else:
            url = public_url(request).rstrip("/")
            context = {"token": token, "clear": clear, "studio_url": url, "crumbs": crumbs, "here": token.name}
            return render(request, "people/token_made.html", context)
    most = settings.TOKEN_LONGEST_DAYS
    days_help = f"1 to {most}." if most else "0 means without end."
    context = {"form": form, "problems": problems, "days_help": days_help, "crumbs": crumbs, "here": "New token"}
    return render(request, "people/token_new.html", context, status=422 if form.errors or problems else 200)


@require_POST
@person_view
def revoke_own(request: HttpRequest, token_id: int) -> HttpResponse:
    """Revoke one of the person's own tokens."""
    token = ApiToken.objects.filter(pk=token_id, user=request.user).first()  # type: ignore[misc]
    return _revoked(request, token, "people:tokens")


@require_GET
@admin_view
def all_tokens(request: HttpRequest) -> HttpResponseBase:
    """Show everyone's tokens."""
    return list_page(
        request,
        TOKENS,
        "people/all_tokens.html",
        rows=selectors.tokens_shown(),
        lines=partial(token_lines, "people:token-revoke-any"),
        actions_url=reverse("people:tokens-bulk"),
        context={"tabs": tabs(request), "here": "Access"},
    )


@require_POST
@admin_view
def revoke_any(request: HttpRequest, token_id: int) -> HttpResponse:
    """Revoke anybody's token."""
    return _revoked(request, ApiToken.objects.filter(pk=token_id).first(), "people:all-tokens")


def _revoked(request: HttpRequest, token: ApiToken | None, back: str) -> HttpResponse:
    if token is None:
        raise ProblemError("not-found")
    tokens.revoke_token(request.user, token)
    messages.success(request, f"{token.name} does not work any more.")
    return redirect(back)
