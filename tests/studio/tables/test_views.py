"""Columns, density and views that people keep, by page and API."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.models import Job
from studio.audit.models import Entry
from studio.tables.models import SavedView, TableChoice
from tests.conftest import People

pytestmark = pytest.mark.django_db
LIST = "/w/team/jobs/"
VIEWS = "/w/team/lists/jobs/views/"
API = "/api/v1/workspaces/team/views"


@pytest.fixture
def jobs(people: People) -> list[Job]:
    """Make one job that runs and one that failed."""
    given = {"workspace": people.workspace, "yaml": "x", "command": "x", "image": "x", "compute_name": "local", "namespace": "n"}
    return [Job.objects.create(name=f"a_{status.lower()}", status=status, **given) for status in ("Running", "Failed")]


def names(answer: Any) -> list[str]:
    return [line.row.name for line in answer.context["list"].lines]


def test_columns_and_density_are_kept_for_the_person(people: People, client_for: Any, jobs: list[Job]) -> None:
    client = client_for(people.reader)
    given = {"column": ["created", "image"], "density": "dense", "next": f"{LIST}?q=a&cols=status"}
    assert client.post("/w/team/lists/jobs/columns/", given)["Location"] == f"{LIST}?q=a"
    listing = client.get(LIST).context["list"]
    assert [column.key for column in listing.columns] == ["name", "created", "image"] and listing.dense
    assert len(client_for(people.owner).get(LIST).context["list"].columns) > 3
    client.post("/w/team/lists/jobs/columns/", {"usual": "yes", "next": LIST})
    assert TableChoice.objects.get().columns == []


def test_the_address_of_a_shared_link_decides_over_what_is_kept(people: People, client_for: Any, jobs: list[Job]) -> None:
    listing = client_for(people.reader).get(LIST, {"cols": "name,image", "density": "dense"}).context["list"]
    assert [column.key for column in listing.columns] == ["name", "image"] and listing.dense


def test_a_saved_view_brings_the_same_rows_back_and_is_in_the_audit(people: People, client_for: Any, jobs: list[Job]) -> None:
    client = client_for(people.contributor)
    answer = client.post(VIEWS, {"name": "Failing", "query": "state=Failed&after=x", "shared": "yes", "next": LIST})
    assert answer["Location"] == f"{LIST}?state=Failed&view=Failing"
    other = client_for(people.reader)
    assert names(other.get(LIST, {"view": "Failing"}, follow=True)) == ["a_failed"]
    entry = Entry.objects.get(verb="saved")
    assert entry.target_name == "Failing" and entry.workspace == "team" and entry.diff["query"] == [None, "state=Failed"]


def test_a_list_opens_with_a_view_chosen_by_api_until_it_no_longer_does(people: People, client_for: Any, jobs: list[Job]) -> None:
    client_for(people.contributor).post(VIEWS, {"name": "Failing", "query": "state=Failed", "shared": "yes", "next": LIST})
    client = client_for(people.reader)
    for opens, shown in ((True, ["a_failed"]), (False, ["a_failed", "a_running"])):
        told = client.put(f"{API}/jobs/Failing/opens", {"opens": opens}, content_type="application/json").json()
        assert told["opens"] is opens and sorted(names(client.get(LIST, follow=True))) == shown
    assert client_for(people.stranger).put(f"{API}/jobs/Failing/opens", {"opens": True}, content_type="application/json").status_code == 404


def test_a_list_opens_with_the_view_that_was_chosen_for_it(people: People, client_for: Any, jobs: list[Job]) -> None:
    client = client_for(people.reader)
    client.post(VIEWS, {"name": "Mine", "query": "state=Running", "next": LIST})
    view = SavedView.objects.get()
    client.post(f"{VIEWS}{view.pk}/", {"action": "open", "next": LIST})
    assert client.get(LIST)["Location"] == "?state=Running&view=Mine"
    assert len(names(client.get(LIST, {"view": ""}))) == 2
    client.post(f"{VIEWS}{view.pk}/", {"action": "close", "next": LIST})
    assert client.get(LIST).status_code == 200


def test_a_reader_shares_nothing(people: People, client_for: Any) -> None:
    client = client_for(people.reader)
    client.post(VIEWS, {"name": "Mine", "query": "", "shared": "yes", "next": LIST})
    assert not SavedView.objects.exists()
    assert client.post(API, {"table": "jobs", "name": "Mine", "shared": True}, content_type="application/json").status_code == 403


@pytest.mark.parametrize(("who", "gone"), [("reader", False), ("contributor", True), ("owner", True), ("admin", True)])
def test_a_shared_view_goes_by_its_owner_or_an_owner_of_the_workspace(people: People, client_for: Any, who: str, gone: bool) -> None:
    SavedView.objects.create(table="jobs", workspace=people.workspace, owner=people.contributor, name="A view", shared=True)
    answer = client_for(getattr(people, who)).delete(f"{API}/jobs/A view")
    assert answer.status_code == (204 if gone else 403)
    assert SavedView.objects.exists() != gone


def test_a_view_of_ones_own_is_nobody_elses(people: People, client_for: Any, jobs: list[Job]) -> None:
    view = SavedView.objects.create(table="jobs", workspace=people.workspace, owner=people.owner, name="Secret", query="state=Failed")
    client = client_for(people.contributor)
    assert client.get(API).json()["items"] == []
    assert client.delete(f"{API}/jobs/Secret").json()["id"] == "view-unknown"
    assert client.post(f"{VIEWS}{view.pk}/", {"action": "delete"}).status_code == 404


def test_two_people_do_not_share_one_name(people: People, client_for: Any) -> None:
    body = {"table": "jobs", "name": "Failing", "query": "state=Failed", "shared": True}
    assert client_for(people.owner).post(API, body, content_type="application/json").status_code == 201
    answer = client_for(people.contributor).post(API, body, content_type="application/json")
    assert answer.status_code == 409 and answer.json()["id"] == "view-name-taken"


def test_the_api_lists_by_a_view_and_what_is_given_beside_it(people: People, client_for: Any, jobs: list[Job]) -> None:
    client = client_for(people.reader)
    client.post(API, {"table": "jobs", "name": "Failing", "query": "?state=Failed"}, content_type="application/json")

    def found(**query: Any) -> list[str]:
        return [one["name"] for one in client.get("/api/v1/workspaces/team/jobs", query).json()["items"]]

    assert found(view="Failing") == ["a_failed"]
    assert found(view="Failing", status="Running") == ["a_running"]
    assert found(sort="name") == ["a_failed", "a_running"]
    assert client.get("/api/v1/workspaces/team/jobs", {"sort": "wrong"}).status_code == 422
    assert client.get("/api/v1/workspaces/team/jobs", {"view": "none"}).json()["id"] == "view-unknown"


def test_another_site_is_not_gone_to(people: People, client_for: Any) -> None:
    answer = client_for(people.reader).post("/w/team/lists/jobs/columns/", {"next": "//evil.example/"})
    assert answer["Location"] == "/"


def test_views_of_lists_outside_workspaces_are_kept_by_api_for_who_sees_the_list(people: People, client_for: Any) -> None:
    everywhere = "/api/v1/views"
    operator, reader = client_for(people.operator), client_for(people.reader)
    given = {"table": "clusters", "name": "Lost", "query": "state=unreachable", "shared": True}
    assert operator.post(everywhere, given, content_type="application/json").json()["query"] == "state=unreachable"
    assert reader.post(everywhere, given, content_type="application/json").status_code == 404
    assert operator.post(everywhere, {**given, "table": "jobs"}, content_type="application/json").json()["field"] == "table"
    assert operator.post(everywhere, {"table": "notifications", "name": "Own"}, content_type="application/json").status_code == 201
    assert [one["name"] for one in operator.get(everywhere).json()["items"]] == ["Own", "Lost"]
    admin = client_for(people.admin)
    assert [one["name"] for one in admin.get(everywhere, {"table": "clusters"}).json()["items"]] == ["Lost"]
    assert reader.get(everywhere).json()["items"] == []
    opened = admin.put(f"{everywhere}/clusters/Lost/opens", {"opens": True}, content_type="application/json")
    assert opened.json()["opens"] is True and admin.get("/ops/clusters/")["Location"] == "?state=unreachable&view=Lost"
    assert admin.delete(f"{everywhere}/clusters/Lost").status_code == 204
    assert Entry.objects.get(verb="deleted").workspace == ""
