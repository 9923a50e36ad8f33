"""API operations on sessions, second factors and one's own password."""

from typing import Any

from allauth.usersessions.models import UserSession
from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from studio.accounts.access import require_admin
from studio.accounts.models import User
from studio.api.bodies import RequestBody
from studio.api.paging import After, Limit, page_of
from studio.core.errors import ProblemError
from studio.signin import own, sessions
from studio.signin.device import device
from studio.signin.second_factor import reset_second_factor

router = Router(tags=["people"])
# Later than any moment: a key that falls as time goes on.
_LATEST = 10.0**10


class PasswordIn(RequestBody):
    """The present password, as a token alone must not do this."""

    password: str = Field(max_length=4096)


class NewPassword(RequestBody):
    """The present password and the one that takes its place."""

    current_password: str = Field(max_length=4096)
    new_password: str = Field(max_length=4096)


class AppCode(RequestBody):
    """What the beginning of an authenticator app was answered, and the code that the app makes."""

    begun: str = Field(max_length=4096)
    code: str = Field(max_length=40)


@router.get("/me/sessions")
def list_sessions(request: HttpRequest, limit: Limit = 50, after: After = None) -> dict[str, Any]:
    """List where the caller is signed in with a browser, the last used first."""
    user: Any = request.user
    current = request.session.session_key
    found = sessions.sessions_of(user)
    return page_of(found, limit=limit, after=after, key=_last_used_first, show=lambda session: _shown(session, current))


@router.delete("/me/sessions/{session_id}", response={204: None})
def end_session(request: HttpRequest, session_id: int) -> tuple[int, None]:
    """End one of the caller's sessions; its pages and live streams end within seconds."""
    user: Any = request.user
    sessions.end_session(user, user, session_id)
    return 204, None


@router.delete("/me/sessions")
def end_sessions(request: HttpRequest) -> dict[str, int]:
    """End all of the caller's sessions, but not the one that asks."""
    user: Any = request.user
    return {"ended": sessions.end_sessions(user, user, but=request.session.session_key or "")}


@router.put("/me/password", response={204: None})
def change_password(request: HttpRequest, given: NewPassword) -> tuple[int, None]:
    """Change the caller's own password; all other sessions end, tokens stay as they are."""
    user: Any = request.user
    own.change_password(request, user, current=given.current_password, new=given.new_password)
    return 204, None


@router.get("/me/second-factor")
def show_second_factor(request: HttpRequest) -> dict[str, Any]:
    """Return the caller's own second factors, and whether their role needs one."""
    user: Any = request.user
    return own.factors_of(user)


@router.put("/me/second-factor/app/begun")
def begin_app(request: HttpRequest, given: PasswordIn) -> dict[str, Any]:
    """Begin an authenticator app; its secret is in this answer alone, and nothing holds before it is confirmed."""
    user: Any = request.user
    return own.begin_app(request, user, password=given.password)


@router.put("/me/second-factor/app")
def confirm_app(request: HttpRequest, given: AppCode) -> dict[str, Any]:
    """Add the authenticator app that was begun; the recovery codes are in this answer alone."""
    user: Any = request.user
    codes = own.confirm_app(user, begun=given.begun, code=given.code)
    return own.factors_of(user) | {"recovery_codes": codes}


@router.put("/me/second-factor/recovery-codes")
def renew_recovery_codes(request: HttpRequest, given: PasswordIn) -> dict[str, Any]:
    """Make new recovery codes, which are in this answer alone; the old ones open nothing any more."""
    user: Any = request.user
    return {"recovery_codes": own.new_codes(request, user, password=given.password)}


@router.put("/me/second-factor/{factor}/removed", response={204: None})
def remove_second_factor(request: HttpRequest, factor: int, given: PasswordIn) -> tuple[int, None]:
    """Take away one of the caller's own second factors; with the last one the recovery codes go."""
    user: Any = request.user
    own.remove_factor(request, user, factor, password=given.password)
    return 204, None


@router.delete("/users/{username}/second-factor", response={204: None})
def reset_person_second_factor(request: HttpRequest, username: str) -> tuple[int, None]:
    """Take away a person's second factors and end their sessions; for administrators."""
    require_admin(request.user)
    user = User.objects.filter(username=username).first()
    if user is None:
        raise ProblemError("not-found")
    reset_second_factor(request.user, user)
    return 204, None


def _last_used_first(session: UserSession) -> str:
    return f"{_LATEST - session.last_seen_at.timestamp():017.6f} {session.pk:020}"


def _shown(session: UserSession, current: str | None) -> dict[str, Any]:
    return {
        "id": session.pk,
        "device": device(session.user_agent),
        "address": session.ip,
        "signed_in_at": session.created_at.isoformat(),
        "last_used_at": session.last_seen_at.isoformat(),
        "current": session.session_key == current,
    }
