"""What is handed over leads to the studio's own address, and whoever runs it is told where it has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from studio import environment as env
from studio.core.addresses import is_missing
from tests.conftest import People

FORGED = {"HTTP_HOST": "evil.example"}


@pytest.mark.django_db
def test_links_lead_to_the_address_that_was_set_whatever_name_a_request_came_by(
    people: People, client_for: Callable[..., Client], settings: Any
) -> None:
    settings.PUBLIC_URL, settings.EMAIL_HOST = "https://studio.example", "mail.example"
    client = client_for(people.admin)
    given = {"name": "Ada", "email": "ada@example.org"}
    link = client.post("/api/v1/invitations", given, content_type="application/json", **FORGED).json()["link"]
    assert link.startswith("https://studio.example/accounts/invitation/") and link in mail.outbox[0].body
    page = client.post("/ops/access/users/the-owner/password-link/", **FORGED).content.decode()
    assert "https://studio.example/accounts/invitation/" in page and "evil" not in page
    page = client.post("/accounts/tokens/new/", {"name": "laptop", "days": 1, "scopes": ["jobs"]}, **FORGED).content.decode()
    assert "https://studio.example" in page and "evil" not in page


@pytest.mark.django_db
def test_without_one_they_lead_where_the_request_came_from(people: People, client_for: Callable[..., Client]) -> None:
    answer = client_for(people.admin).post("/api/v1/invitations", {"name": "Ada"}, content_type="application/json")
    assert answer.json()["link"].startswith("http://testserver/accounts/invitation/")


@pytest.mark.parametrize(
    ("listens", "missing"),
    [("127.0.0.1:8080", False), ("8080", False), ("localhost:8080", False), ("[::1]:8080", False), ("0.0.0.0:8080", True), (":8080", True),
     ("[::]:8080", True), ("127.0.0.1:8080,10.0.0.5:8080", True), ("studio.internal:8080", True)],
)  # fmt: skip
def test_it_is_missing_where_others_can_come_in(listens: str, missing: bool, settings: Any) -> None:
    settings.LISTENS_ON = listens.split(",")
    assert is_missing() is missing
    settings.PUBLIC_URL = "https://studio.example"
    assert is_missing() is False


@pytest.mark.django_db
def test_the_system_page_and_its_answer_say_that_it_is_missing(people: People, client_for: Callable[..., Client], settings: Any) -> None:
    client = client_for(people.admin)
    assert "MOORING_PUBLIC_URL" not in client.get("/ops/system/").content.decode()
    settings.LISTENS_ON = ["0.0.0.0:8080"]
    assert "MOORING_PUBLIC_URL" in client.get("/ops/system/").content.decode()
    assert client.get("/api/v1/system").json()["address"] == {"public": "", "listens": ["0.0.0.0:8080"], "missing": True}


@pytest.mark.parametrize("value", ["studio.example", "ftp://studio.example", "https://studio.example/path", "https://me@studio.example", "https://:80", "https://x:no"])
def test_what_is_no_address_of_a_site_stops_the_start(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_X", value)
    with pytest.raises(env.SettingError, match=r"MOORING_X must be an address such as https://studio\.example"):
        env.origin("MOORING_X")


def test_an_address_of_a_site_is_taken_with_its_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_X", "https://[fd00::1]:8443/")
    assert env.origin("MOORING_X") == "https://[fd00::1]:8443"
    monkeypatch.delenv("MOORING_X")
    assert env.origin("MOORING_X") == ""
