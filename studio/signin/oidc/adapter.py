"""Who comes from the OpenID provider: known by its id for them, never by name, and by e-mail only where that is allowed."""

from typing import Any

import structlog
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthError
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Lower
from django.http import HttpRequest

from studio.accounts.models import User
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.signin.oidc.provider import company_app
from studio.signin.oidc.roles import follow_groups
from studio.signin.oidc.tokens import OidcError
from studio.signin.told import told

log = structlog.get_logger(__name__)


class OidcAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Accounts of people who sign in with the company's provider."""

    def list_apps(self, request: HttpRequest, provider: str | None = None, client_id: str | None = None) -> list[SocialApp]:
        """Return the one provider of the settings; the database holds none."""
        app = company_app()
        return [app] if app and provider in (None, app.provider, app.provider_id) else []

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Let people in whom the provider lets in."""
        return True

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find the account, and bring its roles in step with the groups."""
        if not sociallogin.is_existing:
            self._meet_existing(request, sociallogin)
        user = sociallogin.user
        if sociallogin.is_existing and isinstance(user, User) and user.is_active:
            follow_groups(user, _groups(sociallogin))

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Make the account of a new person: without any role but those of their groups, and without a password."""
        with transaction.atomic():
            user: User = super().save_user(request, sociallogin, form)
            record(None, "came from the OpenID provider", user, diff={"id there": [None, sociallogin.account.uid]})
            follow_groups(user, _groups(sociallogin))
        return user

    def on_authentication_error(self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None,
                                extra_context: Any = None) -> None:  # fmt: skip
        """Tell what went wrong as a problem."""
        said = request.GET.get("error", "")[:100]
        log.warning("sign-in by OpenID Connect failed", error=str(error), said=said, exception=str(exception)[:500])
        raise ImmediateHttpResponse(told(request, _problem(error, exception, said)))

    def _meet_existing(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Deal with an account that is there under the same e-mail address: take it only where that is allowed and proven."""
        addresses = {one.email.lower(): one.verified is True for one in sociallogin.email_addresses}
        found = list(User.objects.annotate(address=Lower("email")).filter(address__in=addresses, deleted_at=None)[:2])
        if not found:
            return
        user = found[0]
        if len(found) > 1 or not settings.OIDC_LINK_BY_EMAIL or not addresses[user.email.lower()]:
            raise ImmediateHttpResponse(told(request, ProblemError("oidc-account-exists", provider=settings.OIDC_NAME)))
        with transaction.atomic():
            sociallogin.connect(request, user)
            record(user, "linked an OpenID account to", user, diff={"id there": [None, sociallogin.account.uid]})

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Send nothing: the audit log has it."""


def _groups(sociallogin: SocialLogin) -> frozenset[str]:
    return frozenset(sociallogin.account.extra_data.get("groups") or ())


def _problem(error: Any, exception: Any, said: str) -> ProblemError:
    name = settings.OIDC_NAME
    if isinstance(exception, OidcError):
        return exception.problem
    if said or error == AuthError.CANCELLED:
        return ProblemError("oidc-refused", provider=name, said=said or "cancelled")
    if exception is None:
        return ProblemError("oidc-state-unknown", provider=name)
    return ProblemError("oidc-token-invalid", provider=name, why="the provider gave none for the code")
