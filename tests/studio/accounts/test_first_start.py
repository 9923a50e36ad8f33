"""The first start where no person is at hand: in a cluster, by several pods at once."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from studio.accounts.management.commands import mooring_first_start
from studio.accounts.models import ApiToken, User

pytestmark = pytest.mark.django_db

PASSWORD = "of-a-Secret-2026"


def start(**options: Any) -> str:
    said = io.StringIO()
    call_command("mooring_first_start", no_token=True, stdout=said, stderr=said, **options)
    return said.getvalue()


def test_the_password_that_is_given_is_taken_and_not_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    monkeypatch.setenv("MOORING_ADMIN_PASSWORD_FILE", str(tmp_path / "password"))
    said = start()
    assert "Administrator: admin" in said and PASSWORD not in said
    assert User.objects.get().check_password(PASSWORD)


def test_no_administrator_is_made_whose_password_nobody_saw() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        call_command("mooring_first_start", no_token=True, stdout=Gone())
    assert not User.objects.exists()
    assert "shown this once" in start()


def test_once_there_is_an_administrator_the_password_may_be_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOORING_ADMIN_PASSWORD", PASSWORD)
    start()
    monkeypatch.setenv("MOORING_ADMIN_PASSWORD_FILE", str(tmp_path / "gone"))
    assert start() == ""
    assert User.objects.get().check_password(PASSWORD)


def test_a_password_that_nobody_may_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_ADMIN_PASSWORD", "short")
    with pytest.raises(CommandError, match="MOORING_ADMIN_PASSWORD"):
        start()
    assert not User.objects.exists()


def test_no_token_is_left_where_no_person_is(settings: Any, tmp_path: Path) -> None:
    settings.DATA = tmp_path
    start()
    assert not ApiToken.objects.exists() and not (tmp_path / "run" / "cli-token.json").exists()


def test_a_database_that_is_not_there_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def connect() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "ensure_connection", connect)
    monkeypatch.setattr(mooring_first_start.time, "sleep", lambda _: None)
    assert "Administrator: admin" in start(wait=60)


def test_a_database_that_never_comes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "ensure_connection", connect)
    with pytest.raises(CommandError, match="connection refused"):
        start()
