"""Record what was refused to somebody, or failed under them: changes alone, in a transaction of its own, and bounded.

What is wrong with the words somebody typed (400, 422) is no refusal: the page says so at the field. Who is not signed in
is not recorded at all, so that a stranger cannot fill the disk.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from studio.audit.models import Entry, Result
from studio.audit.services import write
from studio.core.caller import caller
from studio.core.storage import IDS as STORAGE

log = structlog.get_logger(__name__)

# So many refusals of one person are kept in an hour; the last one says that more are not.
MOST_AN_HOUR = 60
MOST_AN_HOUR_OF_ALL = 2000
_LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})
_MISTYPED = frozenset({400, 422})
_VERBS = {"POST": "asked to create", "PUT": "asked to set", "PATCH": "asked to change", "DELETE": "asked to delete"}
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def refusals(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Record changes that were asked for and not done."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if _counts(request, response):
            _record(request, response)
        return response

    return middleware


def _counts(request: HttpRequest, response: HttpResponseBase) -> bool:
    notes = caller().notes
    # Where nothing can be written, one more try would only have the person wait once more for the same answer.
    if request.method in _LOOKS or notes.recorded or notes.problem in STORAGE:
        return False
    # A page shows a refusal in its form or as a message, whatever its status; the API answers with it.
    shown = bool(notes.problem) and not request.path.startswith("/api/")
    return shown or (response.status_code >= 400 and response.status_code not in _MISTYPED)


def _record(request: HttpRequest, response: HttpResponseBase) -> None:
    person: Any = getattr(request, "user", None)
    if person is None or not person.is_authenticated:
        return
    notes = caller().notes
    status = notes.status or response.status_code
    result = Result.FAILED if status >= 500 else Result.REFUSED
    verb, target, workspace = attempted(request)
    diff: dict[str, Any] = {"request": ["", f"{request.method} {request.path[:300]}"], "status": ["", status]}
    problem = notes.problem or ("internal" if status >= 500 else "not-allowed")
    try:
        with transaction.atomic():
            left = _left_for(person)
            if left <= 0:
                return
            if left == 1:
                diff["more"] = ["", "further refusals within the hour are not recorded"]
            write(person, verb, target, workspace=workspace, diff=diff, result=result, problem=problem)
    except DatabaseError as error:
        # What was refused stays refused, whether or not it can be written down.
        log.error("refusal not recorded", error=str(error))


def _left_for(person: Any) -> int:
    """Return how many more refusals of `person` are taken now; counting stops at the bound."""
    hour_ago = timezone.now() - timedelta(hours=1)
    recent = Entry.objects.filter(result__in=(Result.REFUSED, Result.FAILED), problem__gt="", at__gt=hour_ago).order_by()
    own = recent.filter(actor_name=person.username)[:MOST_AN_HOUR].count()
    return min(MOST_AN_HOUR - own, MOST_AN_HOUR_OF_ALL - recent[:MOST_AN_HOUR_OF_ALL].count())


def attempted(request: HttpRequest) -> tuple[str, tuple[str, str, str], str]:
    """Return what a request asked for, read from its address: what of it, (kind, id, name), workspace."""
    match = request.resolver_match
    given = {key: str(value) for key, value in (match.kwargs if match else {}).items()}
    workspace = given.get("workspace") or given.get("space", "")
    kind = name = ""
    rest: list[str] = []
    before = ""
    for part in (match.route if match else "").strip("/").split("/"):
        parameter = _PARAMETER.search(part)
        if parameter:
            kind, name, rest = _singular(before), given.get(parameter[1], ""), []
        elif part not in ("-", "w", "ops", "api", "v1", "me", ""):
            rest.append(part)
        before = part
    if not name and rest:
        kind, *rest = _singular(rest[0]), *rest[1:]
    verb = f"asked for {' '.join(rest).replace('-', ' ')}" if rest else _VERBS.get(request.method or "", "asked for")
    return verb, (kind or "address", "", name or request.path), workspace


def _singular(word: str) -> str:
    word = word.replace("online-", "").replace("-", " ")
    return "workspace" if word == "w" else word[:-1] if word.endswith("s") else word
