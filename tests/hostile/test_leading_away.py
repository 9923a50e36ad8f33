"""No address of the studio leads to another host, whatever is asked of it and wherever one came from, and no look changes anything."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from studio.accounts.models import User
from studio.audit.models import Entry
from studio.notices.models import Notice
from tests import access_asked
from tests.access_table import END, TABLE
from tests.conftest import People

pytestmark = pytest.mark.django_db
everything = access_asked.everything
AWAY = "//evil.example/%2e"
# What is given away is written down, and changes nothing.
GIVES = {END + "consume/keys/", "audit/export", "ops/audit/export"}
NAMES = ("next", "back", "return", "return_to", "url", "to", "from", "path", "redirect", "page")


def stays(location: str) -> bool:
    """Tell whether a browser that goes there from the studio stays with it."""
    parts = urllib.parse.urlsplit(urllib.parse.urljoin("http://testserver/", location.replace("\\", "/")))
    return parts.scheme in ("http", "https") and parts.netloc == "testserver"


def test_no_page_leads_away_and_none_changes_by_being_looked_at(people: People, everything: dict[str, str], client_for: Callable[..., Client]) -> None:
    client = client_for(people.admin, raise_request_exception=False)
    given = dict.fromkeys(NAMES, AWAY)
    away, changed, led = [], [], 0
    for method, pattern in TABLE:
        if pattern == "live/" or pattern.startswith(("api/", "runner/")):
            continue
        path, before = access_asked.filled(pattern, everything), Entry.objects.count()
        with transaction.atomic():
            answer: Any = client.generic(
                method, f"{path}?{urllib.parse.urlencode(given)}", urllib.parse.urlencode({**given, "do": "save", "name": "x", "action": "delete"}),
                content_type="application/x-www-form-urlencoded", headers={"Referer": f"http:{AWAY}"},
            )  # fmt: skip
            if method == "GET" and pattern not in GIVES and Entry.objects.count() != before:
                changed.append(path)
            transaction.set_rollback(True)
        for name in ("Location", "HX-Redirect", "HX-Location", "Refresh"):
            if name in answer.headers:
                led += 1
                away += [] if stays(answer.headers[name]) else [f"{method} {path}: {answer.headers[name]}"]
    assert led > 40 and away == []
    assert changed == [], "what a link or a picture of another site can ask for changes something"


@pytest.mark.parametrize("url", [AWAY, "https://evil.example/", "javascript:alert(1)", "/\\evil.example"])
def test_a_notice_leads_nobody_away(url: str, people: People, client_for: Callable[..., Client]) -> None:
    notice = Notice.objects.create(user=people.reader, kind="job-failed", title="x", url=url, about="x")
    answer = client_for(people.reader).get(reverse("notices:open", args=[notice.pk]))
    assert (answer.status_code, answer.headers["Location"]) == (302, reverse("notices:list"))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "testserver@evil.example"])
def test_the_host_that_a_request_names_is_in_no_link_that_is_handed_over(
    host: str, people: People, client_for: Callable[..., Client], settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    client = client_for(people.admin, raise_request_exception=False)
    answer = client.post("/api/v1/invitations", {"name": "Ada"}, content_type="application/json", headers={"Host": host})
    assert answer.status_code == 400 and b"evil" not in answer.content
    assert not User.objects.filter(username="Ada")
