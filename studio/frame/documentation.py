"""The documentation as pages of the studio, and which of them helps with the page that one looks at."""

import mimetypes
import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import condition, require_safe

from studio.accounts.http import person_view
from studio.core.errors import ProblemError

# What the page at an address is told of in, first match first; the documentation's own first page for all others.
GUIDES = (
    (r"/w/[^/]+/jobs/", "users/jobs"),
    (r"/w/[^/]+/models/", "users/models"),
    (r"/w/[^/]+/endpoints/", "users/endpoints"),
    (r"/w/[^/]+/computes/", "users/computes"),
    (r"/w/[^/]+/(members|settings)/", "operators/access"),
    (r"/w/[^/]+/audit/", "operators/audit"),
    (r"/w/[^/]+/$", "users/start"),
    (r"/(search|notifications)/", "users/finding-your-way"),
    (r"/accounts/", "users/account"),
    (r"/ops/clusters/[^/]+/extension/", "operators/extension"),
    (r"/ops/clusters/[^/]+/network/", "operators/network"),
    (r"/ops/(clusters/.*)?$", "operators/clusters"),
    (r"/ops/access/", "operators/access"),
    (r"/ops/audit/", "operators/audit"),
    (r"/ops/images/", "users/endpoints"),
    (r"/ops/system/", "operators/system"),
    (r"/admin/", "operators/console"),
    (r"/help/api/", "contributors/ways"),
)


def help_for(path: str) -> str:
    """Return the address of the guide to the page at `path`."""
    return "/docs/" + next((guide for pattern, guide in GUIDES if re.match(pattern, path)), "")


def _file_of(request: HttpRequest, page: str = "") -> Path | None:
    """Return the file of the built site: a page is asked for with or without its ending, a folder by its index."""
    site = Path(settings.DOCUMENTATION).resolve()
    for name in (page, f"{page}.html", f"{page}/index.html"):
        try:
            file = (site / name.lstrip("/")).resolve()
            if file.is_file() and file.is_relative_to(site) and not file.name.startswith("."):
                return file
        except (OSError, ValueError):  # a name that no file has: too long, or with a null in it
            return None
    return None


def _tag_of(request: HttpRequest, page: str = "") -> str | None:
    file = _file_of(request, page)
    if file is None:
        return None
    found = file.stat()
    return f'"{found.st_mtime_ns:x}-{found.st_size:x}"'


@require_safe
@person_view
@gzip_page
@condition(etag_func=_tag_of)
def page(request: HttpRequest, page: str = "") -> HttpResponse:
    """Answer a page of the documentation, or what one loads."""
    file = _file_of(request, page)
    if file is None:
        if not Path(settings.DOCUMENTATION, "index.html").is_file():
            raise ProblemError("documentation-not-built")
        raise Http404
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    told: dict[str, Any] = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    return HttpResponse(file.read_bytes(), content_type=f"{kind}; charset=utf-8" if kind.startswith("text/") else kind, headers=told)
