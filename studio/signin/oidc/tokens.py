"""What the OpenID provider says, checked before anything of it is believed.

Followed is https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation; the signature is checked also where the
token came straight from the provider.
"""

from typing import Any

import jwt
import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from studio.core.errors import ProblemError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
CLOCKS_DIFFER_S = 60
_WHY: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "it has ended"),
    (jwt.ImmatureSignatureError, "it begins in the future: the clocks differ"),
    (jwt.InvalidIssuerError, "it is from another issuer"),
    (jwt.InvalidAudienceError, "it is for another client"),
    (jwt.InvalidSignatureError, "its signature is not the provider's"),
    (jwt.MissingRequiredClaimError, "something that has to be in it is missing"),
)


class OidcError(OAuth2Error):  # type: ignore[misc]
    """What the provider said cannot be used, or it said nothing; carries the problem that people are told."""

    def __init__(self, problem: ProblemError) -> None:
        super().__init__(str(problem))
        self.problem = problem


def refused(why: str) -> OidcError:
    """Return the error of an answer that is not believed."""
    return OidcError(ProblemError("oidc-token-invalid", why=why, provider=settings.OIDC_NAME))


class OidcAdapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """Talks to the provider."""

    # What was kept when the sign-in began; set by the view that takes the answer.
    state: dict[str, Any] | None = None

    @property
    def openid_config(self) -> dict[str, Any]:
        """Return what the provider says of itself, once a request; it must be the issuer that was set."""
        if not hasattr(self, "_openid_config"):
            config = self._asked(self.get_provider().server_url)
            if str(config.get("issuer", "")) != settings.OIDC_ISSUER:
                said = str(config.get("issuer", "none"))[:200]
                raise OidcError(ProblemError("oidc-issuer-wrong", provider=settings.OIDC_NAME, wanted=settings.OIDC_ISSUER, said=said))
            missing = [name for name in ("authorization_endpoint", "token_endpoint", "jwks_uri") if not isinstance(config.get(name), str)]
            if missing:
                raise refused(f"its description has no {missing[0]}")
            self._openid_config = config
        return self._openid_config

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return request.build_absolute_uri(reverse("oidc_callback"))

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **given: Any) -> Any:
        """Return who signed in, once the token holds: signature, issuer, client, times and the nonce of this very sign-in."""
        id_token = given["response"].get("id_token")
        if not isinstance(id_token, str):
            raise refused("there is none")
        claims = self._checked(id_token)
        endpoint = self.openid_config.get("userinfo_endpoint")
        if isinstance(endpoint, str):
            more = self._asked(endpoint, {"Authorization": f"Bearer {token.token}"})
            if more.get("sub") != claims["sub"]:
                raise refused("the person it names is not the one whose profile was answered")
            claims = {**claims, **more}
        return self.get_provider().sociallogin_from_response(request, {"userinfo": claims})

    def _checked(self, id_token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(id_token)
            key = self._key(str(header.get("kid", "")), str(header.get("alg", "")))
            claims: dict[str, Any] = jwt.decode(
                id_token,
                key,
                # The key says which algorithm it is for; what the token says of itself is not believed.
                algorithms=[key.algorithm_name],
                issuer=settings.OIDC_ISSUER,
                audience=settings.OIDC_CLIENT_ID,
                leeway=CLOCKS_DIFFER_S,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise refused(next((words for kind, words in _WHY if isinstance(error, kind)), "it cannot be read")) from error
        if claims.get("azp", settings.OIDC_CLIENT_ID) != settings.OIDC_CLIENT_ID:
            raise refused("it is for another client")
        if not self.state or claims.get("nonce") != self.state.get("nonce"):
            raise refused("it belongs to another sign-in")
        return claims

    def _key(self, kid: str, algorithm: str) -> jwt.PyJWK:
        if algorithm not in ALGORITHMS:
            raise refused("it is not signed in a way that is taken")
        keys = self._asked(self.openid_config["jwks_uri"]).get("keys")
        for one in keys if isinstance(keys, list) else ():
            if isinstance(one, dict) and one.get("use", "sig") == "sig" and (not kid or one.get("kid") == kid):
                try:
                    key = jwt.PyJWK(one, algorithm=one.get("alg") or algorithm)
                except jwt.PyJWTError:
                    continue
                if key.algorithm_name == algorithm:
                    return key
        raise refused("its signature is not the provider's")

    def _asked(self, url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        try:
            with get_adapter().get_requests_session() as session:
                answer = session.get(url, headers=headers, allow_redirects=False)
            answer.raise_for_status()
            found = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise OidcError(ProblemError("oidc-unreachable", provider=settings.OIDC_NAME)) from error
        if not isinstance(found, dict):
            raise refused("the provider's answer cannot be read")
        return found
