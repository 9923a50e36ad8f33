"""People, the tokens with which programs act for them, and what is kept of their secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.test import Client
from django.utils import timezone

from compute.models import Cluster
from studio.accounts.access import workspace_for
from studio.accounts.models import ApiToken, User
from studio.accounts.services import create_workspace, first_administrator
from studio.audit.models import Entry
from studio.core.errors import ProblemError
from studio.core.secrets import SecretUnreadable
from tests.conftest import People

pytestmark = pytest.mark.django_db


def me(clear: str) -> int:
    return Client().get("/api/v1/me", headers={"Authorization": f"Bearer {clear}"}).status_code


def test_the_first_start_makes_one_administrator_and_no_second() -> None:
    made = first_administrator()
    assert made and made[0].is_admin and made[0].check_password(made[1])
    assert first_administrator() is None and User.objects.count() == 1


def test_of_a_token_only_a_hash_is_kept(people: People) -> None:
    row, clear = ApiToken.issue(people.reader, name="laptop")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apitoken")
        kept = repr(cursor.fetchall())
    assert clear not in kept and clear.rpartition("_")[2] not in kept and row.digest in kept
    assert ApiToken.owner_of(clear) == people.reader


def test_a_token_that_has_ended_opens_nothing(people: People) -> None:
    now = timezone.now()
    ended = ApiToken.issue(people.reader, name="old", expires_at=now - timedelta(seconds=1))[1]
    lasting = ApiToken.issue(people.reader, name="new", expires_at=now + timedelta(hours=1))[1]
    assert (me(ended), me(lasting)) == (401, 200)


def test_a_token_of_an_inactive_person_opens_nothing(people: People) -> None:
    clear = ApiToken.issue(people.reader, name="laptop")[1]
    User.objects.filter(pk=people.reader.pk).update(is_active=False)
    assert me(clear) == 401


@pytest.mark.parametrize("clear", ["", "mrg_", "mrg_00000000_x", "nonsense", "mrg_ü"])
def test_what_is_no_token_opens_nothing(people: People, clear: str) -> None:
    assert ApiToken.owner_of(clear) is None


def test_the_prefix_of_a_token_is_not_enough(people: People) -> None:
    clear = ApiToken.issue(people.reader, name="laptop")[1]
    assert ApiToken.owner_of(clear[:-1] + ("a" if clear[-1] != "a" else "b")) is None
    assert ApiToken.owner_of(clear[:13]) is None


def test_a_request_with_a_bad_token_in_a_signed_in_browser_is_the_persons_own(people: People, client: Client) -> None:
    client.force_login(people.reader)
    answer = client.get("/api/v1/me", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code in {200, 401} and b"the-reader" in answer.content or answer.status_code == 401


@pytest.mark.parametrize("name", ["", "Team", "1a", "a b", "a" * 33, "a-", "team\n", "ä"])
def test_a_workspace_of_an_unusable_name_is_refused(people: People, name: str) -> None:
    with pytest.raises(ProblemError, match="name-invalid"):
        create_workspace(people.operator, name=name)


def test_a_workspace_of_a_taken_name_is_refused_and_gives_no_membership(people: People) -> None:
    with pytest.raises(ProblemError, match="name-taken"):
        create_workspace(people.stranger, name="team")
    with pytest.raises(ProblemError, match="not-found"):
        workspace_for(people.stranger, "team")


def test_who_makes_a_workspace_owns_it_and_the_log_says_so(people: People) -> None:
    create_workspace(people.operator, name="fresh")
    assert workspace_for(people.operator, "fresh", "owner")
    entry = Entry.objects.get(target_name="fresh")
    assert (entry.actor_name, entry.verb, entry.workspace) == ("the-operator", "created", "fresh")


def test_an_entry_of_the_log_outlives_the_person(people: People) -> None:
    create_workspace(people.operator, name="fresh")
    people.operator.delete()
    entry = Entry.objects.get(target_name="fresh")
    assert (entry.verb, entry.actor_name) == ("created", "the-operator")


def test_credentials_are_encrypted_where_they_lie_and_outlive_a_new_key(db: None, settings: Any) -> None:
    Cluster.objects.create(name="a", server="https://x", credentials="the kubeconfig")
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM compute_cluster")
        kept = str(cursor.fetchone()[0])
    assert "kubeconfig" not in kept
    old = settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *old]
    cluster = Cluster.objects.get()
    assert cluster.credentials == "the kubeconfig"
    cluster.save()
    settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS[:1]
    assert Cluster.objects.get().credentials == "the kubeconfig"
    settings.ENCRYPTION_KEYS = old
    locked = Cluster.objects.get()
    with pytest.raises(SecretUnreadable, match="credentials of the cluster"):
        _ = locked.credentials


def test_a_new_epoch_ends_every_session_of_a_person_for_good(people: People, client: Client) -> None:
    client.force_login(people.reader)
    assert client.get("/api/v1/me").status_code == 200
    User.objects.filter(pk=people.reader.pk).update(session_epoch="another")
    assert client.get("/api/v1/me").status_code == 401
