"""What of signing in is written into the audit log."""

from typing import Any

import structlog
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.signals import password_changed, password_set, user_logged_out
from allauth.mfa.signals import authentication_failed
from django.contrib import messages
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from studio.accounts.models import User
from studio.audit.models import Entry, Result
from studio.audit.services import record
from studio.signin.sessions import end_sessions

log = structlog.get_logger(__name__)

SIGNED_IN = "signed in"
FAILED = "failed to sign in"
_WORDS = {"totp": "authenticator app", "webauthn": "security key", "recovery_codes": "recovery code", "socialaccount": "OpenID Connect"}


def note_sign_in(request: HttpRequest, user: User) -> None:
    """Write that a person has signed in and with what; tell them of attempts that failed since the last time."""
    records = get_authentication_records(request, user)
    ways = list(dict.fromkeys(_way(one) for one in records))
    with transaction.atomic():
        failed = _failed_since_last(user)
        diff: dict[str, Any] = {"with": [None, ", ".join(ways)]}
        if failed:
            diff["failed before"] = [None, failed]
        record(user, SIGNED_IN, user, diff=diff)
    if failed:
        times = "One attempt" if failed == 1 else f"{failed} attempts"
        messages.warning(request, f"{times} to sign in with your name failed since you were last here.")


def note_failure(username: str, way: str) -> None:
    """Write that an attempt to sign in as somebody failed; of a name that nobody has, only the log of the process knows."""
    user = User.objects.filter(username__iexact=username).first()
    if user is None:
        # What was typed as a name may well be a password: it is written nowhere.
        log.info("sign-in failed", known=False)
        return
    log.info("sign-in failed", known=True, user=user.username)
    record(None, FAILED, user, diff={"with": [None, way]}, result=Result.REFUSED)


@receiver(authentication_failed)
def _second_factor_failed(sender: Any, *, user: User, authenticator: Any, **given: Any) -> None:
    note_failure(user.username, _WORDS.get(str(authenticator.type), "second factor"))


@receiver(user_logged_out)
def _signed_out(sender: Any, *, user: Any, **given: Any) -> None:
    if user is not None and user.pk:
        record(user, "signed out", user)


@receiver([password_changed, password_set])
def _password_changed(sender: Any, *, request: HttpRequest, user: User, **given: Any) -> None:
    note_new_password(user, but=request.session.session_key or "")


def note_new_password(user: User, *, but: str) -> None:
    """Write that a person has changed their password, and end their sessions except the one with the key `but`."""
    # Whoever knew the old password may be signed in somewhere.
    with transaction.atomic():
        record(user, "changed the password of", user)
        end_sessions(user, user, but=but, why="the password was changed")


def _failed_since_last(user: User) -> int:
    entries = Entry.objects.filter(target_kind="user", target_id=str(user.pk))
    last = entries.filter(verb=SIGNED_IN).order_by("-id").values_list("id", flat=True).first()
    return entries.filter(verb=FAILED, id__gt=last or 0).count()


def _way(record: dict[str, Any]) -> str:
    return _WORDS.get(str(record.get("type") or record.get("method")), str(record.get("method")))
