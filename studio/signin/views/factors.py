"""The tab "Second factor": what there is, adding to it, taking away. Each change is written down with it."""

from typing import Any, ClassVar

from allauth.mfa.base import views as base
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as key
from django.conf import settings
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy

from studio.audit.services import record
from studio.signin.second_factor import has_second_factor, lacks_one, must_have_one
from studio.signin.views.entering import Told

INDEX = reverse_lazy("mfa_index")


class SecondFactorView(base.IndexView):  # type: ignore[misc]
    """What a person has, and what they may add."""

    def get_context_data(self, **given: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**given)
        person: Any = self.request.user
        host = self.request.get_host().partition(":")[0]
        return context | {
            "wanted": lacks_one(person, self.request),
            "must": must_have_one(person),
            "has_factor": has_second_factor(person),
            "keys_possible": self.request.is_secure() or host == "localhost",
            "passkeys": settings.MFA_PASSKEY_LOGIN_ENABLED,
        }


class _WrittenDown:
    """Write what a form changes into the audit log, in the transaction that changes it."""

    request: HttpRequest
    verb: ClassVar[str]
    kind: ClassVar[str]

    def form_valid(self, form: BaseForm) -> HttpResponse:
        person = self.request.user
        before, after = (None, self.kind) if self.verb.startswith("added") else (self.kind, None)
        with transaction.atomic():
            response: HttpResponse = super().form_valid(form)  # type: ignore[misc]
            record(person, self.verb, person, diff={"second factor": [before, after]})  # type: ignore[arg-type]
        return response


class AddAppView(Told, _WrittenDown, totp.ActivateTOTPView):  # type: ignore[misc]
    """Add an authenticator app."""

    verb, kind = "added a second factor of", "authenticator app"


class RemoveAppView(_WrittenDown, totp.DeactivateTOTPView):  # type: ignore[misc]
    """Remove the authenticator app."""

    verb, kind = "removed a second factor of", "authenticator app"


class AddKeyView(_WrittenDown, key.AddWebAuthnView):  # type: ignore[misc]
    """Add a security key or a passkey."""

    verb, kind = "added a second factor of", "security key"

    def get_context_data(self, **given: Any) -> dict[str, Any]:
        # allauth drops the form that was sent, and with it what was wrong.
        context: dict[str, Any] = super().get_context_data(**given)
        return context | {"form": given.get("form") or context["form"]}


class RemoveKeyView(_WrittenDown, key.RemoveWebAuthnView):  # type: ignore[misc]
    """Remove a key."""

    verb, kind, success_url = "removed a second factor of", "security key", INDEX


class RenameKeyView(key.EditWebAuthnView):  # type: ignore[misc]
    """Give a key another name."""

    success_url = INDEX


class NewCodesView(_WrittenDown, codes.GenerateRecoveryCodesView):  # type: ignore[misc]
    """Make new recovery codes; the old ones open nothing any more."""

    verb, kind = "added a second factor of", "recovery codes"
