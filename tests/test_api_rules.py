"""What holds for every operation of the API: one mechanism each for keys, pages, ETags and errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from compute.models import Cluster
from studio.accounts.models import ApiToken, Workspace
from studio.api import description, idempotency
from studio.api.models import KeptAnswer
from studio.api.root import api
from tests import access_asked
from tests.conftest import People

pytestmark = pytest.mark.django_db

everything = access_asked.everything
SPACES = "/api/v1/workspaces"


def made(client: Client, name: str, key: str, path: str = SPACES) -> Any:
    return client.post(path, json.dumps({"name": name}), content_type="application/json", headers={"Idempotency-Key": key})


def test_a_creation_that_comes_again_with_its_key_gets_the_first_answer(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.operator)
    first, second = made(client, "fresh", "k1"), made(client, "fresh", "k1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json() and second["Idempotent-Replayed"] == "true"
    assert Workspace.objects.filter(name="fresh").count() == 1


def test_the_same_key_with_another_body_is_refused(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.operator)
    made(client, "fresh", "k1")
    answer = made(client, "other", "k1")
    assert answer.status_code == 422 and answer.json()["id"] == "idempotency-key-reused"


def test_a_refused_request_leaves_its_key_free(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.operator)
    assert made(client, "team", "k1").status_code == 409
    assert made(client, "fresh", "k1").status_code == 201


def test_a_key_is_that_of_one_person(people: People, client_for: Callable[..., Client]) -> None:
    made(client_for(people.operator), "fresh", "k1")
    assert made(client_for(people.admin), "other", "k1").status_code == 201


def test_a_key_whose_first_request_is_at_work_waits(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.operator)
    made(client, "fresh", "k1")
    KeptAnswer.objects.update(status=None)
    assert made(client, "fresh", "k1").json()["id"] == "idempotency-key-at-work"


def test_answers_are_sealed_and_forgotten_after_a_day(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.owner)
    clear = made(client, "laptop", "k1", "/api/v1/me/tokens").json()["token"]
    assert made(client, "laptop", "k1", "/api/v1/me/tokens").json()["token"] == clear
    assert ApiToken.objects.filter(user=people.owner).count() == 1
    raw = KeptAnswer.objects.extra(select={"raw": "body"}).values_list("raw", flat=True)[0]
    assert clear not in raw
    KeptAnswer.objects.update(at=KeptAnswer.objects.get().at - timedelta(days=1, minutes=1))
    assert idempotency.forget_old() == 1


def test_what_has_not_changed_is_not_sent_again(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.reader)
    first = client.get(SPACES)
    again = client.get(SPACES, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304 and again.content == b"" and again["ETag"] == first["ETag"]
    people.workspace.display_name = "Another"
    people.workspace.save()
    assert client.get(SPACES, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_a_change_of_what_has_changed_meanwhile_is_refused(people: People, client_for: Callable[..., Client]) -> None:
    Cluster.objects.create(name="edge", server="https://127.0.0.1:1", credentials="{}", status="ready")
    client, path = client_for(people.operator), "/api/v1/clusters/edge"
    tag = client.get(path)["ETag"]

    def renamed(name: str, path: str = path) -> Any:
        return client.patch(path, json.dumps({"name": name}), content_type="application/json", headers={"If-Match": tag})

    assert renamed("rim").status_code == 200
    late = renamed("verge", "/api/v1/clusters/rim")
    assert late.status_code == 412 and late.json()["id"] == "precondition-failed"
    assert Cluster.objects.get().name == "rim"


def test_a_change_of_what_has_no_version_is_held_to_what_was_seen_too(people: People, client_for: Callable[..., Client]) -> None:
    client, path = client_for(people.owner), f"{SPACES}/team"
    tag = client.get(path)["ETag"]

    def changed(text: str, client: Client = client, tag: str = tag) -> Any:
        given = json.dumps({"description": text})
        return client.patch(path, given, content_type="application/json", headers={"If-Match": tag})

    assert changed("one").status_code == 200
    assert changed("two").json()["id"] == "precondition-failed"
    assert client.delete(path, headers={"If-Match": tag}).status_code == 412
    assert changed("two", client_for(people.reader)).status_code == 403
    assert Workspace.objects.get(name="team").description == "one"
    assert changed("three", tag=f'"other", {client.get(path)["ETag"]}').status_code == 200
    assert changed("four", tag="*").status_code == 200


def test_a_list_comes_page_by_page_whatever_came_in_between(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.admin)
    first = client.get(SPACES, {"limit": 1}).json()
    assert [one["name"] for one in first["items"]] == ["elsewhere"]
    Workspace.objects.create(name="aaa")
    second = client.get(SPACES, {"limit": 1, "after": first["next"]}).json()
    assert [one["name"] for one in second["items"]] == ["team"] and second["next"] is None


@pytest.mark.parametrize("after", ["***", "AAAA", "ff", "x" * 3000])
def test_a_cursor_that_somebody_made_up_is_told_so(after: str, people: People, client_for: Callable[..., Client]) -> None:
    answer = client_for(people.reader).get("/api/v1/workspaces/team/jobs", {"after": after})
    assert answer.status_code == 422 and answer.json()["field"] == "after"


@pytest.mark.parametrize(("method", "path", "id"), [("DELETE", "/api/v1/me", "method-not-allowed"), ("GET", "/api/v1/nothing", "not-found")])
def test_what_django_answers_itself_is_a_problem_too(method: str, path: str, id: str, people: People, client_for: Callable[..., Client]) -> None:
    answer = client_for(people.reader).generic(method, path)
    assert answer["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert told["id"] == id and {"type", "title", "status", "detail", "todo", "who"} <= told.keys()


def test_no_operation_passes_over_a_parameter_that_it_does_not_know(
    people: People, everything: dict[str, str], client_for: Callable[..., Client]
) -> None:
    """Every operation of the description, lists and all others: with their own parameters they answer, with another they say so."""
    client, passed_over = client_for(people.admin), []
    for path, method, operation in description.operations(json.loads(json.dumps(api.get_openapi_schema()))):
        pattern = path.removeprefix("/").replace("{", "<").replace("}", ">").replace("<path>", "<path:path>")
        needed = "&".join(f"{one['name']}=x" for one in operation.get("parameters", ()) if one["in"] == "query" and one["required"])
        where = f"{access_asked.filled(pattern, everything)}?sate=open&{needed}"
        answer = access_asked.asked(client, method.upper(), where, access_asked.BODIES.get((method.upper(), pattern), {}))
        told = answer.json() if answer.content else {}
        known = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
        if operation["operationId"] == "remove_second_factor":
            continue  # of nobody's factor, so that it says not more than that
        if method != "head" and (told.get("id"), told.get("field")) != ("parameter-unknown", "sate"):
            passed_over.append(f"{operation['operationId']}: {answer.status_code} {told.get('id')}")
        elif method != "head" and {one for one in known if f"`{one}`" not in told["detail"]}:
            passed_over.append(f"{operation['operationId']} does not name what it knows")
    assert passed_over == []


def test_no_operation_passes_over_a_field_of_its_body_that_it_does_not_know(
    people: People, everything: dict[str, str], client_for: Callable[..., Client]
) -> None:
    client, passed_over = client_for(people.admin), []
    for (method, pattern), body in access_asked.BODIES.items():
        answer = access_asked.asked(client, method, access_asked.filled(pattern, everything), {**body, "nmae": "x"})
        told = answer.json()
        if pattern.endswith("<factor>/removed"):
            continue  # of nobody's factor, so that it says not more than that
        if "nmae" not in {one.get("field") for one in (told, *told.get("errors", ()))}:
            passed_over.append(f"{method} {pattern}: {answer.status_code} {told}")
    assert passed_over == []


def test_a_body_that_does_not_fit_is_told_by_its_own_names_and_by_place(people: People, client_for: Callable[..., Client]) -> None:
    def told(client: Client, body: str) -> Any:
        return client.post(SPACES, body, content_type="application/json").json()

    client = client_for(people.operator)
    assert told(client, '{"name": 1}')["field"] == "name"
    assert "line 1, column 2" in told(client, "{")["detail"] and "UTF-8" in told(client, b"\xff")["detail"]  # type: ignore[arg-type]
    assert told(client_for(people.reader), "{")["id"] == "not-allowed"


def test_a_list_refuses_the_old_name_of_a_filter(people: People, client_for: Callable[..., Client]) -> None:
    answer = client_for(people.admin).get("/api/v1/tokens", {"state": "ended"})
    assert answer.status_code == 422 and answer["Content-Type"] == "application/problem+json"
    assert answer.json()["field"] == "state" and "`show`" in answer.json()["detail"]


def test_who_lacks_the_role_is_told_so_before_what_is_unknown(people: People, client_for: Callable[..., Client]) -> None:
    for path in ("/api/v1/tokens", "/api/v1/audit"):
        plain, wrong = (client_for(people.reader).get(path, asked) for asked in ({}, {"sate": "x"}))
        assert (wrong.status_code, wrong.json()["id"]) == (plain.status_code, plain.json()["id"])
