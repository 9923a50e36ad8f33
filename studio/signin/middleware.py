"""What happens around the requests of a signed-in person: the last use is noted, and a missing second factor comes first."""

import re
from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from studio.core.errors import ProblemError
from studio.core.middleware import problem_response
from studio.core.storage import write_if_possible
from studio.signin.preferences import ZONE, remember
from studio.signin.second_factor import lacks_one
from studio.signin.sessions import NOTED_EVERY_S, note_use

Next = Callable[[HttpRequest], HttpResponseBase]
# What a person without the second factor that is asked for may still use.
_SETTING_IT_UP = re.compile(r"^/(accounts/(2fa|reauthenticate|logout|password)/|api/v1/me/second-factor(/|$)|static/|healthz$|readyz$)")


def sets_it_up(path: str) -> bool:
    """Tell whether an address may still be used by who lacks the second factor that is asked for."""
    return _SETTING_IT_UP.match(path) is not None


def _before(look: Callable[[HttpRequest], HttpResponseBase | None]) -> Callable[[Next], Next]:
    """Make a middleware of a function that answers a request itself, or lets it go on by answering None."""

    def make(get_response: Next) -> Next:
        return lambda request: look(request) or get_response(request)

    return make


def _noted(request: HttpRequest) -> None:
    zone = request.session.get(ZONE) if request.user.is_authenticated else None
    timezone.activate(zone) if zone else timezone.deactivate()
    key = request.session.session_key if request.user.is_authenticated else None
    if key and cache.add(f"session-used:{key}", 1, NOTED_EVERY_S):
        write_if_possible(lambda: note_use(request))
        remember(request)


def _second_factor(request: HttpRequest) -> HttpResponseBase | None:
    person: Any = request.user
    if not person.is_authenticated or sets_it_up(request.path) or not lacks_one(person, request):
        return None
    if request.path.startswith("/api/"):
        return problem_response(request, ProblemError("second-factor-needed"))
    page = reverse("mfa_index")
    if request.headers.get("HX-Request") or request.path == "/live/":
        return HttpResponse(status=403, headers={"HX-Redirect": page})
    return HttpResponseRedirect(page)


remember_use = _before(_noted)
second_factor_first = _before(_second_factor)
