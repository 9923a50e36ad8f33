"""The company's OpenID provider, as the settings name it; allauth finds the class by this module's name."""

import hashlib
import secrets
from typing import Any

from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from studio.signin.oidc.mapping import groups_in
from studio.signin.oidc.tokens import OidcAdapter

_KEPT = ("sub", "preferred_username", "email", "name")


class CompanyProvider(OpenIDConnectProvider):  # type: ignore[misc]
    """OpenID Connect with PKCE and a nonce, for signing in alone: nothing in an address changes what is asked for."""

    oauth2_adapter_class = OidcAdapter

    def get_login_url(self, request: HttpRequest, **given: Any) -> str:
        return reverse("oidc_login")

    def get_callback_url(self) -> str:
        return reverse("oidc_callback")

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        return {"process": AuthProcess.LOGIN, "next_url": get_next_redirect_url(request)}

    def redirect(self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **given: Any) -> Any:
        nonce = secrets.token_urlsafe(24)
        return super().redirect(request, process, next_url, data, auth_params={"nonce": nonce}, nonce=nonce)

    def get_oauth2_adapter(self, request: HttpRequest) -> OidcAdapter:
        return OidcAdapter(request, self.app.provider_id)

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        # What is kept of the claims; of the rest the studio has no use.
        claims = data["userinfo"]
        groups = sorted(groups_in(claims, settings.OIDC_GROUPS_CLAIM))
        return {name: claims[name] for name in _KEPT if isinstance(claims.get(name), str)} | {"groups": groups}


def provider_id() -> str:
    """Return under what the provider's people are kept: another issuer's are others, whatever they are called there."""
    return f"oidc-{hashlib.sha256(settings.OIDC_ISSUER.encode()).hexdigest()[:12]}"


def company_app() -> SocialApp | None:
    """Return allauth's description of the provider, never saved; None where none is set."""
    if not settings.OIDC_ISSUER:
        return None
    return SocialApp(
        provider=CompanyProvider.id,
        provider_id=provider_id(),
        name=settings.OIDC_NAME,
        client_id=settings.OIDC_CLIENT_ID,
        secret=settings.OIDC_CLIENT_SECRET,
        settings={"server_url": settings.OIDC_ISSUER.rstrip("/"), "oauth_pkce_enabled": True, "scope": settings.OIDC_SCOPES},
    )


provider_classes = [CompanyProvider]
