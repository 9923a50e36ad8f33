"""Another encryption key: everything is sealed with it, and the old one opens nothing any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.test import Client

from compute.models import Cluster
from endpoints.models import Endpoint
from studio.accounts.models import User
from studio.audit.models import Entry
from studio.core.secrets import EncryptedTextField, SecretUnreadable, note_keys
from studio.system import resealing
from tests.access_asked import PLANTED, everything
from tests.conftest import People

__all__ = ["everything"]
pytestmark = pytest.mark.django_db
APP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def keys(everything: dict[str, str], people: People, settings: Any) -> Iterator[tuple[str, str]]:
    """Put a new key in front of the one that everything is sealed with; give the old one and the new one."""
    TOTP.activate(people.admin, APP_SECRET)
    RecoveryCodes.activate(people.admin)
    [old], new = settings.ENCRYPTION_KEYS, Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [new, old]
    yield old, new
    (settings.DATA / "run" / "keys.json").unlink(missing_ok=True)


def stored() -> list[str]:
    """Return all that lies in the database of a sealed text."""
    found = []
    for model in apps.get_models():
        for one in model._meta.concrete_fields:
            if isinstance(one, EncryptedTextField):
                with connection.cursor() as cursor:
                    cursor.execute(f"SELECT {one.column} FROM {model._meta.db_table} WHERE {one.column} <> ''")
                    found += [row[0] for row in cursor.fetchall()]
    for data in Authenticator.objects.values_list("data", flat=True):
        found += [value for value in data.values() if isinstance(value, str) and value.startswith("gAAAA")]
    return found


def test_everything_is_sealed_with_the_newest_key_and_the_old_one_can_go(keys: tuple[str, str], people: People, settings: Any) -> None:
    held = stored()
    assert len(held) > 8
    told = resealing.reseal()
    assert (told.sealed, told.already, told.locked) == (len(held), 0, 0)
    assert told.by["endpoint primary key"] == {"sealed": 1}
    settings.ENCRYPTION_KEYS = [keys[1]]
    assert len([Fernet(keys[1]).decrypt(text.encode()) for text in stored()]) == len(held)
    assert Endpoint.objects.get().primary_key == PLANTED and PLANTED in Cluster.objects.get().credentials
    app = Authenticator.objects.get(user=people.admin, type="totp")
    assert TOTP(app).validate_code("") is False
    assert len(RecoveryCodes(Authenticator.objects.get(user=people.admin, type="recovery_codes")).get_unused_codes()) == 10
    again = resealing.reseal()
    assert (again.sealed, again.already) == (0, len(held))


def test_its_beginning_and_its_end_stand_in_the_audit(keys: tuple[str, str]) -> None:
    told = resealing.reseal()
    began, ended = Entry.objects.filter(target_name="stored secrets").order_by("pk")
    assert (began.verb, ended.verb, ended.diff) == ("began to seal anew", "sealed anew", {"sealed": [None, told.sealed], "not opened": [None, 0]})


def test_what_was_broken_off_goes_on_and_loses_nothing(keys: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    held = len(stored())
    really = resealing.resealed
    calls: list[str] = []

    def dies(text: str) -> Any:
        calls.append(text)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return really(text)

    monkeypatch.setattr(resealing, "resealed", dies)
    with pytest.raises(KeyboardInterrupt):
        resealing.reseal()
    monkeypatch.setattr(resealing, "resealed", really)
    told = resealing.reseal()
    assert told.sealed + told.already == held and told.already > 0 and told.locked == 0
    assert Endpoint.objects.get().primary_key == PLANTED


def test_more_rows_than_go_into_one_transaction_are_all_met(keys: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "BATCH", 1)
    endpoint = Endpoint.objects.get()
    for number in range(3):
        endpoint.pk, endpoint.name = None, f"another-{number}"
        endpoint.save(force_insert=True)
    assert resealing.reseal().by["endpoint primary key"] in ({"sealed": 1, "already": 3}, {"already": 3, "sealed": 1})


def test_what_no_key_opens_is_counted_and_stays_as_it_is(keys: tuple[str, str], settings: Any) -> None:
    settings.ENCRYPTION_KEYS = keys[1:]
    before = stored()
    told = resealing.reseal()
    assert (told.sealed, told.locked) == (0, len(before)) and stored() == before
    with pytest.raises(SecretUnreadable):
        _ = Endpoint.objects.get().primary_key


def test_the_command_says_how_many_and_refuses_beside_a_studio_without_the_key(
    keys: tuple[str, str], settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ENCRYPTION_KEYS = keys[:1]
    note_keys()
    settings.ENCRYPTION_KEYS = [keys[1], keys[0]]
    with pytest.raises(SystemExit):
        call_command("mooring_reseal", "--running")
    assert json.loads(capsys.readouterr().err)["id"] == "reseal-key-unknown"
    held = len(stored())
    call_command("mooring_reseal")
    assert json.loads(capsys.readouterr().err)["sealed"] == held
    note_keys()
    call_command("mooring_reseal", "--running")
    assert json.loads(capsys.readouterr().err)["already"] == held
    assert all(key not in (settings.DATA / "run" / "keys.json").read_text() for key in keys)


def test_a_person_signs_in_with_the_second_factor_of_before(keys: tuple[str, str], settings: Any) -> None:
    ada = User.objects.create_user("ada", password="correct horse battery 9")
    settings.ENCRYPTION_KEYS = keys[:1]
    RecoveryCodes.activate(ada)
    TOTP.activate(ada, APP_SECRET)
    code = RecoveryCodes(Authenticator.objects.get(user=ada, type="recovery_codes")).get_unused_codes()[0]
    settings.ENCRYPTION_KEYS = [keys[1], keys[0]]
    resealing.reseal()
    settings.ENCRYPTION_KEYS = keys[1:]
    client = Client()
    client.post("/accounts/login/", {"login": "ada", "password": "correct horse battery 9"})
    assert client.post("/accounts/2fa/authenticate/", {"code": code}).status_code == 302
