"""The tabs of "Your account", and small words of its pages."""

import json
from typing import Any

from django import template
from django.contrib.auth.password_validation import password_validators_help_texts
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest
from django.urls import reverse

from studio.signin import device as devices

register = template.Library()

# Every tab of "Your account", in order: what it says, the name of its address, and where its further pages lie.
TABS = [
    ("Profile", "account_profile", "/accounts/profile/"),
    ("Password", "account_change_password", "/accounts/password/"),
    ("Second factor", "mfa_index", "/accounts/2fa/"),
    ("Sessions", "account_sessions", "/accounts/sessions/"),
    ("API tokens", "people:tokens", "/accounts/tokens/"),
    ("Notifications", "notices:settings", "/notifications/settings/"),
]


@register.simple_tag(takes_context=True)
def account_tabs(context: template.Context) -> list[dict[str, Any]]:
    """Return the tabs of "Your account" for components/tabs.html."""
    request: HttpRequest = context["request"]
    return [{"title": title, "url": reverse(name), "active": request.path.startswith(below)} for title, name, below in TABS]


@register.simple_tag
def password_rules() -> list[str]:
    """Return what a password must be, to be read before one types."""
    return list(password_validators_help_texts())


@register.filter
def as_json(value: Any) -> str:
    """Return a value for an attribute that a script reads."""
    return json.dumps(value, cls=DjangoJSONEncoder)


@register.filter
def device(user_agent: str) -> str:
    """Return what a browser calls itself in words."""
    return devices.device(user_agent)


@register.filter
def is_phone(user_agent: str) -> bool:
    """Tell whether it is a device for the hand."""
    return devices.is_phone(user_agent)
