"""Who calls the API: a program with a token, or a page of the signed-in person."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest, HttpResponse
from ninja.security import HttpBearer, SessionAuth

from studio.accounts.models import ApiToken, User
from studio.api.scopes import ask_for_scope
from studio.core.errors import ProblemError
from studio.signin.limits import count_wrong_token
from studio.signin.middleware import sets_it_up
from studio.signin.second_factor import lacks_one


class TokenAuth(HttpBearer):
    """`Authorization: Bearer mrg_…`."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        user = ApiToken.owner_of(token)
        if user is None:
            count_wrong_token(request)
            return None
        # From here on it is known who asks: what they are refused is written down.
        request.user = user
        if lacks_one(user) and not sets_it_up(request.path):
            raise ProblemError("second-factor-needed")
        ask_for_scope(request, user)
        return user


def person_behind(bearer: str, session_key: str) -> User | None:
    """Return the active person whose token or session this is, before there is a request of Django's."""
    if bearer:
        return ApiToken.owner_of(bearer)
    if not session_key:
        return None
    request = HttpRequest()
    request.session = SessionStore(session_key)
    person = get_user(request)
    return person if isinstance(person, User) and person.is_active else None


class BrowserAuth(SessionAuth):
    """The session of a signed-in person, whose pages carry a token against forged requests."""

    def __call__(self, request: HttpRequest) -> Any:
        # Who is not signed in is told so, rather than that a page's token is missing.
        return super().__call__(request) if request.user.is_authenticated else None


AUTH = [TokenAuth(), BrowserAuth(csrf=True)]


def signed_in(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Show the API's own description to signed-in people and programs alone."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not (AUTH[0](request) or request.user.is_authenticated):
            raise ProblemError("sign-in-needed")
        return view(request, *args, **kwargs)

    return guarded
