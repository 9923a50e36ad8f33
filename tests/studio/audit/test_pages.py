"""The audit's pages, its API, its files and its commands show the same entries by the same filters."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from typer.testing import CliRunner

from compute.models import Cluster
from studio.accounts.models import ApiToken
from studio.audit import services
from studio.audit.models import Entry
from studio.audit.pages import export
from studio.audit.services import record, write
from studio.live.topics import allowed
from tests.conftest import People

pytestmark = pytest.mark.django_db


@pytest.fixture
def some(people: People) -> list[Entry]:
    """Entries of two people in two workspaces, one of them refused."""
    return [
        record(people.owner, "changed", people.workspace, workspace="team", diff={"display_name": ["Team", "<b>Reds</b>"]}),
        write(people.reader, "asked for cancel", ("job", "", "a_job"), workspace="team", result="refused", problem="not-allowed"),
        write(people.stranger, "created", ("model", "7", "elsewhere's"), workspace="elsewhere"),
    ]


def listed(client: Client, path: str, **query: Any) -> list[int]:
    answer = client.get(path, query)
    assert answer.status_code == 200, answer.content
    return [item["id"] for item in answer.json()["items"]]


def test_an_operator_sees_everything_and_an_owner_their_workspace(people: People, some: list[Entry], client_for: Callable[..., Client]) -> None:
    whole = client_for(people.operator).get("/ops/audit/").content.decode()
    assert all(f'id="entry-{entry.pk}"' in whole for entry in some)
    assert "&lt;b&gt;Reds&lt;/b&gt;" in whole and "not allowed" in whole
    own = client_for(people.owner).get("/w/team/audit/?workspace=elsewhere").content.decode()
    assert "a_job" in own and "elsewhere&#x27;s" not in own
    assert listed(client_for(people.owner), "/api/v1/workspaces/team/audit") == [some[1].pk, some[0].pk]
    assert client_for(people.owner).get("/api/v1/workspaces/team/audit", {"workspace": "elsewhere"}).status_code == 422


def sent(answer: Any) -> str:
    """Return what a streamed answer sends."""

    async def read() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(read)().decode()


@pytest.mark.parametrize(
    ("query", "which"),
    [
        ({"person": "the-reader"}, [1]), ({"verb": "created"}, [2]), ({"kind": "workspace"}, [0]), ({"object": "a_job"}, [1]),
        ({"result": "refused"}, [1]), ({"via": "system"}, [2, 1, 0]), ({"via": "page"}, []), ({"workspace": "team"}, [1, 0]),
        ({"person": ["the-reader", "the-stranger"]}, [2, 1]), ({"sort": "person", "result": ["done", "refused"]}, [0, 1, 2]),
        ({"q": "NOT-ALLOWED"}, [1]), ({"since": "1h"}, [2, 1, 0]), ({"until": "1h"}, []), ({"until": "9999-12-31"}, [2, 1, 0]), ({"since": "2020-01-01", "until": "2020-01-02"}, []),
    ],
)  # fmt: skip
def test_filters(people: People, some: list[Entry], client_for: Callable[..., Client], query: dict[str, Any], which: list[int]) -> None:
    client = client_for(people.operator)
    wanted = [some[at].pk for at in which]
    assert listed(client, "/api/v1/audit", **query) == wanted
    assert [line.row.pk for line in client.get("/ops/audit/", query).context["list"].lines] == wanted
    for path in ("/api/v1/audit/export", "/ops/audit/"):
        # A file has one order: newest first.
        narrowing = {name: value for name, value in query.items() if name != "sort" or path.startswith("/ops/")}
        lines = sent(client.get(path, {**narrowing, "format": "jsonl"})).splitlines()
        assert [json.loads(line)["id"] for line in lines] == sorted(wanted, reverse=True)


def test_a_filter_that_cannot_be_read_is_told(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.operator)
    for query in ({"since": "yesterday"}, {"result": "perhaps"}, {"until": "2026-13-01"}, {"since": "999999d"}, {"since": "0001-01-01T00:00:00+09:00"}):
        assert client.get("/api/v1/audit", query).status_code == 422
        page = client.get("/ops/audit/", query)
        assert page.status_code == 422 and "request-invalid" in page.content.decode()


def test_results_and_ways_are_counted_and_people_are_offered(people: People, some: list[Entry], client_for: Callable[..., Client]) -> None:
    boxes = {box.filter.key: box.options for box in client_for(people.operator).get("/ops/audit/").context["list"].boxes}
    assert [(one["value"], one["count"]) for one in boxes["result"]] == [("done", "2"), ("refused", "1"), ("failed", "0")]
    assert [one["value"] for one in boxes["person"]] == ["the-owner", "the-reader", "the-stranger"]
    assert "workspace" in boxes and not {"until", "object"} & boxes.keys()


@pytest.mark.parametrize("said", ["token", "apitoken"])
def test_a_kind_is_called_the_same_by_page_api_and_file_however_it_came_about(said: str, people: People, client_for: Callable[..., Client]) -> None:
    made = record(people.owner, "issued", ApiToken.issue(people.owner, name="ci")[0])
    refused = write(people.reader, "asked to delete", ("token", "", "7"), result="refused", problem="not-found")
    write(people.admin, "created", ("imagerule", "1", "python:*"))
    client = client_for(people.operator)
    found = client.get("/api/v1/audit", {"kind": said}).json()["items"]
    assert [(one["id"], one["kind"]) for one in found] == [(refused.pk, "token"), (made.pk, "token")]
    boxes = {box.filter.key: box.options for box in client.get("/ops/audit/").context["list"].boxes}
    assert [(one["value"], one["title"]) for one in boxes["kind"]] == [("image-rule", "image rule"), ("token", "token")]
    assert len(listed(client, "/api/v1/audit", kind="image-rule")) == 1


def test_a_view_of_a_workspace_s_audit_is_its_owners_alone(people: People, some: list[Entry], client_for: Callable[..., Client]) -> None:
    given = {"name": "Refused", "query": "result=refused", "shared": "yes", "next": "/w/team/audit/"}
    path = "/w/team/lists/workspace-audit/views/"
    assert client_for(people.contributor).post(path, given).status_code == 403
    assert client_for(people.owner).post(path, given)["Location"] == "/w/team/audit/?result=refused&view=Refused"
    views = {one: client_for(getattr(people, one)).get("/api/v1/workspaces/team/views").json()["items"] for one in ("reader", "admin")}
    assert views["reader"] == [] and [view["name"] for view in views["admin"]] == ["Refused"]
    # The contributor's attempt stands above.
    assert listed(client_for(people.owner), "/api/v1/workspaces/team/audit", view="Refused")[1:] == [some[1].pk]


def test_who_may_read_the_audit_may_watch_it_grow(people: People) -> None:
    def watched(user: Any) -> list[str]:
        return [topic.name for topic in allowed(user, ["audit", "audit:team"])]

    assert watched(people.operator) == ["audit"] and watched(people.owner) == ["audit:team"]
    assert watched(people.admin) == ["audit", "audit:team"] and watched(people.contributor) == []


def test_a_record_is_told_to_those_who_watch(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(services, "publish", lambda topic, event, payload: told.append(topic))
    record(people.owner, "changed", people.workspace, workspace="team")
    record(people.owner, "changed", people.workspace)
    assert told == ["audit", "audit:team", "audit"]


def test_pages_follow_by_key_and_never_show_an_entry_twice(people: People, client_for: Callable[..., Client]) -> None:
    for number in range(60):
        write(people.owner, "changed", ("job", str(number), f"job {number}"))
    client = client_for(people.operator)
    first = client.get("/api/v1/audit", {"limit": 50}).json()
    write(people.owner, "changed", ("job", "x", "came meanwhile"))
    second = client.get("/api/v1/audit", {"limit": 50, "after": first["next"]}).json()
    ids = [item["id"] for item in [*first["items"], *second["items"]]]
    assert len(ids) == len(set(ids)) == 60 and second["next"] is None
    assert "Next page" in client.get("/ops/audit/").content.decode()


def test_an_object_that_is_still_there_is_a_link_for_who_may_open_it(people: People, client_for: Callable[..., Client]) -> None:
    cluster = Cluster.objects.create(name="gpu-a", server="https://127.0.0.1:1", status="ready")
    record(people.operator, "attached", cluster, workspace="team")
    link = 'href="/ops/clusters/gpu-a/">gpu-a'
    assert link in client_for(people.operator).get("/ops/audit/").content.decode()
    assert link not in client_for(people.owner).get("/w/team/audit/").content.decode()
    tab = client_for(people.operator).get("/ops/clusters/gpu-a/audit/").content.decode()
    assert "attached" in tab and "the-operator" in tab
    cluster.delete()
    assert link not in client_for(people.operator).get("/ops/audit/").content.decode()


def test_a_csv_holds_every_entry_and_no_formula(people: People, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PIECE", 2)
    names = ["=1+1", "+x", "-x", "@x", "\tx", "plain, with \"quotes\"\nand lines"]
    for name in names:
        write(people.owner, "changed", ("job", "1", name), diff={"a": ["=2", 3]})
    answer: Any = client_for(people.operator).get("/ops/audit/?format=csv&verb=changed")
    assert answer["Content-Type"].startswith("text/csv") and ".csv" in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(sent(answer))))
    assert [row["object"] for row in rows] == [*reversed([names[-1]]), *(f"'{name}" for name in reversed(names[:-1]))]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row.values())
    assert json.loads(rows[0]["difference"]) == {"a": ["=2", 3]}


def test_the_command_line_lists_and_exports(
    people: People, some: list[Entry], live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from mooring.cli.app import app

    monkeypatch.setenv("MOORING_URL", live_server.url)
    monkeypatch.setenv("MOORING_TOKEN", ApiToken.issue(people.owner, name="laptop")[1])
    shown = CliRunner().invoke(app, ["audit", "list", "-w", "team", "--result", "refused", "--result", "failed", "--sort", "person", "-o", "json"])
    assert [one["object"] for one in json.loads(shown.output)] == ["a_job"], shown.output
    written = CliRunner().invoke(app, ["audit", "export", "-w", "team", "--format", "jsonl", "-f", str(tmp_path / "audit.jsonl")])
    assert written.exit_code == 0 and len((tmp_path / "audit.jsonl").read_text().splitlines()) == 2
    again = CliRunner().invoke(app, ["audit", "export", "-w", "team", "-f", str(tmp_path / "audit.jsonl")])
    assert again.exit_code != 0 and len((tmp_path / "audit.jsonl").read_text().splitlines()) == 2
    refused = CliRunner().invoke(app, ["audit", "list"])
    assert refused.exit_code != 0 and refused.output == ""
