"""Names of people that are one name: nobody gets in beside somebody else by spelling theirs in another way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from studio.accounts.models import User
from tests.conftest import People

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("there", "alike"),
    [("fiona", "ﬁona"), ("fiona", "FIONA"), ("fiona", "ｆｉｏｎａ"), ("café", "cafe\u0301"), ("café", "CAFE\u0301"), ("straße", "STRASSE"),
     ("kelvin", "\u212aelvin"), ("ada", "ada\u200b"), ("ada", "\u202eada"), ("ada", "ada\n"), ("ada", "ada ")],
)  # fmt: skip
def test_a_name_that_is_somebodys_in_another_spelling_is_refused(there: str, alike: str, people: People, client_for: Callable[..., Any]) -> None:
    client = client_for(people.admin, raise_request_exception=False)
    assert client.post("/api/v1/users", {"username": there}, content_type="application/json").status_code == 201
    count = User.objects.count()
    answer = client.post("/api/v1/users", {"username": alike}, content_type="application/json")
    assert answer.status_code in (409, 422), (answer.status_code, answer.content)
    assert answer.json()["id"] in ("name-taken", "user-name-invalid")
    assert User.objects.count() == count
