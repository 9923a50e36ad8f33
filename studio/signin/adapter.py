"""How allauth behaves here: nobody signs up, every attempt is written down, and secrets are encrypted where they lie."""

import time
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from studio.core.errors import ProblemError
from studio.core.secrets import seal, unseal
from studio.signin.breakglass import may_use_password
from studio.signin.preferences import of, remember, show_theme
from studio.signin.trail import note_failure, note_sign_in


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-in with a password."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "The user name or the password is not right.",
        "incorrect_password": "The password is not right.",
        "enter_current_password": "The current password is not right.",
        "too_many_login_attempts": "Too many attempts failed; none is taken for now.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Close registration: an administrator makes accounts."""
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Lead nobody away: only paths of this very host are gone to after signing in.

        allauth's own rule lets every host pass where the studio may be called by any name, which is the default here.
        """
        request = context.request
        return url_has_allowed_host_and_scheme(url, allowed_hosts={request.get_host()}, require_https=request.is_secure())

    def is_reauthentication_required(self, *, app: str, **options: Any) -> bool:
        """Ask again who is there, unless they have just signed in."""
        request = context.request
        records = get_authentication_records(request, request.user)
        newest = max((float(record.get("at", 0)) for record in records), default=0.0)
        return time.time() - newest > app_settings.REAUTHENTICATION_TIMEOUT

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse too many attempts, and passwords where they are switched off."""
        super().pre_authenticate(request, **credentials)
        if not request.user.is_authenticated and not may_use_password(str(credentials.get("username") or "")):
            self._rollback_login_failed_rl_usage()
            problem = ProblemError("password-sign-in-off", provider=settings.OIDC_NAME)
            raise ValidationError(problem.text, code=problem.problem.id)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Count an attempt that failed."""
        note_failure(str(credentials.get("username") or ""), "password")

    def post_login(self, request: HttpRequest, user: Any, **options: Any) -> HttpResponse:  # type: ignore[override]
        """Write the sign-in down, and show the studio as the person wants it."""
        response: HttpResponse = super().post_login(request, user, **options)
        note_sign_in(request, user)
        remember(request)
        theme = of(user).theme
        if theme != "auto":
            show_theme(response, theme, secure=request.is_secure())
        return response


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Authenticator apps, security keys and recovery codes."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "The code is not right. A code of an app lives half a minute; a recovery code works once.",
    }

    def encrypt(self, text: str) -> str:
        return seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(encrypted_text)

    def get_totp_label(self, user: Any) -> str:
        return user.username

    def generate_authenticator_name(self, user: Any, type: Authenticator.Type) -> str:
        taken = Authenticator.objects.filter(user=user, type=type).count()
        return f"Key {taken + 1}"

    def get_public_key_credential_user_entity(self, user: Any) -> dict[str, Any]:
        entity: dict[str, Any] = super().get_public_key_credential_user_entity(user)
        return entity | {"name": user.username, "display_name": user.get_full_name() or user.username}
