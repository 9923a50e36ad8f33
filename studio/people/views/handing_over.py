"""The page that shows a link once."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from studio.people.invitations import Link
from studio.people.links import handed_over
from studio.people.views.frame import crumbs


@never_cache
def link_page(request: HttpRequest, link: Link, back: str) -> HttpResponse:
    """Show the link, to copy and hand over."""
    context = {"row": link.invitation, "back": back, "crumbs": crumbs(), "here": "Link", **handed_over(request, link)}
    return render(request, "people/link.html", context)
