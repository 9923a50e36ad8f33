"""What another site makes a signed-in browser send changes nothing, at any address."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction
from django.test import Client

from studio.audit.models import Entry
from tests import access_asked
from tests.access_table import TABLE
from tests.conftest import People

pytestmark = pytest.mark.django_db
everything = access_asked.everything
# Who knows an invitation's secret needs nobody's session, and a browser asks first before it sends a PUT elsewhere.
BY_ITS_SECRET = {("PUT", "api/v1/invitations/accepted")}
# Those that a form of another site can send, and the API's own.
KINDS = ("text/plain", "application/json", "application/x-www-form-urlencoded")


def test_every_address_that_changes_something_asks_for_the_token_of_a_page(
    people: People, everything: dict[str, str], client_for: Callable[..., Client]
) -> None:
    client = client_for(people.admin, enforce_csrf_checks=True, raise_request_exception=False)
    taken, asked = [], 0
    before = Entry.objects.count()
    for method, pattern in TABLE:
        if method in ("GET", "HEAD") or pattern.startswith("runner/") or (method, pattern) in BY_ITS_SECRET:
            continue  # pods come with a token of their own, and no browser has it
        path = access_asked.filled(pattern, everything)
        kind = KINDS[asked % len(KINDS)]
        with transaction.atomic():
            answer = client.generic(method, path, "{}", kind, headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"})
            transaction.set_rollback(True)
        asked += 1
        # 405: the address has another method for what it does.
        if answer.status_code not in (403, 405):
            taken.append(f"{method} {path} as {kind}: {answer.status_code}")
    assert asked > 100 and taken == []
    assert Entry.objects.count() == before
