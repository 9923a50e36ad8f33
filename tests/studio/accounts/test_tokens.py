"""Tokens of the API: made by a person who has signed in, revoked by whoever holds them."""

from __future__ import annotations

import pytest
from django.test import Client

from studio.accounts.models import ApiToken, User
from studio.audit.models import Entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="open sesame 123")


@pytest.fixture
def signed_in(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def test_a_signed_in_person_makes_a_token_that_works(signed_in: Client, ada: User) -> None:
    made = signed_in.post("/api/v1/me/tokens", {"name": "laptop"}, content_type="application/json")
    assert made.status_code == 201
    me = Client().get("/api/v1/me", headers={"Authorization": f"Bearer {made.json()['token']}"})
    assert me.json()["username"] == "ada"
    assert Entry.objects.filter(verb="issued", actor=ada, target_name="laptop").count() == 1


def test_a_token_makes_no_other_token(ada: User) -> None:
    clear = ApiToken.issue(ada, name="laptop")[1]
    refused = Client().post(
        "/api/v1/me/tokens", {"name": "second"}, content_type="application/json", headers={"Authorization": f"Bearer {clear}"}
    )
    assert refused.status_code == 403
    assert ApiToken.objects.count() == 1


def test_making_a_token_needs_the_pages_csrf_secret(ada: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)
    assert strict.post("/api/v1/me/tokens", {"name": "x"}, content_type="application/json").status_code in (401, 403, 422)
    assert not ApiToken.objects.exists()


def test_nobody_makes_no_token(client: Client) -> None:
    assert client.post("/api/v1/me/tokens", {"name": "x"}, content_type="application/json").status_code == 401


def test_a_token_revokes_itself_once(ada: User) -> None:
    clear = ApiToken.issue(ada, name="laptop")[1]
    held = {"Authorization": f"Bearer {clear}"}
    assert Client().delete("/api/v1/me/token", headers=held).status_code == 204
    assert Client().get("/api/v1/me", headers=held).status_code == 401
    assert Entry.objects.filter(verb="revoked").count() == 1
