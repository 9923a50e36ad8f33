"""Ask for the role before anything in a request is found wrong: a stranger learns nothing from a body that is not right.

An operation asks for its role itself. When its arguments cannot be read it never gets to do so; these rules stand in.
"""

import re
from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator
from django.http import HttpRequest

from studio.accounts.access import require_admin, require_operator, workspace_for
from studio.core.errors import ProblemError
from studio.tables.declared import TABLES

Check = Callable[[Any, dict[str, Any]], None]
_LOOKS = {"GET", "HEAD"}


def _operator(user: Any, given: dict[str, Any]) -> None:
    require_operator(user)


def _operator_told(user: Any, given: dict[str, Any]) -> None:
    if not (user.is_operator or user.is_admin):
        raise ProblemError("not-allowed", needed="the role operator")


def _admin(user: Any, given: dict[str, Any]) -> None:
    require_admin(user)


def _owner(user: Any, given: dict[str, Any]) -> None:
    workspace_for(user, given.get("workspace", ""), "owner")


def _reader(user: Any, given: dict[str, Any]) -> None:
    # Whoever sees a list may keep views of it.
    workspace_for(user, given["workspace"], "reader")


def _who_sees(user: Any, given: dict[str, Any]) -> None:
    table = TABLES.get(given["table"])
    if check := {"operator": require_operator, "admin": require_admin}.get(table.whose if table else ""):
        check(user)


def _own_factor(user: Any, given: dict[str, Any]) -> None:
    factor = str(given.get("factor", ""))
    if not (factor.isascii() and factor.isdecimal() and len(factor) < 19 and Authenticator.objects.filter(user=user, pk=factor).exists()):
        raise ProblemError("not-found")


def _whoever(user: Any, given: dict[str, Any]) -> None:
    """Refuse nobody: who comes brings a secret of their own."""


# (address below /api/v1/, also to look, what is asked for); the first that fits counts.
RULES: list[tuple[re.Pattern[str], bool, Check]] = [
    (re.compile(r"^invitations/accepted$"), False, _whoever),
    (re.compile(r"^me/second-factor/[^/]+/removed$"), False, _own_factor),
    (re.compile(r"^clusters(/|$)"), True, _operator),
    (re.compile(r"^fleet$"), True, _operator),
    (re.compile(r"^system(/|$)"), True, _admin),
    (re.compile(r"^audit(/|$)"), True, _operator),
    (re.compile(r"^workspaces/[^/]+/audit(/|$)"), True, _owner),
    (re.compile(r"^workspaces/[^/]+/views(/|$)"), True, _reader),
    (re.compile(r"^views/"), True, _who_sees),
    (re.compile(r"^image-rules(/|$)"), False, _operator),
    (re.compile(r"^workspaces/[^/]+/computes(/|$)"), False, _operator),
    (re.compile(r"^workspaces$"), False, _operator_told),
    (re.compile(r"^(users|invitations|tokens)(/|$)"), True, _admin),
    (re.compile(r"^workspaces/[^/]+(/archive|/restore|/members/[^/]+)?$"), False, _owner),
]


def ask_for_role(request: HttpRequest) -> None:
    """Raise what the caller is told who may not use this address at all."""
    path = request.path.removeprefix("/api/v1/")
    looks = request.method in _LOOKS
    given = request.resolver_match.kwargs if request.resolver_match else {}
    for pattern, also_to_look, check in RULES:
        if pattern.match(path) and (also_to_look or not looks):
            check(request.user, given)
            return
    if "workspace" in given:
        workspace_for(request.user, given["workspace"], "reader" if looks else "contributor")
