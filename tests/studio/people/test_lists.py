"""The lists of people, invitations, workspaces, members and tokens: the same filters by page, API and file, and acting on several."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from studio.accounts.models import ApiToken, Invitation, Membership, User
from studio.audit.models import Entry
from studio.people import invitations, tokens, users, workspaces
from tests.conftest import People

pytestmark = pytest.mark.django_db
Clients = Callable[..., Client]


def items(client: Client, path: str, key: str, **query: Any) -> list[Any]:
    answer = client.get(f"/api/v1/{path}", query)
    assert answer.status_code == 200, answer.content
    return [one[key] for one in answer.json()["items"]]


def rows_of(client: Client, url: str) -> list[dict[str, str]]:
    """Return a list as its CSV has it."""
    answer: Any = client.get(url + ("&" if "?" in url else "?") + "format=csv")

    async def sent() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return list(csv.DictReader(io.StringIO(async_to_sync(sent)().decode("utf-8-sig"))))


def test_people_are_filtered_by_role_workspace_factor_and_last_sign_in(people: People, client_for: Clients) -> None:
    client = client_for(people.admin)
    User.objects.filter(pk=people.reader.pk).update(last_login=timezone.now() - timedelta(days=60))
    User.objects.filter(pk=people.owner.pk).update(last_login=timezone.now())
    assert set(items(client, "users", "username", workspace="team")) == {"the-owner", "the-contributor", "the-reader"}
    assert set(items(client, "users", "username", role=["operator", "administrator"])) == {"the-operator", "the-admin"}
    idle = set(items(client, "users", "username", idle="30"))
    assert "the-reader" in idle and "the-owner" not in idle and "the-reader" not in items(client, "users", "username", idle="90")
    assert items(client, "users", "username", factor="set") == []
    assert items(client, "users", "state", q="the-owner") == ["active"] and items(client, "users", "state", show="new", q="the-reader") == []


def test_people_are_sorted_by_what_is_counted_and_paged_by_key(people: People, client_for: Clients) -> None:
    client = client_for(people.admin)
    workspaces.set_member(people.admin, people.workspace, username="the-stranger", role="reader")
    first = client.get("/api/v1/users", {"sort": "-spaces", "limit": 1}).json()
    assert first["items"][0]["username"] == "the-stranger"
    found, after = [first["items"][0]["username"]], first["next"]
    while after:
        page = client.get("/api/v1/users", {"sort": "-spaces", "limit": 2, "after": after}).json()
        found, after = found + [one["username"] for one in page["items"]], page["next"]
    assert sorted(found) == sorted(User.objects.values_list("username", flat=True)) and len(found) == len(set(found))


def test_the_page_counts_its_chips_and_filters_and_gives_htmx_the_rows(people: People, client_for: Clients) -> None:
    users.deactivate_user(people.admin, people.stranger)
    client = client_for(people.admin)
    page = client.get("/ops/access/users/?role=operator").content.decode()
    assert 'Deactivated<span class="count">1</span>' in page and '>IT operations</span><span class="count">1</span>' in page
    part = client.get("/ops/access/users/?q=the-reader", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part and "the-reader" in part and "the-operator" not in part


def test_a_filter_that_the_list_does_not_know_is_refused_by_the_api(people: People, client_for: Clients) -> None:
    client = client_for(people.admin)
    for query in ({"role": "king"}, {"show": "asleep"}, {"sort": "password"}):
        assert client.get("/api/v1/users", query).json()["id"] == "request-invalid"


def test_invitations_are_shown_by_how_they_stand_and_what_they_bring(people: People, client_for: Clients) -> None:
    client = client_for(people.admin)
    invitations.invite(people.admin, name="Ada", roles={"team": "reader"})
    gone = invitations.invite(people.admin, name="Eve")
    invitations.withdraw(people.admin, gone.invitation)
    invitations.make_password_link(people.admin, people.reader)
    assert items(client, "invitations", "for", show="open") == ["the-reader", "Ada"]
    assert items(client, "invitations", "for", show="over") == ["Eve"] and items(client, "invitations", "for", kind="password") == ["the-reader"]
    assert items(client, "invitations", "for", by="the-admin", sort="name") == ["Ada", "Eve", "the-reader"]


def test_tokens_are_found_by_person_scope_reach_and_how_they_begin(people: People, client_for: Clients) -> None:
    everywhere, clear = tokens.make_token(people.owner, name="ci", scopes=["jobs"])
    tokens.make_token(people.owner, name="nightly", scopes=["models"], workspaces=["team"])
    tokens.make_token(people.stranger, name="theirs", scopes=["jobs"], workspaces=["elsewhere"])
    client = client_for(people.admin)
    assert set(items(client, "tokens", "name", user="the-owner")) == {"ci", "nightly"}
    assert set(items(client, "tokens", "name", scope="jobs")) == {"ci", "theirs"}
    assert set(items(client, "tokens", "name", workspace="team")) == {"ci", "nightly"}
    assert items(client, "tokens", "name", q=f"mrg_{everywhere.prefix}") == ["ci"] == items(client, "tokens", "name", q=clear)
    tokens.revoke_token(people.owner, everywhere)
    assert "ci" not in items(client, "tokens", "name") and items(client, "tokens", "name", show="ended") == ["ci"]
    mine = client_for(people.owner)
    assert items(mine, "me/tokens", "name", show="all") == ["nightly", "ci"]
    assert "theirs" not in mine.get("/accounts/tokens/?show=all").content.decode()


def test_workspaces_are_found_by_their_words_and_state(people: People, client_for: Clients) -> None:
    workspaces.edit_workspace(people.admin, people.workspace, description="Cameras of the yard")
    workspaces.archive_workspace(people.admin, people.workspace)
    client = client_for(people.operator)
    assert items(client, "workspaces", "name", every=True, q="cameras") == ["team"]
    assert items(client, "workspaces", "name", every=True, show="used") == ["elsewhere"]
    assert items(client_for(people.owner), "workspaces", "name") == ["team"]
    assert items(client, "workspaces", "name", every=True, sort="-people") == ["team", "elsewhere"]
    page = client.get("/ops/access/workspaces/").content.decode()
    assert "Archived" in page and 'href="/w/team/members/"' not in page


def test_members_stand_with_owners_first_and_only_owners_change_them(people: People, client_for: Clients) -> None:
    users.deactivate_user(people.admin, people.reader)
    client = client_for(people.owner)
    assert items(client, "workspaces/team/members", "username") == ["the-owner", "the-contributor", "the-reader"]
    assert items(client, "workspaces/team/members", "username", role=["reader", "contributor"], state="active") == ["the-contributor"]
    page = client.get("/w/team/members/?role=contributor").content.decode()
    assert "Role of the-contributor" in page and "Role of the-owner" not in page and "Take out" in page
    looked = client_for(people.contributor).get("/w/team/members/").content.decode()
    assert "Take out" not in looked and "Role of" not in looked and "the-owner" in looked


def test_where_a_change_was_refused_the_list_and_its_links_still_work(people: People, client_for: Clients) -> None:
    client = client_for(people.owner)
    refused = client.post("/w/team/members/set/", {"username": "nobody-here", "role": "reader"})
    assert refused.status_code == 422 and b"the-contributor" in refused.content
    # Its links are relative: what they ask for below the form's address is the list.
    assert client.get("/w/team/members/set/?sort=username")["Location"] == "/w/team/members/?sort=username"


@pytest.mark.parametrize("action", ["deactivate", "reactivate", "sign-out"])
def test_several_people_are_named_first_and_then_acted_on(people: People, client_for: Clients, action: str) -> None:
    if action == "reactivate":
        users.deactivate_user(people.admin, people.reader)
    client = client_for(people.admin)
    given = {"action": action, "chosen": [people.reader.pk, "x", 10**30]}
    before = Entry.objects.count()
    named = client.post("/ops/access/users/-/bulk/", given).content.decode()
    assert "the-reader" in named and "1 person" in named and Entry.objects.count() == before
    assert client.post("/ops/access/users/-/bulk/", given | {"sure": "1"}).status_code == 302
    people.reader.refresh_from_db()
    assert people.reader.is_active is (action != "deactivate") and Entry.objects.count() > before


def test_the_last_administrator_stays_among_several_and_the_others_go(people: People, client_for: Clients) -> None:
    given = {"action": "deactivate", "chosen": [people.admin.pk, people.reader.pk], "sure": "1"}
    said = client_for(people.admin).post("/ops/access/users/-/bulk/", given, follow=True).content.decode()
    assert "Make somebody else an administrator first." in said and "1 person was deactivated" in said
    assert set(User.objects.filter(is_active=False).values_list("username", flat=True)) == {"the-reader"}


def test_invitations_and_tokens_are_withdrawn_and_revoked_several_at_once(people: People, client_for: Clients) -> None:
    client = client_for(people.admin)
    for name in ("Ada", "Eve"):
        invitations.invite(people.admin, name=name)
    chosen = list(Invitation.objects.values_list("pk", flat=True))
    client.post("/ops/access/invitations/bulk/", {"action": "withdraw", "chosen": chosen, "sure": "1"})
    assert not invitations.open_ones(Invitation.objects.all()).exists()
    mine, theirs = tokens.make_token(people.admin, name="a")[0], tokens.make_token(people.owner, name="b")[0]
    client.post("/accounts/tokens/bulk/", {"action": "revoke", "chosen": [mine.pk, theirs.pk], "sure": "1"})
    assert ApiToken.objects.get(pk=mine.pk).revoked_at and not ApiToken.objects.get(pk=theirs.pk).revoked_at
    client.post("/ops/access/tokens/bulk/", {"action": "revoke", "chosen": [mine.pk, theirs.pk], "sure": "1"})
    assert ApiToken.objects.get(pk=theirs.pk).revoked_at and Membership.objects.filter(user=people.owner).exists()


@pytest.mark.django_db(transaction=True)
def test_what_passes_is_taken_away_as_csv(people: People, client_for: Clients) -> None:
    invitations.invite(people.admin, name="Ada", roles={"team": "reader"})
    tokens.make_token(people.owner, name="ci", scopes=["jobs"], workspaces=["team"])
    client = client_for(people.admin)
    assert [row["User name"] for row in rows_of(client, "/ops/access/users/?role=operator")] == ["the-operator"]
    assert [(row["For"], row["Brings"]) for row in rows_of(client, "/ops/access/invitations/?q=Ada")] == [("Ada", "team: reader")]
    assert next((row["Name"], row["Members"]) for row in rows_of(client, "/ops/access/workspaces/?sort=-people")) == ("team", "3")
    assert [row["Where"] for row in rows_of(client, "/ops/access/tokens/?user=the-owner")] == ["team"]
    assert [row["Role"] for row in rows_of(client, "/w/team/members/?sort=role")] == ["Reader", "Contributor", "Owner"]
