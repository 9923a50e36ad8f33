"""Parts that every page uses: error pages, and one way to page through a list."""

import sys
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import DisallowedHost
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from studio.core.errors import ProblemError
from studio.core.middleware import named, problem_response
from studio.core.storage import storage_problem

COUNTED_TO = 1000
LONGEST_KEY = 18


def unreadable(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 400 to what Django gave up on: a session that ended under way, a foreign host name, a body that is none."""
    if isinstance(exception, SessionInterrupted):
        # Who was signed in when the request came is so no more.
        request.user = AnonymousUser()
        return _error(request, "errors/400.html", "session-over", 400)
    foreign = isinstance(exception, DisallowedHost)
    name = "The studio does not answer under the name in this address. An operator allows names with `MOORING_ALLOWED_HOSTS`."
    text = name if foreign else "What came with it could not be read."
    return _error(request, "errors/400.html", "request-unreadable", 400, text=text)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404 in the studio's frame."""
    return _error(request, "errors/404.html", "not-found", 404)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403 in the studio's frame."""
    return _error(request, "errors/403.html", "not-allowed", 403)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form whose token is missing or old; `reason` is for the log alone."""
    return problem_response(request, ProblemError("csrf-failed")) or HttpResponse(status=403)


def broken(request: HttpRequest) -> HttpResponse:
    """Answer 500 with the request's id; the page needs neither the database nor a session.

    A disk that is full, or a database that is away, is told as that, wherever on a request's way it was met.
    """
    met = sys.exc_info()[1]
    told = problem_response(request, met) if isinstance(met, Exception) and storage_problem(met) else None
    return told or _error(request, "errors/500.html", "internal", 500)


def _error(request: HttpRequest, template: str, id: str, status: int, **words: Any) -> HttpResponse:
    request_id = getattr(request, "id", "")
    problem = ProblemError(id, request_id=request_id, needed="another role", **words)
    if request.path.startswith(("/api/", "/runner/")):
        return JsonResponse(problem.as_dict() | named(request), status=status, content_type="application/problem+json")
    return render(request, template, {"problem": problem, "request_id": request_id}, status=status)


@dataclass(frozen=True)
class Page:
    """One page of a list: its rows, how many there are (`1,000+` beyond that), and where the next one starts."""

    rows: list[Any]
    count: int
    next: str | None

    @property
    def count_text(self) -> str:
        return f"{COUNTED_TO:,}+" if self.count > COUNTED_TO else f"{self.count:,}"


def keyset_page(rows: QuerySet[Any], *, after: str = "", size: int = 50) -> Page:
    """Return the rows after key `after`, newest first by id; counts stop at 1,001, so that they stay cheap."""
    count = rows.order_by()[: COUNTED_TO + 1].count()
    wanted = rows.order_by("-pk")
    if after.isdecimal():
        if len(after) > LONGEST_KEY:
            raise ProblemError("request-invalid", text="`after` is not the `next` of a page before.")
        wanted = wanted.filter(pk__lt=int(after))
    found = list(wanted[: size + 1])
    return Page(found[:size], count, str(found[size - 1].pk) if len(found) > size else None)
