"""What a token must be allowed for each operation of the API: deny by default.

Reading needs no scope of its own, except where a line says so; what the token's person may not do stays forbidden besides.
"""

import re
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from studio.accounts.access import token_of
from studio.accounts.models import Scope
from studio.api.roles import ask_for_role
from studio.core.errors import ProblemError

_LOOKS = {"GET", "HEAD", "OPTIONS"}
_IN = r"^workspaces/[^/]+"


@dataclass(frozen=True)
class Rule:
    """Addresses below /api/v1/, and the scopes of which a token needs one to change something there."""

    pattern: re.Pattern[str]
    scopes: frozenset[Scope]
    also_to_look: bool = False


def _rule(pattern: str, *scopes: Scope, also_to_look: bool = False) -> Rule:
    return Rule(re.compile(pattern), frozenset(scopes), also_to_look)


_FILES = (Scope.JOBS, Scope.MODELS, Scope.ENDPOINTS)
# The first that fits counts.
RULES = [
    _rule(r"^me/token$"),
    _rule(r"^invitations/accepted$"),
    _rule(r"^(me|notifications|views)(/|$)", Scope.ACCOUNT),
    _rule(_IN + r"/views(/|$)", Scope.ACCOUNT),
    _rule(_IN + r"/(blobs|trees)(/|$)", *_FILES),
    _rule(_IN + r"/jobs(/|$)", Scope.JOBS),
    _rule(_IN + r"/models(/|$)", Scope.MODELS),
    _rule(_IN + r"/online-endpoints(/|$)", Scope.ENDPOINTS),
    _rule(_IN + r"/computes(/|$)", Scope.OPERATE),
    _rule(_IN + r"/members(/|$)", Scope.WORKSPACES),
    _rule(_IN + r"(/archive|/restore)?$", Scope.WORKSPACES),
    _rule(r"^workspaces$", Scope.OPERATE),
    _rule(r"^(clusters|image-rules|fleet)(/|$)", Scope.OPERATE),
    _rule(r"^(users|invitations|tokens|system)(/|$)", Scope.ADMIN, also_to_look=True),
    _rule(r"^audit(/|$)", Scope.OPERATE, Scope.ADMIN, also_to_look=True),
    # Nothing changes here.
    _rule(r"^(search$|openapi\.json$|schemas/)"),
    _rule(_IN + r"/(audit(/|$)|yaml/check$)"),
]


def scopes_for(path: str) -> Rule | None:
    """Return the rule of an address below /api/v1/, or None when nobody has thought of it yet."""
    return next((rule for rule in RULES if rule.pattern.match(path)), None)


def ask_for_scope(request: HttpRequest, user: Any) -> None:
    """Raise `token-scope-needed` when the request's token was not made for what it asks."""
    token = token_of(user)
    if token is None:
        return
    looks = request.method in _LOOKS
    rule = scopes_for(request.path.removeprefix("/api/v1/"))
    if rule is None:
        # Unknown to the table: readable, and changed by nobody's token.
        allowed, needed = looks, "of a newer studio"
    else:
        allowed = (looks and not rule.also_to_look) or not rule.scopes or any(scope in token.scopes for scope in rule.scopes)
        needed = " or ".join(sorted(scope.value for scope in rule.scopes))
    if allowed:
        return
    if rule is not None and not any(_could_have(user, scope) for scope in rule.scopes):
        # No token of theirs would do: what they lack is the role.
        ask_for_role(request)
    raise ProblemError("token-scope-needed", scope=needed)


def _could_have(user: Any, scope: Scope) -> bool:
    return {Scope.ADMIN: user.is_admin, Scope.OPERATE: user.is_admin or user.is_operator}.get(scope, True)
