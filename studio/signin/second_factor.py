"""Second factors of people: who must have one, who has one, and taking them away when one is lost."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from studio.accounts.models import User
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.signin.sessions import end_sessions

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def has_second_factor(user: User) -> bool:
    """Tell whether a person has an authenticator app or a security key; recovery codes alone are none."""
    return Authenticator.objects.filter(user=user, type__in=FACTORS).exists()


def must_have_one(user: User) -> bool:
    """Tell whether the settings ask a person of these roles for a second factor."""
    asked = settings.SECOND_FACTOR_FOR
    return bool(asked) and (
        "everyone" in asked or (user.is_admin and "administrators" in asked) or (user.is_operator and "operators" in asked)
    )


def lacks_one(user: User, request: HttpRequest | None = None) -> bool:
    """Tell whether a person must have a second factor and has none.

    Where the OpenID provider asks for one itself (MOORING_OIDC_SECOND_FACTOR), who came from there has one: in this
    session for a browser, with any session for a token.
    """
    if not must_have_one(user) or has_second_factor(user):
        return False
    if not settings.OIDC_SECOND_FACTOR:
        return True
    if request is None:
        return not SocialAccount.objects.filter(user=user).exists()
    methods = request.session.get("account_authentication_methods") or []
    return not any(one.get("method") == "socialaccount" for one in methods)


def reset_second_factor(actor: Any, user: User) -> None:
    """Take away all second factors of a person and end their sessions: the next sign-in takes the password alone."""
    with transaction.atomic():
        rows = Authenticator.objects.filter(user=user)
        kinds = sorted({str(Authenticator.Type(one.type).label) for one in rows})
        if not kinds:
            raise ProblemError("second-factor-none", name=user.username)
        rows.delete()
        record(actor, "reset the second factor of", user, diff={"second factor": [kinds, None]})
        end_sessions(actor, user, why="the second factor was reset")
