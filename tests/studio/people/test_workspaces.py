"""Workspaces and their members."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from compute.models import Cluster, Compute
from studio.accounts.access import role_in, workspace_for
from studio.accounts.models import Workspace
from studio.audit.models import Entry
from studio.core.errors import ProblemError
from studio.people import workspaces
from tests.conftest import People

pytestmark = pytest.mark.django_db


def test_an_owner_adds_changes_and_takes_out_members_on_the_page(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.owner)
    client.post("/w/team/members/set/", {"username": "the-stranger", "role": "reader"})
    assert role_in(people.stranger, people.workspace) == "reader"
    client.post("/w/team/members/set/", {"username": "the-stranger", "role": "contributor"})
    assert role_in(people.stranger, people.workspace) == "contributor"
    client.post("/w/team/members/remove/", {"username": "the-stranger"})
    assert role_in(people.stranger, people.workspace) is None
    said = list(Entry.objects.filter(workspace="team").order_by("pk").values_list("verb", flat=True))
    assert said == ["added a member to", "changed a role in", "removed a member from"]
    unknown = client.post("/w/team/members/set/", {"username": "nobody-here", "role": "reader"})
    said = unknown.content.decode()
    assert unknown.status_code == 422 and 'value="nobody-here"' in said
    assert 'aria-invalid="true"' in said.split('id="id_username"')[1].split(">")[0]
    assert "nobody-here" in said.split('id="id_username_note"')[1].split("</p>")[0]


def test_the_last_owner_neither_leaves_nor_steps_down(people: People, client_for: Callable[..., Client]) -> None:
    for change in (lambda: workspaces.remove_member(people.owner, people.workspace, username="the-owner"),
                   lambda: workspaces.set_member(people.owner, people.workspace, username="the-owner", role="reader")):  # fmt: skip
        with pytest.raises(ProblemError, match="workspace-last-owner"):
            change()
    workspaces.set_member(people.owner, people.workspace, username="the-reader", role="owner")
    assert client_for(people.owner).post("/w/team/members/leave/").status_code == 302
    with pytest.raises(ProblemError, match="not-found"):
        workspace_for(people.owner, "team")


def test_a_member_leaves_over_the_api_and_takes_out_nobody_else(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.reader)
    assert client.delete("/api/v1/workspaces/team/members/the-contributor").status_code == 403
    assert client.delete("/api/v1/workspaces/team/members/the-reader").status_code == 204
    assert role_in(people.reader, people.workspace) is None


def test_a_workspace_in_which_something_lives_is_not_deleted(people: People, client_for: Callable[..., Client]) -> None:
    cluster = Cluster.objects.create(name="a", server="https://x")
    compute = Compute.objects.create(workspace=people.workspace, cluster=cluster, name="local", namespace="n", status="ready")
    client = client_for(people.owner)
    refused = client.delete("/api/v1/workspaces/team")
    assert (refused.status_code, refused.json()["id"]) == (409, "workspace-not-empty") and "1 compute" in refused.json()["detail"]
    assert b"1 compute" in client.get("/w/team/settings/").content
    compute.delete()
    assert client.delete("/api/v1/workspaces/team").status_code == 204 and not Workspace.objects.filter(name="team").exists()
    assert Entry.objects.filter(verb="deleted", workspace="team").exists()


def test_an_archived_workspace_is_for_looking_only_until_it_is_restored(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.owner)
    client.post("/w/team/settings/archive/")
    assert client.get("/w/team/jobs/").status_code == 200
    refused = client.post("/api/v1/workspaces/team/jobs", {"yaml": "command: echo"}, content_type="application/json")
    assert (refused.status_code, refused.json()["id"]) == (409, "workspace-archived")
    assert client.post("/w/team/members/set/", {"username": "the-stranger", "role": "reader"}).status_code == 409
    client.post("/w/team/settings/restore/")
    assert client.post("/w/team/members/set/", {"username": "the-stranger", "role": "reader"}).status_code == 302


def test_an_operator_makes_a_workspace_and_sees_all_of_them_but_into_none(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.operator)
    made = client.post("/ops/access/workspaces/new/", {"name": "fresh", "display_name": "Fresh", "description": "new"})
    assert made.status_code == 302 and workspace_for(people.operator, "fresh", "owner").description == "new"
    page = client.get("/ops/access/workspaces/").content
    assert b"fresh" in page and b"team" in page and b"/w/team/" not in page
    assert client.get("/w/team/members/").status_code == 404
