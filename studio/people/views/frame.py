"""What the pages of Access share: their tabs, and lists that answer htmx with the table alone."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
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


def chips(request: HttpRequest, name: str, choices: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the values of a filter as chips; each keeps the rest of the page's query."""
    now = request.GET.get(name, "")
    found = []
    for value, title in choices:
        query = request.GET.copy()
        for gone in (name, "after"):
            query.pop(gone, None)
        if value:
            query[name] = value
        found.append({"title": title, "url": f"?{query.urlencode()}", "active": now == value})
    return found


def listed(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """Answer with the page, or with its list alone when htmx asks for it."""
    part = request.htmx and not request.htmx.boosted  # type: ignore[attr-defined]
    return render(request, f"{template}#list" if part else template, context)
