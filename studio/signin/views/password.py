"""The tab "Password"."""

from typing import Any

from allauth.account.views import PasswordChangeView, PasswordSetView
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from studio.signin.breakglass import may_use_password


class _WhereThereAreAny:
    """Say so where passwords are switched off, instead of taking one that opens nothing."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.PASSWORD_SIGN_IN and not may_use_password(request.user.get_username()):
            return render(request, "account/password_off.html", status=403 if request.method == "POST" else 200)
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc,no-any-return]


class ChangePasswordView(_WhereThereAreAny, PasswordChangeView):  # type: ignore[misc]
    """Change one's password; all other sessions end."""


class FirstPasswordView(_WhereThereAreAny, PasswordSetView):  # type: ignore[misc]
    """Set a password where there is none yet: who came from the OpenID provider has none."""
