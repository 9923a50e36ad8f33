"""Tell whether a request comes from somebody: a signed-in person, a program with a token, or the pod of a job."""

import re
from http.cookies import CookieError, SimpleCookie

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections

from jobs.runner_api import job_behind
from studio.api.auth import person_behind
from studio.core.bodies import Scope

_JOB = re.compile(r"^/runner/v1/jobs/([^/]+)/")


async def is_known(scope: Scope) -> bool:
    """Tell whether somebody is behind a request that has not been read yet."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return await sync_to_async(_asked)(scope["path"], headers)


def _asked(path: str, headers: dict[str, str]) -> bool:
    close_old_connections()
    try:
        return knows(path, headers)
    finally:
        close_old_connections()


def knows(path: str, headers: dict[str, str]) -> bool:
    """Tell whether somebody is behind a request to `path` with these headers."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    if match := _JOB.match(path):
        return job_behind(match[1], bearer) is not None
    return person_behind(bearer, _session(headers.get("cookie", ""))) is not None


def _session(cookie: str) -> str:
    try:
        found = SimpleCookie(cookie).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return found.value if found else ""
