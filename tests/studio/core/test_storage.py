"""A database or a disk that does not do its part is told as that, by page, by a part of a page and by API."""

from __future__ import annotations

import errno
import io
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, ProgrammingError
from django.test import Client

from studio.core.storage import storage_problem
from tests.conftest import People

PAGE, API = "/w/team/jobs/", "/api/v1/workspaces/team/jobs"


def by(error: Exception, **facts: Any) -> Exception:
    """Return an error of Django with that of the driver below it."""
    cause = sqlite3.OperationalError(str(error))
    for name, value in facts.items():
        setattr(cause, name, value)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "id"),
    [
        (by(OperationalError("database is locked"), sqlite_errorcode=5), "database-busy"),
        (by(OperationalError("database or disk is full"), sqlite_errorcode=13), "disk-full"),
        (by(OperationalError("attempt to write a readonly database"), sqlite_errorcode=8), "database-read-only"),
        (by(OperationalError("disk I/O error"), sqlite_errorcode=10), "database-away"),
        (by(OperationalError("could not extend file"), sqlstate="53100"), "disk-full"),
        (by(OperationalError("cannot execute INSERT in a read-only transaction"), sqlstate="25006"), "database-read-only"),
        (by(OperationalError("connection refused")), "database-away"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk-full"),
    ],
)
def test_what_the_database_or_the_disk_says_is_a_problem_of_its_own(error: Exception, id: str) -> None:
    problem = storage_problem(error)
    assert problem is not None and (problem.problem.id, problem.status) == (id, 503)


@pytest.mark.parametrize(
    ("said", "id"), [(errno.EROFS, "database-read-only"), (errno.ENOSPC, "disk-full"), (errno.EIO, "database-away"), (0, "database-away")]
)
def test_where_sqlite_says_only_that_its_disk_refused_something_the_disk_is_asked(said: int, id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(**_: Any) -> Any:
        if said:
            raise OSError(said, "refused")
        return io.BytesIO()

    monkeypatch.setattr("studio.core.storage.tempfile.TemporaryFile", opened)
    problem = storage_problem(by(OperationalError("disk I/O error"), sqlite_errorcode=778))
    assert problem is not None and problem.problem.id == id


@pytest.mark.parametrize(
    "error",
    [
        by(OperationalError("no such table: jobs_job"), sqlite_errorcode=1),
        ProgrammingError("relation is locked"),
        IntegrityError("UNIQUE constraint failed"),
        FileNotFoundError(errno.ENOENT, "No such file"),
        RuntimeError("database is locked"),
    ],
)
def test_a_mistake_of_ours_is_not_put_on_the_database(error: Exception) -> None:
    assert storage_problem(error) is None


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "part"), [(PAGE, False), (PAGE, True), (API, False)])
def test_a_full_disk_is_told_with_what_to_do_and_when_to_come_again(
    path: str, part: bool, people: People, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise by(OperationalError("database or disk is full"), sqlite_errorcode=13)

    monkeypatch.setattr("jobs.selectors.jobs_of", full)
    client = client_for(people.reader, raise_request_exception=False)
    answer = client.get(path, headers={"HX-Request": "true"} if part else {})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "disk-full" in answer.content.decode() and "Free space" in answer.content.decode()
