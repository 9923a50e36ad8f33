"""What every page knows of the person: their time zone, and the links of their menu."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from studio.signin.preferences import ZONE


def person(request: HttpRequest) -> dict[str, Any]:
    """Return the time zone of the person's pages and the links of the person's menu."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    links = [{"title": "Your account", "url": reverse("account_profile"), "icon": "user"},
             {"title": "Documentation", "url": reverse("documentation"), "icon": "book"},
             {"title": "API reference", "url": reverse("api-reference"), "icon": "code"}]  # fmt: skip
    return {"time_zone": request.session.get(ZONE, ""), "person_links": links}
