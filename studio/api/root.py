"""The API `/api/v1`: mounts each app's operations, and answers every error as problem+json."""

from typing import Any

import structlog
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.operation import Operation

from compute.api import router as compute_router
from compute.network.api import router as network_router
from endpoints.api import router as endpoints_router
from jobs.api import router as jobs_router
from studio.api.auth import AUTH, signed_in
from studio.api.conditions import conditional
from studio.api.description import described
from studio.api.idempotency import keep, once
from studio.api.known import only_known
from studio.api.parser import BodyParser
from studio.api.roles import ask_for_role
from studio.api.seen import as_seen
from studio.assets.api import router as assets_router
from studio.assets.registry.api import router as models_router
from studio.audit.pages.api import router as audit_router
from studio.core.errors import MooringError, ProblemError, ProblemList
from studio.core.middleware import problem_response
from studio.frame.api import router as frame_router
from studio.notices.api import router as notices_router
from studio.people.api import ROUTERS as PEOPLE
from studio.saved.api import router as views_router
from studio.signin.api import router as signin_router
from studio.system.api import router as system_router

log = structlog.get_logger(__name__)


class StudioAPI(NinjaAPI):
    """The API with what holds for every operation: keys under which answers are kept, and ETags."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._descriptions: dict[str, Any] = {}

    def create_response(self, request: HttpRequest, data: Any, **how: Any) -> HttpResponse:
        """Return the answer of an operation; one that makes something is kept under the request's key."""
        response = super().create_response(request, data, **how)
        keep(request, response)
        return conditional(request, response)

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Name an operation after its function: a test says when two have the same name."""
        return operation.view_func.__name__

    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None) -> Any:
        """Return the description with examples, problems, keys and ETags; it takes a while, and is made once a process."""
        prefix = self.get_root_path(path_params or {}) if path_prefix is None else path_prefix
        if prefix not in self._descriptions:
            self._descriptions[prefix] = described(super().get_openapi_schema(path_prefix=prefix))
        return self._descriptions[prefix]


api = StudioAPI(title="Mooring", version="1", parser=BodyParser(), description="An ML studio for the Kubernetes you already have.",
               auth=AUTH, docs_url=None, docs_decorator=signed_in, urls_namespace="api")  # fmt: skip
api.add_decorator(once)
api.add_decorator(as_seen)
api.add_decorator(only_known)
for people_router in PEOPLE:
    api.add_router("", people_router)
api.add_router("", audit_router)
api.add_router("", signin_router)
api.add_router("", system_router)
api.add_router("", compute_router)
api.add_router("", network_router)
api.add_router("", assets_router)
api.add_router("", models_router)
api.add_router("", jobs_router)
api.add_router("", views_router)
api.add_router("", endpoints_router)
api.add_router("", frame_router)
api.add_router("", notices_router)


@api.exception_handler(MooringError)
def _told(request: HttpRequest, error: MooringError) -> HttpResponse:
    response = problem_response(request, error)
    assert response is not None
    return response


@api.exception_handler(Http404)
def _missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return _told(request, ProblemError("not-found"))


@api.exception_handler(AuthenticationError)
def _unknown_caller(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return _told(request, ProblemError("sign-in-needed"))


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    try:
        ask_for_role(request)
    except ProblemError as refusal:
        return _told(request, refusal)
    problems = [_misfit(issue) for issue in error.errors]
    return _told(request, ProblemList(problems) if len(problems) > 1 else problems[0])


def _misfit(issue: Any) -> ProblemError:
    """Return the problem of a value that does not fit, at its field as the caller has named it."""
    source, *path = issue["loc"]
    # A body stands under the name that the operation's own code has for it.
    place = ".".join(str(part) for part in (path[1:] if source == "body" else path)) or None
    what = "There is no such field here" if issue["type"] == "extra_forbidden" else issue["msg"]
    return ProblemError("request-invalid", field=place, text=f"{place or 'The request'}: {what}.")


@api.exception_handler(HttpError)
def _refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    if error.status_code == 403:
        return _told(request, ProblemError("csrf-failed"))
    try:
        ask_for_role(request)
    except ProblemError as refusal:
        return _told(request, refusal)
    if isinstance(error.__cause__, ProblemError):  # the body's parser says more
        return _told(request, error.__cause__)
    return _told(request, ProblemError("request-invalid", text=str(error)))


@api.exception_handler(DataError)
@api.exception_handler(OverflowError)
def _too_long(request: HttpRequest, error: OverflowError | DataError) -> HttpResponse:
    response = problem_response(request, error)
    assert response is not None
    return response


@api.exception_handler(Exception)
def _broken(request: HttpRequest, error: Exception) -> HttpResponse:
    if told := problem_response(request, error):
        return told
    log.error("API operation failed", path=request.path, exc_info=error)
    return _told(request, ProblemError("internal", request_id=getattr(request, "id", "")))
