"""The API's reference as a page of the studio, made on the server from the API's own description."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from studio.accounts.http import person_view
from studio.api.description import rows


@person_view
def reference(request: HttpRequest) -> HttpResponse:
    """Show every operation, or those that a search finds, with lines to copy."""
    from studio.api.root import api

    text = request.GET.get("q", "").strip()[:100]
    found = [row for row in rows(api.get_openapi_schema(), address=request.build_absolute_uri("/").rstrip("/")) if row.has(text)]
    # By tag, in the order in which the tags come first.
    order = list(dict.fromkeys(row.tag for row in found))
    sections = [(tag, [row for row in found if row.tag == tag]) for tag in order]
    return render(request, "help/api.html", {"q": text, "sections": sections, "count": len(found)})
