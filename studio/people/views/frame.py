"""What the pages of Access share: their tabs and crumbs."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

ACCESS = ("Access", "people:access")


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the tabs of Access: operators see the workspaces alone."""
    user: Any = request.user
    found = [("People", "people:users"), ("Invitations", "people:invitations"), ("Workspaces", "people:workspaces"),
             ("Tokens", "people:all-tokens")] if user.is_admin else [("Workspaces", "people:workspaces")]  # fmt: skip
    return [{"title": title, "url": reverse(name), "active": request.path.startswith(reverse(name))} for title, name in found]


def crumbs(*further: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the crumbs of a page below Access."""
    return [(ACCESS[0], reverse(ACCESS[1])), *further]
