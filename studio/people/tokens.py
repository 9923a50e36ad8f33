"""Tokens of programs: what they may do, where, how long; never more than their person."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from studio.accounts.access import workspaces_of
from studio.accounts.models import ApiToken, Scope, User
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.core.words import check_words
from studio.people import problems  # noqa: F401 - its problems are raised from here

# What a scope lets a program do, in a sentence.
MEANINGS = {
    Scope.READ: "See what you see. Every token may do this.",
    Scope.JOBS: "Submit, cancel and delete jobs.",
    Scope.MODELS: "Register, change and delete models.",
    Scope.ENDPOINTS: "Create, change, call and delete endpoints and deployments, and read their keys.",
    Scope.WORKSPACES: "Manage the members and settings of workspaces you own.",
    Scope.OPERATE: "Change clusters, computes, instance types and images.",
    Scope.ADMIN: "See and manage people, invitations and everyone's tokens.",
    Scope.ACCOUNT: "Manage your own account: tokens and sessions; with your password also that and the second factor.",
}


def make_token(
    actor: Any, *, name: str, scopes: Sequence[str] | None = None, workspaces: Sequence[str] = (), days: int | None = None
) -> tuple[ApiToken, str]:
    """Make a token for `actor`; return the row and the secret, which is never to be had again.

    Without `scopes` it may do all that its person may; without `workspaces` it works in all of the person's, now and later.
    One that is made with a token can do no more than that token, and makes no others.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= 60:
        raise ProblemError("request-invalid", field="name", text="A token's name has 1 to 60 letters.")
    check_words(name=name)
    maker: ApiToken | None = getattr(actor, "token", None)
    wanted = _scopes(actor, scopes, maker)
    rows = _workspaces(actor, workspaces)
    if maker and not maker.everywhere and not rows:
        raise ProblemError("token-more-than-maker", field="workspaces", what="reach beyond its workspaces")
    with transaction.atomic():
        token, clear = ApiToken.issue(actor, name=name, expires_at=_end(days, maker), scopes=wanted, everywhere=not rows, made_with=maker)
        token.workspaces.set(rows)
        ends = token.expires_at and f"{token.expires_at:%Y-%m-%d}"
        told = {"scopes": wanted, "workspaces": [one.name for one in rows] or "all", "ends": ends}
        record(actor, "issued", token, diff={field: [None, value] for field, value in told.items()})
    return token, clear


def revoke_token(actor: Any, token: ApiToken) -> ApiToken:
    """Revoke a token; nothing happens when it was."""
    with transaction.atomic():
        if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            record(actor, "revoked", token)
    token.refresh_from_db()
    return token


def state_of(token: ApiToken) -> str:
    """Return how a token stands: active, revoked or ended."""
    if token.revoked_at:
        return "revoked"
    return "ended" if token.is_over else "active"


def scopes_for(user: User) -> list[str]:
    """Return the scopes that mean something for a person with these roles."""
    maker: ApiToken | None = getattr(user, "token", None)
    kept = set(maker.scopes) if maker else set(Scope.values)
    if not user.is_admin:
        kept.discard(Scope.ADMIN)
        if not user.is_operator:
            kept.discard(Scope.OPERATE)
    return [scope for scope in Scope.values if scope in kept | {Scope.READ}]


def _scopes(actor: Any, given: Sequence[str] | None, maker: ApiToken | None) -> list[str]:
    most = [scope for scope in scopes_for(actor) if maker is None or scope != Scope.ACCOUNT]
    if given is None:
        return most
    for scope in given:
        if scope not in Scope.values:
            raise ProblemError("token-scope-unknown", field="scopes", scope=scope, known=", ".join(Scope.values))
        if maker and scope not in most:
            raise ProblemError("token-more-than-maker", field="scopes", what=f"scope {scope}")
        if scope not in most:
            needed = "the role operator" if scope == Scope.OPERATE else "an administrator"
            raise ProblemError("not-allowed", field="scopes", needed=needed)
    return [scope for scope in Scope.values if scope in {*given, Scope.READ}]


def _workspaces(actor: Any, names: Sequence[str]) -> list[Any]:
    mine = {one.name: one for one in workspaces_of(actor)}
    for name in names:
        if name not in mine:
            raise ProblemError("token-workspace-unknown", field="workspaces", name=name)
    return [mine[name] for name in sorted(set(names))]


def _end(days: int | None, maker: ApiToken | None) -> datetime | None:
    most = settings.TOKEN_LONGEST_DAYS
    wanted = days if days is not None else settings.TOKEN_DAYS
    if wanted < 0 or (most and not 1 <= wanted <= most):
        raise ProblemError("token-days-invalid", field="days", most=most or "any number of")
    ends = timezone.now() + timedelta(days=wanted) if wanted else None
    if maker and maker.expires_at and (ends is None or ends > maker.expires_at):
        if days is not None:
            raise ProblemError("token-more-than-maker", field="days", what="so long a life")
        return maker.expires_at
    return ends
