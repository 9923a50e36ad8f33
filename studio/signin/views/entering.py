"""Coming in: the sign-in page, the second step, and being asked again."""

from typing import Any

from allauth.account import views as account
from allauth.account.adapter import get_adapter
from allauth.account.utils import passthrough_next_redirect_url
from allauth.mfa.base import views as factor
from allauth.mfa.webauthn import views as key
from django.conf import settings
from django.core.exceptions import ValidationError
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from studio.core.errors import ProblemError
from studio.signin.limits import seconds_until_sign_in, sign_in_too_often

TOO_OFTEN = {"too_many_login_attempts", "rate_limited"}
OFF = "password-sign-in-off"


class Told:
    """Answer what was refused with its status: 429 and when to come again, or 403."""

    request: HttpRequest

    def limit_key(self, form: BaseForm) -> str:
        """Return what attempts are counted by."""
        return f"mfa-auth-user-{getattr(form, 'user', self.request.user).pk}"

    def form_invalid(self, form: BaseForm) -> HttpResponse:
        codes = {error.code for errors in form.errors.as_data().values() for error in errors if isinstance(error, ValidationError)}
        problem = None
        if TOO_OFTEN & codes:
            problem = sign_in_too_often(seconds_until_sign_in(self.request, self.limit_key(form)))
        elif OFF in codes:
            problem = ProblemError(OFF, provider=provider_name())
        self.problem = problem
        response: HttpResponse = super().form_invalid(form)  # type: ignore[misc]
        if problem:
            response.status_code = problem.status
            if seconds := problem.params.get("retry_after"):
                response["Retry-After"] = str(seconds)
        return response

    def get_context_data(self, **given: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**given)  # type: ignore[misc]
        problem = getattr(self, "problem", None)
        return context | {"problem": problem, "problems": [problem] if problem else []}


class SignInView(Told, account.LoginView):  # type: ignore[misc]
    """The sign-in page: password, passkey, and the company's account."""

    def limit_key(self, form: BaseForm) -> str:
        return str(get_adapter()._get_login_attempts_cache_key(self.request, username=form.data.get("login", "")))

    def get_context_data(self, **given: Any) -> dict[str, Any]:
        asked = settings.PASSWORD_SIGN_IN or "password" in self.request.GET or self.request.method == "POST"
        return super().get_context_data(**given) | {"password_form": asked} | self._provider()


    def _provider(self) -> dict[str, str]:
        if not settings.OIDC_ISSUER:
            return {}
        url = passthrough_next_redirect_url(self.request, reverse("oidc_login"), self.redirect_field_name)
        return {"oidc_name": settings.OIDC_NAME, "oidc_url": url}


class SecondStepView(Told, factor.AuthenticateView):  # type: ignore[misc]
    """The second step of signing in: a code, or a key."""

    def get_context_data(self, **given: Any) -> dict[str, Any]:
        from allauth.mfa.models import Authenticator

        kinds = set(Authenticator.objects.filter(user=self.stage.login.user).values_list("type", flat=True))
        return super().get_context_data(**given) | {"kinds": kinds}


class AskAgainView(Told, account.ReauthenticateView):  # type: ignore[misc]
    """Ask for the password before a sensitive change."""

    def limit_key(self, form: BaseForm) -> str:
        return str(get_adapter()._get_login_attempts_cache_key(self.request, username=self.request.user.get_username()))


class AskForCodeView(Told, factor.ReauthenticateView):  # type: ignore[misc]
    """Ask for a code before a sensitive change."""


class AskForKeyView(Told, key.ReauthenticateWebAuthnView):  # type: ignore[misc]
    """Ask for the key before a sensitive change."""

    def form_invalid(self, form: BaseForm) -> HttpResponse:
        # allauth leads to the sign-in page, which leads a signed-in person home: show the page again instead.
        self.problem = None
        return self.render_to_response(self.get_context_data(form=form))


def provider_name() -> str:
    """Return what people call the OpenID provider."""
    return str(settings.OIDC_NAME)
