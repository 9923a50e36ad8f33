"""Tell whether a request comes from somebody who may send much: a person, a program with a token, or the pod of a job."""

import re
from http.cookies import CookieError, SimpleCookie

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections

from jobs.runner_api import job_behind
from studio.accounts.access import workspace_for
from studio.api.auth import person_behind
from studio.core.bodies import Refusal, Scope
from studio.core.errors import ProblemError

_JOB = re.compile(r"^/runner/v1/jobs/([^/]+)/")
_WORKSPACE = re.compile(r"^/(?:w|api/v1/workspaces)/([^/]+)/")
UNKNOWN: Refusal = ("sign-in-needed", {})


async def why_no_body(scope: Scope) -> Refusal | None:
    """Say why whoever is behind a request that has not been read yet may send no large body; nothing where they may."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return await sync_to_async(_asked)(scope["path"], headers)


def _asked(path: str, headers: dict[str, str]) -> Refusal | None:
    close_old_connections()
    try:
        return refusal_of(path, headers)
    finally:
        close_old_connections()


def refusal_of(path: str, headers: dict[str, str]) -> Refusal | None:
    """Return the problem of a large body to `path` with these headers: nobody is behind it, or who may bring nothing into a workspace."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    if match := _JOB.match(path):
        return None if job_behind(match[1], bearer) else UNKNOWN
    person = person_behind(bearer, _session(headers.get("cookie", "")))
    if person is None:
        return UNKNOWN
    if match := _WORKSPACE.match(path):
        try:
            workspace_for(person, match[1], "contributor")
        except ProblemError as error:
            return error.problem.id, error.params
    return None


def _session(cookie: str) -> str:
    try:
        found = SimpleCookie(cookie).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return found.value if found else ""
