"""A way in for one administrator when passwords are switched off and the OpenID provider does not answer."""

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from studio.accounts.models import User
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.signin.models import PasswordLeave
from studio.signin.second_factor import has_second_factor, reset_second_factor


def may_use_password(username: str) -> bool:
    """Tell whether this name may sign in with a password: everyone, or who was given leave for a while."""
    if settings.PASSWORD_SIGN_IN:
        return True
    return PasswordLeave.objects.filter(
        user__username__iexact=username, user__is_active=True, user__is_superuser=True, until__gt=timezone.now()
    ).exists()


def give_leave(username: str, *, minutes: int = 60, without_second_factor: bool = False) -> str:
    """Let an administrator sign in with a new password for some minutes; return the password, shown this once.

    Only the studio's own machine can ask for this: it takes the data folder.
    """
    user = User.objects.filter(username__iexact=username, is_superuser=True, is_active=True).first()
    if user is None:
        raise ProblemError("not-found")
    password = "-".join(secrets.token_hex(3) for _ in range(4))
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        until = timezone.now() + timedelta(minutes=minutes)
        PasswordLeave.objects.update_or_create(user=user, defaults={"until": until})
        record(None, "gave leave to use a password to", user, diff={"until": [None, until.isoformat()]})
        if without_second_factor and has_second_factor(user):
            reset_second_factor(None, user)
    return password
