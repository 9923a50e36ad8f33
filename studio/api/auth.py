"""Who calls the API: a program with a token, or a page of the signed-in person."""

from typing import Any

from django.http import HttpRequest
from ninja.security import HttpBearer, SessionAuth

from studio.accounts.models import ApiToken


class TokenAuth(HttpBearer):
    """`Authorization: Bearer mrg_…`."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        user = ApiToken.owner_of(token)
        if user is not None:
            request.user = user
        return user


AUTH = [TokenAuth(), SessionAuth(csrf=True)]
