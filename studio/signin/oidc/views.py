"""To the OpenID provider and back."""

from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from studio.signin.oidc.adapter import OidcAccountAdapter
from studio.signin.oidc.provider import provider_id
from studio.signin.oidc.tokens import OidcAdapter, OidcError
from studio.signin.told import told


@require_GET
@never_cache
def login(request: HttpRequest) -> HttpResponse:
    """Lead to the provider, with state, nonce and PKCE kept in the session."""
    provider = OidcAccountAdapter(request).get_provider(request, _known(request))
    try:
        answer: HttpResponse = provider.redirect_from_request(request)
    except OidcError as error:
        return told(request, error.problem)
    return answer


@require_GET
@never_cache
def callback(request: HttpRequest) -> HttpResponse:
    """Take the provider's answer."""
    view = _Callback()
    view.request = request
    view.adapter = OidcAdapter(request, _known(request))
    try:
        answer: HttpResponse = view.dispatch(request)
    except ImmediateHttpResponse as stop:
        return stop.response  # type: ignore[no-any-return]
    except OidcError as error:
        return told(request, error.problem)
    return answer


class _Callback(OAuth2CallbackView):  # type: ignore[misc]
    """Hand what was kept at the beginning to whoever checks the token."""

    adapter: OidcAdapter

    def _get_state(self, request: HttpRequest, provider: Any) -> tuple[dict[str, Any] | None, HttpResponse | None]:
        state, response = super()._get_state(request, provider)
        self.adapter.state = state
        return state, response


def _known(request: HttpRequest) -> str:
    if not OidcAccountAdapter(request).list_apps(request):
        raise Http404
    return provider_id()
