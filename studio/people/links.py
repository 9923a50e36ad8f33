"""How a link with a secret gets from the studio to whom it is for."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from studio.core.addresses import public_url
from studio.people.invitations import Link, mail_link


def url_of(request: HttpRequest, link: Link) -> str:
    """Return the address to hand over."""
    return public_url(request, reverse("people:open-invitation", args=[link.secret]))


def handed_over(request: HttpRequest, link: Link) -> dict[str, Any]:
    """Return the link for this one answer, and whether it was also mailed."""
    url = url_of(request, link)
    return {"link": url, "link_expires_at": link.invitation.expires_at, "mailed": mail_link(link, url)}
