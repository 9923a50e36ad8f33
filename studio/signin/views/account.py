"""The tabs "Profile" and "Sessions" of a person's own account."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from studio.accounts.models import User
from studio.core.templatetags.mooring import THEME_COOKIE
from studio.signin import preferences, sessions
from studio.signin.forms import ProfileForm
from studio.signin.profile import change_profile


def profile(request: HttpRequest) -> HttpResponse:
    """Show and change how a person is called and how pages look to them."""
    user = _person(request)
    now = preferences.of(user)
    if request.method == "POST":
        form = ProfileForm(request.POST)
        if form.is_valid():
            return _saved(request, user, form)
    else:
        initial = {
            "first_name": user.first_name,
            "last_name": user.last_name,
            "time_zone": now.time_zone,
            "theme": request.COOKIES.get(THEME_COOKIE, now.theme),
        }
        form = ProfileForm(initial=initial)
    return render(request, "account/profile.html", {"form": form})


def list_sessions(request: HttpRequest) -> HttpResponse:
    """Show where a person is signed in."""
    found = sessions.sessions_of(_person(request))
    context = {"sessions": found, "current": request.session.session_key}
    return render(request, "account/sessions.html", context)


@require_POST
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one session; ending one's own leads to the sign-in page."""
    user = _person(request)
    sessions.end_session(user, user, session_id)
    messages.success(request, "The session has ended.")
    return redirect("account_sessions")


@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """End all sessions but this one."""
    user = _person(request)
    ended = sessions.end_sessions(user, user, but=request.session.session_key or "")
    messages.success(request, "There was no other session." if not ended else f"{ended} session{'s' if ended > 1 else ''} ended.")
    return redirect("account_sessions")


def _saved(request: HttpRequest, user: User, form: ProfileForm) -> HttpResponse:
    given = form.cleaned_data
    change_profile(user, user, **given)
    request.session[preferences.ZONE] = given["time_zone"]
    messages.success(request, "Saved.")
    response = redirect("account_profile")
    preferences.show_theme(response, given["theme"], secure=request.is_secure())
    return response


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
