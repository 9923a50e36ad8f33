"""From where the change at hand was asked for: known to everything below a request, empty in tasks.

The middleware sets it for each request and the API's sign-in adds the token, so that no call has to hand it on.
"""

from __future__ import annotations

import ipaddress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.http import HttpRequest

# How the command line names itself; `mooring.Client` without it is a program using the API.
COMMAND_LINE = "mooring-cli/"


# A problem of these kinds means that what was asked for was refused, or failed; others say that it was mistyped.
_MISTYPED = frozenset({400, 422})


@dataclass
class Notes:
    """What came of the request so far, wherever below it that was found out."""

    recorded: bool = False
    problem: str = ""
    status: int = 0


@dataclass(frozen=True)
class Caller:
    """By what means and from where somebody asks; nothing of it for what the studio does by itself."""

    via: str = "system"
    address: str = ""
    agent: str = ""
    request_id: str = ""
    token_id: int | None = None
    token_name: str = ""
    notes: Notes = field(default_factory=Notes, compare=False, repr=False)


NOBODY = Caller()
_caller: ContextVar[Caller] = ContextVar("caller", default=NOBODY)


def caller() -> Caller:
    """Return from where the change at hand was asked for."""
    return _caller.get()


def begin(request: HttpRequest, request_id: str) -> None:
    """Take the facts of a request; `end` forgets them."""
    agent = "".join(c for c in request.headers.get("User-Agent", "") if c.isprintable())[:200]
    api = request.path.startswith("/api/")
    via = "page" if not api else "cli" if agent.startswith(COMMAND_LINE) else "api"
    _caller.set(Caller(via, _address(request.META.get("REMOTE_ADDR", "")), agent, request_id))


def end() -> None:
    """Forget the request."""
    _caller.set(NOBODY)


def with_token(id: int, name: str) -> None:
    """Add the token that the request came with."""
    _caller.set(replace(_caller.get(), token_id=id, token_name=name))


def note_recorded() -> None:
    """Note that what the request did is written down."""
    if (asked := _caller.get()) is not NOBODY:
        asked.notes.recorded = True


def note_problem(id: str, status: int) -> None:
    """Note that the request ran into a problem, also when a view shows it as a part of a page."""
    if (asked := _caller.get()) is not NOBODY and status not in _MISTYPED:
        asked.notes.problem, asked.notes.status = id, status


def _address(given: str) -> str:
    try:
        return str(ipaddress.ip_address(given))
    except ValueError:
        return ""
