"""What happens around every request: an id, a signed-in person, and problems shown where the person is."""

import re
import uuid
from collections.abc import Callable

import structlog
from django.contrib.auth.views import redirect_to_login
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render

from studio.core import caller
from studio.core.bodies import KEY
from studio.core.errors import MooringError, ProblemError, ProblemList
from studio.core.storage import IDS as STORAGE
from studio.core.storage import storage_problem

log = structlog.get_logger(__name__)

Answer = Callable[[HttpRequest], HttpResponseBase]
# Served without signing in. Everything else is closed; pods and the API bring their own tokens.
OPEN = re.compile(
    r"^/(accounts/(invitation/|login/|logout/|inactive/|signup/|2fa/authenticate/$|2fa/webauthn/login/$|oidc/)|static/|healthz$|readyz$|metrics$|runner/v1/|api/v1/)"
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


def request_id(get_response: Answer) -> Answer:
    """Give the request an id, bind it to the log, and send it back."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        asked = request.headers.get("X-Request-Id", "")
        id = asked if _REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex[:16]
        request.id = id  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=id)
        caller.begin(request, id)
        try:
            response = get_response(request)
        finally:
            caller.end()
        response.headers["X-Request-Id"] = id
        return response

    return middleware


def signed_in_only(get_response: Answer) -> Answer:
    """Send whoever is not signed in to the sign-in page, whatever they asked for."""

    def turned_away(request: HttpRequest, signed_in: bool) -> HttpResponseBase | None:
        if signed_in or OPEN.match(request.path):
            return None
        if request.headers.get("HX-Request") or request.path == "/live/":
            return HttpResponse(status=401, headers={"HX-Redirect": "/accounts/login/"})
        return redirect_to_login(request.get_full_path())

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return turned_away(request, request.user.is_authenticated) or get_response(request)

    return middleware


class ProblemPages:
    """Turn problems that a view lets through into a page (or JSON for the API) with the id and the next step."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return _in_words(request, self.get_response(request))

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return problem_response(request, error)


def refused_bodies(get_response: Answer) -> Answer:
    """Answer a request whose body was not taken (studio.core.bodies) with the reason."""

    def refusal(request: HttpRequest) -> HttpResponse | None:
        refused = getattr(request, "scope", {}).get(KEY)
        if not refused:
            return None
        id, params = refused
        response = problem_response(request, ProblemError(id, **params))
        assert response is not None
        # What is still on its way belongs to no further request.
        response.headers["Connection"] = "close"
        return response

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return refusal(request) or get_response(request)

    return middleware


def _in_words(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Put what Django answers with an empty 405 into words for programs."""
    if response.status_code != 405 or not request.path.startswith("/api/"):
        return response
    allowed = response.headers.get("Allow", "")
    told = problem_response(request, ProblemError("method-not-allowed", method=request.method, allowed=allowed))
    assert told is not None
    told.headers["Allow"] = allowed
    return told


def named(request: HttpRequest) -> dict[str, str]:
    """Return what an administrator finds the request by in the log, as part of a problem."""
    id = getattr(request, "id", "")
    return {"request_id": id} if id else {}


def problem_response(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return the answer to a problem, or None when the error is not one that people are told about."""
    if isinstance(error, Http404):
        error = ProblemError("not-found")
    if isinstance(error, OverflowError):
        # A number with more digits than the database or a file's offset has.
        error = ProblemError("request-invalid", text="A number is too long.")
    if isinstance(error, DataError):
        # Only PostgreSQL says so: a text longer than its column, or one with a zero character in it.
        log.warning("the database did not take a value", exc_info=error)
        error = ProblemError("request-invalid", text="A value is too long, or holds a character that cannot be kept.")
    if stored := storage_problem(error):
        log.warning("the database or the disk did not do its part", problem=stored.problem.id, exc_info=error)
        error = stored
    if not isinstance(error, MooringError):
        return None
    if not isinstance(error, ProblemError | ProblemList):
        log.error("error without a problem", exc_info=error)
        error = ProblemError("internal", request_id=getattr(request, "id", ""))
    problems = error.errors if isinstance(error, ProblemList) else [error]
    if request.path.startswith(("/api/", "/runner/")):
        words = error.as_dict() | named(request)
        response: HttpResponse = JsonResponse(words, status=error.status, content_type="application/problem+json")
    else:
        name = {403: "errors/403.html", 404: "errors/404.html"}.get(error.status, "errors/problem.html")
        # What the frame shows may be just what cannot be read.
        name = "errors/500.html" if problems[0].problem.id in STORAGE else name
        context = {"problem": problems[0], "problems": problems, "request_id": getattr(request, "id", "")}
        response = render(request, name, context, status=error.status)
    if seconds := getattr(problems[0], "params", {}).get("retry_after"):
        response["Retry-After"] = str(seconds)
    return response
