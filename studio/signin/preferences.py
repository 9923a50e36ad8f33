"""How a person wants to see the studio, in whichever browser."""

from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from django.http import HttpRequest, HttpResponse

from studio.core.templatetags.mooring import THEME_COOKIE, THEMES
from studio.signin.models import Preferences

ZONE = "time_zone"
YEAR_S = 365 * 86400


@lru_cache(maxsize=1)
def zones() -> list[str]:
    """Return the names of all time zones that a person may choose."""
    named = (name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix/", "right/")))
    return [*sorted(named), "UTC"]


def of(user: Any) -> Preferences:
    """Return what a person has set; as the browser has it, when nothing was."""
    return Preferences.objects.filter(user=user).first() or Preferences(user=user)


def remember(request: HttpRequest) -> None:
    """Take the person's time zone into the session, so that pages need not look it up."""
    zone = of(request.user).time_zone
    if request.session.get(ZONE, "") != zone:
        request.session[ZONE] = zone


def show_theme(response: HttpResponse, theme: str, *, secure: bool) -> None:
    """Let the browser draw pages in this theme from the next one on."""
    if theme in THEMES:
        response.set_cookie(THEME_COOKIE, theme, max_age=YEAR_S, samesite="Lax", secure=secure)
