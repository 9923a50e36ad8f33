"""Nobody changes the log: not by code, not by SQL. Old entries go by one task, which writes it down."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from studio.audit.keeping import delete_old
from studio.audit.models import Entry, Retention
from studio.audit.services import record
from tests.conftest import People

pytestmark = pytest.mark.django_db


def entries(*ages: int) -> None:
    """Write entries that are so many days old: with their time by SQL, as none can be made older."""
    with connection.cursor() as cursor:
        for age in ages:
            cursor.execute(
                "INSERT INTO audit_entry (at, actor_name, via, verb, target_kind, target_id, target_name, workspace, diff, address, agent,"
                " problem, request_id, result, token_name) VALUES (%s, 'ada', 'page', %s, 'job', '1', 'x', '', '{}', '', '', '', '', 'done', '')",
                [timezone.now() - timedelta(days=age), f"old {age}"],
            )


def test_the_database_refuses_to_change_an_entry(people: People) -> None:
    entry = record(people.owner, "deleted", people.workspace)
    entry.verb = "looked at"
    for change in (entry.save, lambda: Entry.objects.filter(pk=entry.pk).update(actor_name="mallory"), _by_sql("UPDATE audit_entry SET verb = ''")):
        with pytest.raises(DatabaseError, match="cannot be changed"), transaction.atomic():
            change()
    assert Entry.objects.get().verb == "deleted"


def test_the_database_refuses_to_delete_an_entry_before_its_time(people: People) -> None:
    entry = record(people.owner, "deleted", people.workspace)
    for days in (None, 365):
        if days:
            Retention.objects.create(pk=1, days=days)
        for take in (entry.delete, Entry.objects.all().delete, _by_sql("DELETE FROM audit_entry")):
            with pytest.raises(DatabaseError, match="before its time"), transaction.atomic():
                take()
    assert Entry.objects.count() == 1


def test_an_entry_outlives_the_person(people: People) -> None:
    entry = record(people.stranger, "created", people.workspace)
    people.stranger.delete()
    assert Entry.objects.get(pk=entry.pk).actor_name == "the-stranger"


def test_what_is_too_old_goes_in_pieces_and_each_is_written_down(settings: Any) -> None:
    settings.AUDIT_DAYS = 30
    entries(40, 35, 32, 29)
    assert delete_old(piece=2) == 3
    assert list(Entry.objects.filter(verb__startswith="old").values_list("verb", flat=True)) == ["old 29"]
    told = [entry.diff["entries"] for entry in Entry.objects.filter(verb="deleted old audit entries").order_by("id")]
    assert told == [[2, 0], [1, 0]]
    assert delete_old() == 0 and Entry.objects.filter(target_kind="retention").count() == 2


def test_a_change_of_how_long_is_recorded(settings: Any) -> None:
    for days in (365, 90):
        settings.AUDIT_DAYS = days
        delete_old()
    entry = Entry.objects.get()
    assert (entry.verb, entry.diff) == ("changed how long the audit is kept", {"days": [365, 90]})


def _by_sql(statement: str):  # type: ignore[no-untyped-def]
    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return run
