"""How often something may be tried, counted for all processes together, and what is told beyond it."""

import time

from allauth.core.internal.ratelimit import get_cache_key, get_rates
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse

from studio.core.errors import ProblemError
from studio.signin.told import told

MINUTE = 60


def too_often(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 429 with when to come again; allauth calls this when one of its limits is reached."""
    return told(request, sign_in_too_often(MINUTE))


def sign_in_too_often(seconds: int) -> ProblemError:
    """Return the problem of attempts that are not taken for some seconds."""
    return ProblemError("sign-in-too-often", wait=waiting(seconds), retry_after=seconds)


def seconds_until_sign_in(request: HttpRequest, key: str) -> int:
    """Return after how many seconds an attempt with this key is taken again."""
    longest = 1.0
    for rate in get_rates(app="allauth.account", action="login_failed"):
        history = cache.get(get_cache_key(request, app="allauth.account", action="login_failed", rate=rate, key=key)) or []
        if len(history) >= rate.amount:
            longest = max(longest, history[-1] + rate.duration - time.time())
    return int(longest) + 1


def waiting(seconds: int) -> str:
    """Return a wait in words."""
    minutes = -(-seconds // MINUTE)
    return "a minute" if minutes <= 1 else f"{minutes} minutes"


def count_wrong_token(request: HttpRequest) -> None:
    """Count a token that is not right; raise once its address has sent too many within a minute.

    Who sends a right token from the same address is let in all the same: offices share addresses.
    """
    count_wrong(request, "token")


def count_wrong(request: HttpRequest, what: str) -> None:
    """Count a secret, a `token` or a `link`, that opens nothing; raise once its address has sent too many within a minute."""
    key = f"wrong-{what}:{request.META.get('REMOTE_ADDR', '')}:{int(time.time()) // MINUTE}"
    cache.add(key, 0, 2 * MINUTE)
    try:
        count = cache.incr(key)
    except ValueError:  # gone in between
        return
    if count > settings.WRONG_TOKENS_A_MINUTE:
        seconds = MINUTE - int(time.time()) % MINUTE
        problem = {"token": "token-wrong-too-often", "link": "link-wrong-too-often"}[what]
        raise ProblemError(problem, wait="a minute", retry_after=seconds)
