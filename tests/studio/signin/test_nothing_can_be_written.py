"""Who only looks is not kept from it by a database that takes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client

from studio.accounts.models import ApiToken, Scope
from studio.core import storage
from studio.core.away import Away
from tests.conftest import People

# Outside of a transaction, as requests are: within one the first error would end it.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Refuse whatever writes, as a read-only database does; give what was tried."""
    tried: list[str] = []
    monkeypatch.setattr(storage, "_WRITES", Away(slow_seconds=-1, quiet_seconds=30))

    def refuse(execute: Callable[..., Any], sql: str, *given: Any) -> Any:
        if sql.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            tried.append(sql)
            cause = sqlite3.OperationalError("attempt to write a readonly database")
            cause.sqlite_errorcode = 8
            raise OperationalError(str(cause)) from cause
        return execute(sql, *given)

    with connection.execute_wrapper(refuse):
        yield tried


def test_a_page_is_shown_and_an_api_answers_though_the_last_use_cannot_be_noted(
    people: People, client_for: Callable[..., Client], request: pytest.FixtureRequest
) -> None:
    client = client_for(people.reader)
    clear = ApiToken.issue(people.reader, name="t", scopes=Scope.values)[1]
    assert client.get("/w/team/jobs/").status_code == 200
    cache.clear()
    tried = request.getfixturevalue("read_only")
    assert client.get("/w/team/jobs/").status_code == 200
    assert len(tried) == 1
    # Each try may take 20 seconds: the next one is some time off.
    cache.clear()
    assert client.get("/w/team/jobs/").status_code == 200
    answer = Client().get("/api/v1/workspaces/team/jobs", headers={"Authorization": f"Bearer {clear}"})
    assert answer.status_code == 200 and len(tried) == 1


def test_a_page_that_remembers_something_is_shown_though_the_session_cannot_be_saved(
    people: People, client_for: Callable[..., Client], request: pytest.FixtureRequest
) -> None:
    client = client_for(people.reader)
    tried = request.getfixturevalue("read_only")
    # The first page of a session keeps the workspace that was looked at.
    assert client.get("/w/team/jobs/").status_code == 200
    assert any("django_session" in sql for sql in tried)


def test_who_signs_in_is_told_that_it_could_not_be_kept(people: People, request: pytest.FixtureRequest) -> None:
    people.reader.set_password("a-long-password-1")
    people.reader.save()
    request.getfixturevalue("read_only")
    client = Client(raise_request_exception=False)
    answer = client.post("/accounts/login/", {"login": people.reader.username, "password": "a-long-password-1"})
    assert answer.status_code == 503 and "database-read-only" in answer.content.decode()
