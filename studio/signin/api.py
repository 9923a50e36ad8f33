"""API operations on sessions and second factors."""

from typing import Any

from allauth.usersessions.models import UserSession
from django.http import HttpRequest
from ninja import Router

from studio.accounts.access import require_admin
from studio.accounts.models import User
from studio.api.paging import After, Limit, page_of
from studio.core.errors import ProblemError
from studio.signin import sessions
from studio.signin.device import device
from studio.signin.second_factor import reset_second_factor

router = Router(tags=["people"])
# Later than any moment: a key that falls as time goes on.
_LATEST = 10.0**10


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
