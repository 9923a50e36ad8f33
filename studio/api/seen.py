"""Hold a change to what its caller saw, where no row with a version does (`studio.api.conditions.matched`).

What a GET of the same address answers now is looked at again: when its ETag is none of those of `If-Match`, somebody was quicker.
Two changes within the same moment may both find it so; where that must not be, the row has a version.
"""

import copy
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, QueryDict

from studio.api.conditions import tags_in
from studio.api.roles import ask_for_role
from studio.core.errors import ProblemError

CHANGES = frozenset({"PUT", "PATCH", "DELETE"})
_OF_ANOTHER_METHOD = frozenset({"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IDEMPOTENCY_KEY", "QUERY_STRING"})


def as_seen(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Run a change that came with `If-Match` only while its address shows what the caller saw."""

    @wraps(operation)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        wanted = request.headers.get("If-Match", "").strip()
        if request.method in CHANGES and wanted not in ("", "*"):
            # A stranger learns nothing from a tag that is not right.
            ask_for_role(request)
            shown = _shown_now(request)
            if shown is not None and shown not in tags_in(wanted):
                raise ProblemError("precondition-failed")
        return operation(request, *args, **kwargs)

    return guarded


def _shown_now(request: HttpRequest) -> str | None:
    """Return the ETag of what the address shows; None where it shows nothing, or a row whose version is compared."""
    match = request.resolver_match
    assert match is not None
    look = copy.copy(request)
    look.method, look.resolver_match = "GET", match
    look.META = {name: value for name, value in request.META.items() if name not in _OF_ANOTHER_METHOD}
    look.GET = QueryDict()
    # Made of META once it was asked for.
    look.__dict__.pop("headers", None)
    answer = match.func(look, *match.args, **match.kwargs)
    if answer.status_code != 200 or hasattr(look, "row_version"):
        return None
    found = tags_in(answer.headers.get("ETag", ""))
    return found[0] if found else None
