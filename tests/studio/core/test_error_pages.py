"""What went wrong carries the id of its request, by page, by a part of a page and by API; and nothing of what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from tests.access_asked import PLANTED, everything
from tests.conftest import People

__all__ = ["everything"]
pytestmark = pytest.mark.django_db

PAGE, API = "/w/team/endpoints/an-endpoint/consume/", "/api/v1/workspaces/team/online-endpoints/an-endpoint"
NEW_WORKSPACE = "/api/v1/workspaces"
MISSING = {403: ("/w/team/jobs/-/new/", NEW_WORKSPACE), 404: ("/w/team/jobs/none/", "/api/v1/workspaces/team/jobs/none")}
ID = "asked-for-by-a-test"
WAYS: dict[str, dict[str, str]] = {"page": {}, "part": {"HX-Request": "true"}, "API": {}}


def told(answer: Any, way: str) -> str:
    """Return the answer's text, once it was seen to name its request."""
    assert answer.headers["X-Request-Id"] == ID
    if way == "API":
        assert answer.headers["Content-Type"] == "application/problem+json" and answer.json()["request_id"] == ID
    text = str(answer.content.decode())
    assert ID in text
    return text


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", MISSING)
def test_what_is_refused_or_not_there_names_its_request(way: str, status: int, people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.reader)
    path = MISSING[status][way == "API"]
    answer = client.generic("POST" if path == NEW_WORKSPACE else "GET", path, "{}", "application/json", headers={"X-Request-Id": ID, **WAYS[way]})
    assert answer.status_code == status
    told(answer, way)


@pytest.mark.parametrize("way", WAYS)
def test_what_broke_names_its_request_and_none_of_its_secrets(
    way: str, people: People, everything: dict[str, str], client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*given: Any, **named: Any) -> None:
        from endpoints.models import Endpoint

        key = Endpoint.objects.get(name="an-endpoint").primary_key
        assert key == PLANTED
        raise RuntimeError(f"it broke with {key} in hand")

    for place in ("endpoints.selectors", "endpoints.views.consuming"):
        monkeypatch.setattr(f"{place}.endpoint_for", breaks)
    client = client_for(people.owner, raise_request_exception=False)
    answer = client.get(API if way == "API" else PAGE, headers={"X-Request-Id": ID, **WAYS[way]})
    assert answer.status_code == 500
    text = told(answer, way)
    assert PLANTED not in text and "RuntimeError" not in text and "Traceback" not in text
    assert "internal" in text


@pytest.mark.parametrize("way", WAYS)
def test_a_session_that_ends_under_way_says_to_sign_in_again(
    way: str, people: People, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.people import workspaces

    def ended_meanwhile(*given: Any, **named: Any) -> None:
        Session.objects.all().delete()

    monkeypatch.setattr(workspaces, "record", ended_meanwhile)
    client = client_for(people.owner)
    answer = client.post("/w/team/settings/", {"display_name": "Another"}, headers={"X-Request-Id": ID, **WAYS[way]})
    assert answer.status_code == 400
    text = told(answer, "page")
    assert "session-over" in text and "/accounts/login/" in text and "the-owner" not in text
    assert client.get("/w/team/settings/").status_code == 302


@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_is_not_the_studios_is_told_without_repeating_it(way: str, client: Client, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    answer = client.get(API if way == "API" else "/accounts/login/", headers={"X-Request-Id": ID, **WAYS[way]}, HTTP_HOST="evil.example")
    assert answer.status_code == 400
    text = told(answer, way)
    assert "request-unreadable" in text and "evil" not in text and "MOORING_ALLOWED_HOSTS" in text
