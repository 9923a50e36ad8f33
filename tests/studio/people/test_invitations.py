"""Invitations: a link that works once, brings what was chosen, and is kept by its hash alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone

from studio.accounts.access import role_in
from studio.accounts.models import Invitation, User
from studio.audit.models import Entry
from studio.core.errors import ProblemError
from studio.people import invitations
from tests.conftest import People

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


def test_accepting_makes_the_person_with_the_chosen_roles_once(people: People, client_for: Callable[..., Client]) -> None:
    given = {"name": "Ada", "operator": True, "workspaces": {"team": "contributor"}}
    made = client_for(people.admin).post("/api/v1/invitations", given, content_type="application/json").json()
    path = made["link"].partition("testserver")[2]
    assert "contributor" in Client().get(path).content.decode()
    form = {"username": "ada", "full_name": "Ada Lovelace", "password": PASSWORD, "again": PASSWORD}
    assert Client().post(path, form).status_code == 302
    ada = User.objects.get(username="ada")
    assert (ada.is_operator, ada.is_admin, role_in(ada, people.workspace), ada.get_full_name()) == (True, False, "contributor", "Ada Lovelace")
    again = Client().post(path, form | {"username": "eve"})
    assert again.status_code == 404 and not User.objects.filter(username="eve").exists()
    assert Entry.objects.filter(verb="accepted the invitation", actor_name="ada").count() == 1


def test_of_a_link_only_a_hash_is_kept(people: People) -> None:
    link = invitations.invite(people.admin, name="Ada")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_invitation")
        kept = repr(cursor.fetchall())
    assert link.secret not in kept and link.secret.rpartition("_")[2] not in kept
    assert link.secret not in repr(list(Entry.objects.values()))


@pytest.mark.parametrize("why", ["ended", "withdrawn", "wrong", "cut"])
def test_a_link_that_is_over_opens_nothing_and_does_not_say_why(people: People, why: str) -> None:
    link = invitations.invite(people.admin, name="Ada")
    secret = {"wrong": link.secret[:-1] + ("a" if link.secret[-1] != "a" else "b"), "cut": link.secret[:14]}.get(why, link.secret)
    if why == "ended":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    if why == "withdrawn":
        invitations.withdraw(people.admin, link.invitation)
    answer = Client().get(f"/accounts/invitation/{secret}/")
    assert answer.status_code == 404 and b"does not work" in answer.content and b"Ada" not in answer.content


def test_a_password_that_is_refused_leaves_the_link_as_it_was(people: People) -> None:
    link = invitations.invite(people.admin, name="Ada")
    path = f"/accounts/invitation/{link.secret}/"
    answer = Client().post(path, {"username": "ada", "password": "123", "again": "123"})
    assert answer.status_code == 422 and b"too short" in answer.content and b'value="ada"' in answer.content
    assert not User.objects.filter(username="ada").exists() and Client().get(path).status_code == 200


def test_a_signed_in_person_does_not_take_up_anothers_invitation(people: People, client_for: Callable[..., Client]) -> None:
    link = invitations.invite(people.admin, name="Ada", admin=True)
    path = f"/accounts/invitation/{link.secret}/"
    answer = client_for(people.reader).post(path, {"username": "ada", "password": PASSWORD, "again": PASSWORD})
    assert b"signed in as the-reader" in answer.content and not User.objects.filter(username="ada").exists()


@pytest.mark.parametrize("given", [{}, {"name": "A", "roles": {"nowhere": "reader"}}, {"name": "A", "roles": {"team": "king"}}, {"name": "A", "days": 31}])
def test_an_invitation_that_cannot_be_is_refused(people: People, given: dict[str, Any]) -> None:
    with pytest.raises(ProblemError):
        invitations.invite(people.admin, **given)
    assert not Invitation.objects.exists()


def test_mail_is_sent_only_where_it_is_set_up(people: People, client_for: Callable[..., Client], settings: Any) -> None:
    given = {"email": "ada@example.com"}
    client = client_for(people.admin)
    assert not client.post("/api/v1/invitations", given, content_type="application/json").json()["mailed"] and not mail.outbox
    settings.EMAIL_HOST = "smtp.example"
    made = client.post("/api/v1/invitations", given, content_type="application/json").json()
    assert made["mailed"] and made["link"] in mail.outbox[0].body and mail.outbox[0].to == ["ada@example.com"]
