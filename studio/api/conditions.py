"""Conditions of requests: what is not read again because nothing changed, what is not changed because something did.

The ETag of an answer is a digest of what it says. Where a row with a version is shown it begins with that version, and
`If-Match` on a change compares it: whoever comes second is told so (412) and has changed nothing. For all else `studio.api.seen`
compares the digest.
"""

import hashlib
import re
from typing import Any

from django.db.models import F
from django.http import HttpRequest, HttpResponse

from studio.core.errors import ProblemError

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_LOOKS = {"GET", "HEAD"}


def matched(request: HttpRequest, row: Any) -> Any:
    """Return the row; note its version for the ETag of an answer, or hold a change to the version that it was asked for.

    The version is taken by compare-and-set, so that of two changes with the same `If-Match` one is refused.
    """
    if request.method in _LOOKS:
        request.row_version = row.version  # type: ignore[attr-defined]
        return row
    wanted = request.headers.get("If-Match", "").strip()
    if not wanted or wanted == "*":
        return row
    versions = [int(tag.partition(".")[0]) for tag in tags_in(wanted) if tag.partition(".")[0].isdecimal() and len(tag) < 80]
    rows = type(row)._default_manager.filter(pk=row.pk)
    if row.version not in versions or not rows.filter(version=row.version).update(version=F("version") + 1):
        raise ProblemError("precondition-failed")
    row.version += 1
    return row


def conditional(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Give a read answer its ETag; answer 304 when the caller has it already."""
    if request.method not in _LOOKS or response.status_code != 200:
        return response
    digest = hashlib.sha256(response.content).hexdigest()[:32]
    version = getattr(request, "row_version", None)
    tag = digest if version is None else f"{version}.{digest}"
    held = request.headers.get("If-None-Match", "")
    if held.strip() == "*" or tag in tags_in(held):
        response = HttpResponse(status=304)
        del response["Content-Type"]
    response["ETag"] = f'"{tag}"'
    response["Cache-Control"] = "private, no-cache"
    return response


def tags_in(header: str) -> list[str]:
    """Return the tags that a header names."""
    return _TAG.findall(header)
