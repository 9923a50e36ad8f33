"""People: what administrators change of them, and what ends with them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client

from studio.accounts.access import workspace_for
from studio.accounts.models import ApiToken, User
from studio.audit.models import Entry
from studio.core.errors import ProblemError
from studio.people import invitations, users
from tests.conftest import People

pytestmark = pytest.mark.django_db
JSON = "application/json"


def test_deactivation_ends_sessions_tokens_and_links_at_once_and_for_good(people: People, client_for: Callable[..., Client]) -> None:
    browser = client_for(people.owner)
    clear = ApiToken.issue(people.owner, name="ci")[1]
    link = invitations.make_password_link(people.admin, people.owner)
    held = {"Authorization": f"Bearer {clear}"}
    assert browser.get("/w/team/jobs/").status_code == 200 and Client().get("/api/v1/me", headers=held).status_code == 200
    users.deactivate_user(people.admin, people.owner)
    users.reactivate_user(people.admin, people.owner)
    assert browser.get("/w/team/jobs/").status_code == 302
    assert Client().get("/api/v1/me", headers=held).status_code == 401
    with pytest.raises(ProblemError, match="invitation-over"):
        invitations.open_invitation(link.secret)
    entry = Entry.objects.get(verb="deactivated")
    assert entry.diff["programs"] == [["ci"], []] and entry.target_name == "the-owner"


@pytest.mark.parametrize("way", ["demote", "deactivate", "delete"])
def test_the_last_active_administrator_stays(people: People, way: str) -> None:
    User.objects.create_user("gone", is_superuser=True, is_active=False)
    act = {
        "demote": lambda: users.set_roles(people.admin, people.admin, admin=False),
        "deactivate": lambda: users.deactivate_user(people.admin, people.admin),
        "delete": lambda: users.delete_user(people.admin, people.admin),
    }[way]
    with pytest.raises(ProblemError, match="user-last-administrator"):
        act()
    people.admin.refresh_from_db()
    assert people.admin.is_admin and people.admin.is_active and not people.admin.deleted_at


def test_an_administrator_who_cannot_sign_in_yet_is_not_the_one_who_stays(people: People) -> None:
    people.admin.set_password("a-long-and-quiet-river")
    people.admin.save()
    new = users.create_user(people.admin, username="new", admin=True)
    with pytest.raises(ProblemError, match="user-last-administrator"):
        users.deactivate_user(people.admin, people.admin)
    users.delete_user(people.admin, new)
    assert people.admin.is_active and not new.is_active


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_demote_each_other_at_once_leave_one(people: People) -> None:
    second = User.objects.create_user("second", is_superuser=True)
    gate, refused = threading.Barrier(2), []

    def demote(actor: User, other: User) -> None:
        row = User.objects.get(pk=other.pk)
        gate.wait()
        try:
            users.set_roles(actor, row, admin=False)
        except ProblemError as error:
            refused.append(error.problem.id)
        finally:
            connection.close()

    both = [threading.Thread(target=demote, args=pair) for pair in ((people.admin, second), (second, people.admin))]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert User.objects.filter(is_superuser=True, is_active=True).count() == 1
    assert refused == ["user-last-administrator"]


def test_a_deleted_person_leaves_a_name_that_nobody_gets(people: People) -> None:
    ApiToken.issue(people.owner, name="ci")
    users.delete_user(people.admin, people.owner)
    row = User.objects.get(username="the-owner")
    assert not row.is_active and not row.memberships.exists() and not row.has_usable_password() and not row.email
    with pytest.raises(ProblemError, match="name-taken"):
        users.create_user(people.admin, username="The-Owner")
    with pytest.raises(ProblemError, match="user-deleted"):
        users.reactivate_user(people.admin, row)
    assert Entry.objects.get(verb="deleted", target_name="the-owner").diff["team"] == ["owner", None]


def test_a_role_that_changed_meanwhile_is_not_overwritten(people: People) -> None:
    seen = User.objects.get(pk=people.reader.pk)
    users.set_roles(people.admin, people.reader, operator=True)
    with pytest.raises(ProblemError, match="changed-meanwhile"):
        users.set_roles(people.admin, seen, operator=True)


def test_what_an_administrator_who_may_no_longer_invite_has_handed_out_stops_working(people: People) -> None:
    second = User.objects.create_user("second", is_superuser=True)
    link = invitations.invite(second, name="Ada", admin=True)
    users.set_roles(people.admin, second, admin=False)
    with pytest.raises(ProblemError, match="invitation-over"):
        invitations.accept(link.secret, username="ada", password="correct horse battery")


@pytest.mark.parametrize("given", [{"username": ""}, {"username": "a b"}, {"username": "x" * 151}, {"username": "ada", "email": "no"},
                                   {"username": "ada", "password": "short"}, {"username": "adalovelace", "password": "adalovelace1"}])  # fmt: skip
def test_a_person_that_cannot_be_is_refused_and_nothing_is_left(people: People, client_for: Callable[..., Client], given: dict[str, str]) -> None:
    before = User.objects.count()
    answer = client_for(people.admin).post("/api/v1/users", given, content_type=JSON)
    assert answer.status_code == 422 and answer.json()["field"] in {"username", "email", "password"}
    assert User.objects.count() == before


def test_a_person_made_without_a_password_gets_a_link_that_sets_one(people: People, client_for: Callable[..., Client]) -> None:
    made = client_for(people.admin).post("/api/v1/users", {"username": "ada", "full_name": "Ada Lovelace"}, content_type=JSON)
    assert made.status_code == 201 and not made.json()["has_password"]
    path = made.json()["link"].partition("testserver")[2]
    page = Client().post(path, {"password": "correct horse battery", "again": "correct horse battery"})
    assert page.status_code == 302
    assert Client().login(username="ada", password="correct horse battery")
    assert Client().get(path).status_code == 404


def test_roles_of_the_whole_studio_are_changed_on_the_persons_page(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.admin)
    assert client.post("/ops/access/users/the-reader/roles/", {"operator": "on"}).status_code == 302
    people.reader.refresh_from_db()
    assert people.reader.is_operator and not people.reader.is_admin
    assert Entry.objects.get(verb="changed the roles of").diff == {"operator": [False, True]}
    refused = client.post("/ops/access/users/the-admin/deactivate/")
    assert refused.status_code == 409 and b"only active administrator" in refused.content


def test_the_list_of_people_is_searched_and_filtered(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.admin)

    def names(**query: str) -> set[str]:
        return {one["username"] for one in client.get("/api/v1/users", query).json()["items"]}

    users.deactivate_user(people.admin, people.stranger)
    assert names(q="READ") == {"the-reader"}
    assert names(role="operator") == {"the-operator"} and names(role="administrator") == {"the-admin"}
    assert names(show="inactive") == {"the-stranger"} and "the-stranger" not in names(show="active")
    page = client.get("/ops/access/users/?role=operator")
    assert b"the-operator" in page.content and b"the-reader" not in page.content
    assert workspace_for(people.reader, "team")
