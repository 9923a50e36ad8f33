"""Where a person is signed in: list it, end one, end all others."""

from typing import Any

from allauth.usersessions.models import UserSession
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from studio.accounts.models import User
from studio.audit.services import record
from studio.core.caller import caller
from studio.core.errors import ProblemError
from studio.signin.device import device

# The last use of a session is noted at most this often.
NOTED_EVERY_S = 60


def note_use(request: HttpRequest) -> None:
    """Note that the request's session was used now, from this address."""
    key = request.session.session_key
    if not key:
        return
    seen = {"last_seen_at": timezone.now(), "ip": caller().address or "0.0.0.0"}  # noqa: S104 an address that is none
    if not UserSession.objects.filter(session_key=key).update(**seen):
        UserSession.objects.create_from_request(request)


def sessions_of(user: User) -> list[UserSession]:
    """Return the sessions in which a person is signed in, the last used first; those that have ended are dropped."""
    found: list[UserSession] = UserSession.objects.purge_and_list(user)
    return sorted(found, key=lambda session: session.last_seen_at, reverse=True)


def end_session(actor: Any, user: User, session_id: int) -> None:
    """End one session of `user`; its pages and its live stream end within seconds."""
    session = UserSession.objects.filter(user=user, pk=session_id).first()
    if session is None:
        raise ProblemError("not-found")
    with transaction.atomic():
        session.end()
        record(actor, "ended a session of", user, diff={"session": [told(session), None]})


def end_sessions(actor: Any, user: User, *, but: str = "", why: str = "") -> int:
    """End all sessions of `user`, except the one with the key `but`; return how many."""
    with transaction.atomic():
        ended = list(UserSession.objects.filter(user=user).exclude(session_key=but or "-"))
        for session in ended:
            session.end()
        if ended:
            record(actor, "ended the sessions of", user, diff={"sessions": [[told(one) for one in ended], why or None]})
    return len(ended)


def told(session: UserSession) -> str:
    """Return a session in words."""
    return f"{device(session.user_agent)}, {session.ip}"
