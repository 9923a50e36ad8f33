"""What an entry holds: who, from where, by what, the difference, the result; and never a secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from compute.models import Cluster
from studio.accounts.models import ApiToken
from studio.audit import middleware
from studio.audit.models import Entry
from studio.audit.services import HIDDEN, record
from studio.core.caller import caller
from tests.conftest import People

pytestmark = pytest.mark.django_db
RULES = "/api/v1/image-rules"
RULE = {"pattern": "python:*", "image": "registry/python:1"}


def put_rule(client: Client, **more: Any) -> Any:
    return client.put(RULES, RULE, content_type="application/json", **more)


def test_an_entry_says_from_where_a_page_was_used(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.operator, REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="Mozilla/5.0", HTTP_X_REQUEST_ID="abc-1")
    client.post("/ops/images/", {"pattern": "python:*", "image": "registry/python:1"})
    entry = Entry.objects.get()
    assert (entry.actor_name, entry.verb, entry.target_kind, entry.result) == ("the-operator", "created", "imagerule", "done")
    assert (entry.via, entry.address, entry.agent, entry.request_id) == ("page", "192.0.2.7", "Mozilla/5.0", "abc-1")
    assert entry.token_id is None and entry.diff == {"image": [None, "registry/python:1"]}


@pytest.mark.parametrize(("agent", "via"), [("curl/8", "api"), ("mooring/0.1", "api"), ("mooring-cli/0.1", "cli")])
def test_an_entry_says_by_which_token_and_program_the_api_was_used(people: People, agent: str, via: str) -> None:
    token, clear = ApiToken.issue(people.operator, name="laptop")
    put_rule(Client(), headers={"Authorization": f"Bearer {clear}", "User-Agent": agent})
    entry = Entry.objects.get()
    assert (entry.via, entry.agent, entry.token_id, entry.token_name) == (via, agent, token.pk, "laptop")


def test_what_the_studio_does_by_itself_has_no_caller(people: People, client_for: Callable[..., Client]) -> None:
    client_for(people.operator).get("/ops/images/")
    entry = record(None, "deleted", people.workspace)
    assert (entry.via, entry.actor_name, entry.address, entry.request_id) == ("system", "studio", "", "")
    assert caller().via == "system"


def test_an_address_that_is_none_and_a_program_without_end_are_not_kept(people: People, client_for: Callable[..., Client]) -> None:
    put_rule(client_for(people.operator, REMOTE_ADDR="somewhere", HTTP_USER_AGENT="x\x1b" * 300))
    entry = Entry.objects.get()
    assert entry.address == "" and entry.agent == "x" * 200


def test_no_secret_stays_in_a_difference(people: People) -> None:
    clear = ApiToken.issue(people.operator, name="x")[1]
    pem = "-----BEGIN PRIVATE KEY-----\nMIIEsecret\n-----END PRIVATE KEY-----"
    planted = {
        "password": ["old-planted", "new-planted"],
        "kubeconfig": ["", "planted"],
        "settings": [{}, {"apiKey": "planted", "name": "kept"}],
        "note": ["", f"use {clear} and {pem}"],
        "proxy": ["", "http://user:planted@proxy:3128"],
        "header": ["", "Authorization: Bearer planted-planted"],
    }
    kept = record(people.operator, "changed", people.workspace, diff=planted).diff
    written = json.dumps(kept, ensure_ascii=False)
    assert "planted" not in written and clear not in written and "MIIE" not in written
    assert kept["password"] == [HIDDEN, HIDDEN] and kept["settings"][1]["name"] == "kept"
    assert kept["kubeconfig"] == ["", HIDDEN] and "@proxy:3128" in kept["proxy"][1]


def test_a_refused_change_is_recorded_with_its_problem(people: People, client_for: Callable[..., Client]) -> None:
    client_for(people.reader).post("/w/team/jobs/a_job/cancel/")
    client_for(people.stranger).delete("/api/v1/workspaces/team/models/flowers")
    refused, hidden = Entry.objects.order_by("id")
    assert (refused.actor_name, refused.verb, refused.target_kind, refused.target_name) == ("the-reader", "asked for cancel", "job", "a_job")
    assert (refused.result, refused.problem, refused.workspace, refused.diff["status"]) == ("refused", "not-allowed", "team", ["", 403])
    assert (hidden.actor_name, hidden.verb, hidden.problem, hidden.via) == ("the-stranger", "asked to delete", "not-found", "api")


def test_a_refusal_that_a_page_shows_in_its_own_form_is_recorded_too(people: People, client_for: Callable[..., Client]) -> None:
    for name in ("gpu-a", "gpu-b"):
        Cluster.objects.create(name=name, server="https://127.0.0.1:1", status="ready")
    answer = client_for(people.operator).post("/ops/clusters/gpu-a/edit/", {"name": "gpu-b"})
    assert answer.status_code == 422
    entry = Entry.objects.get()
    assert (entry.verb, entry.target_kind, entry.target_name) == ("asked for edit", "cluster", "gpu-a")
    assert (entry.problem, entry.result) == ("name-taken", "refused")


def test_looking_and_mistyping_leave_no_entry(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.reader)
    client.get("/ops/clusters/")
    client.put(RULES, {"pattern": 1}, content_type="application/json")
    assert [entry.problem for entry in Entry.objects.all()] == ["not-found"], "the role is asked for first"
    client_for(people.operator).put(RULES, {"pattern": ""}, content_type="application/json")
    assert Entry.objects.count() == 1


def test_who_is_not_signed_in_writes_nothing(client: Client) -> None:
    for path in ("/w/team/jobs/a/cancel/", RULES, "/accounts/login/", "/nothing/"):
        client.post(path)
    assert not Entry.objects.exists()


def test_refusals_of_one_person_are_bounded_and_the_last_says_so(
    people: People, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "MOST_AN_HOUR", 3)
    for _ in range(6):
        client_for(people.stranger).post("/ops/clusters/x/probe/")
    client_for(people.reader).post("/ops/clusters/x/probe/")
    assert [entry.actor_name for entry in Entry.objects.order_by("id")] == ["the-stranger"] * 3 + ["the-reader"]
    assert "more" in Entry.objects.filter(actor_name="the-stranger").latest("id").diff


def test_refusals_of_all_are_bounded(people: People, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MOST_AN_HOUR_OF_ALL", 2)
    for person in (people.stranger, people.reader, people.contributor):
        client_for(person).post("/ops/clusters/x/probe/")
    assert Entry.objects.count() == 2


def test_a_change_that_breaks_is_recorded_as_failed(
    people: People, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken inside")

    monkeypatch.setattr("studio.assets.services.set_image_rule", breaks)
    client = client_for(people.operator, raise_request_exception=False)
    assert put_rule(client).status_code == 500
    entry = Entry.objects.get()
    assert (entry.result, entry.problem) == ("failed", "internal")
