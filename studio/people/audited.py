"""Where the audit's entries about people, workspaces, tokens and invitations lead."""

from collections.abc import Collection
from urllib.parse import urlencode

from django.urls import reverse

from studio.accounts.models import ApiToken, Invitation, User, Workspace
from studio.audit.pages.links import register_object
from studio.people.tokens import state_of


def register() -> None:
    """Tell the audit where people, workspaces, tokens and invitations are looked at."""
    register_object("user", _people)
    register_object("workspace", _workspaces)
    register_object("apitoken", _tokens)
    register_object("invitation", _invitations)


def _people(ids: Collection[str]) -> dict[str, str]:
    rows = User.objects.filter(pk__in=ids).values_list("pk", "username")
    return {str(pk): reverse("people:user", args=[username]) for pk, username in rows}


def _workspaces(ids: Collection[str]) -> dict[str, str]:
    rows = Workspace.objects.filter(pk__in=ids).values_list("pk", "name")
    return {str(pk): reverse("people:members", args=[name]) for pk, name in rows}


def _tokens(ids: Collection[str]) -> dict[str, str]:
    url = reverse("people:all-tokens")
    found = {}
    for token in ApiToken.objects.filter(pk__in=ids).select_related("user"):
        state = "active" if state_of(token) == "active" and token.user.is_active else "ended"
        found[str(token.pk)] = f"{url}?{urlencode({'q': token.prefix, 'show': state})}"
    return found


def _invitations(ids: Collection[str]) -> dict[str, str]:
    url = reverse("people:invitations")
    rows = Invitation.objects.filter(pk__in=ids).values_list("pk", "name")
    return {str(pk): f"{url}?{urlencode({'q': name})}" for pk, name in rows}
