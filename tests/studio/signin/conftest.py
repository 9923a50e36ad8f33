"""A person with a password, and codes as an authenticator app makes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.test import Client

from studio.accounts.models import User

PASSWORD = "correct horse battery 9"
LOGIN, SECOND = "/accounts/login/", "/accounts/2fa/authenticate/"


@pytest.fixture
def ada(db: None) -> User:
    """Make a person with a password."""
    return User.objects.create_user("ada", password=PASSWORD)


@pytest.fixture
def sign_in(client: Client) -> Callable[..., Any]:
    """Return a function that signs in at the page."""

    def enter(username: str = "ada", password: str = PASSWORD, *, client: Client = client, **more: Any) -> Any:
        return client.post(LOGIN, {"login": username, "password": password, **more})

    return enter


def code_of(secret: str, steps: int = 0) -> str:
    """Return the code of an authenticator app, now or some half minutes from now."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps)))


@pytest.fixture
def app_of_ada(ada: User) -> str:
    """Give ada an authenticator app and recovery codes; return the app's secret."""
    secret = str(generate_totp_secret())
    TOTP.activate(ada, secret)
    RecoveryCodes.activate(ada)
    return secret


def factors(user: User) -> set[str]:
    """Return the kinds of second factors that somebody has."""
    return set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
