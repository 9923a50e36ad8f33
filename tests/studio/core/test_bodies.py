"""How large a request may be, before anything of it is kept."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from jobs.models import Job
from studio.accounts.models import ApiToken
from studio.core import bodies
from studio.core.bodies import ANYBODY, KEY, LimitedBodies
from studio.core.middleware import refused_bodies
from studio.known import UNKNOWN, refusal_of
from tests.conftest import People

MIB = 1024 * 1024
BLOB = "/api/v1/workspaces/team/blobs/sha256:0"


def sent(path: str, pieces: Iterable[bytes], *, known: bool, **headers: str) -> tuple[Any, int]:
    """Send a body through the guard; return what was refused, and how many bytes the application got."""
    scope: dict[str, Any] = {
        "type": "http", "path": path, "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }  # fmt: skip
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    waiting += [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    got = 0

    async def receive() -> Any:
        return waiting.pop(0)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal got
        while True:
            message = await receive()
            got += len(message["body"])
            if not message["more_body"]:
                return

    async def why_not(scope: Any) -> Any:
        return None if known else UNKNOWN

    asyncio.run(LimitedBodies(application, why_not)(scope, receive, lambda message: asyncio.sleep(0)))
    return scope.get(KEY, ("", {}))[0], got


def test_anybody_may_send_a_small_form() -> None:
    assert sent("/accounts/login/", [b"x" * 1000], known=False, content_length="1000") == ("", 1000)


@pytest.mark.parametrize("announced", [True, False])
def test_nobody_in_particular_sends_more(announced: bool) -> None:
    headers = {"content_length": str(5 * MIB)} if announced else {}
    assert sent(BLOB, [b"x" * MIB] * 5, known=False, **headers) == ("sign-in-needed", 0)


def test_a_known_person_sends_files_where_files_go(settings: Any) -> None:
    settings.LARGEST_UPLOAD = 6 * MIB
    assert sent(BLOB, [b"x" * MIB] * 5, known=True) == ("", 5 * MIB)
    form = {"content_type": "multipart/form-data; boundary=x"}
    assert sent("/w/team/jobs/-/new/", [b"x" * MIB] * 5, known=True, **form) == ("", 5 * MIB)
    assert sent("/w/team/jobs/-/new/", [b"x" * MIB] * 5, known=True)[0] == "too-large"


def test_what_announces_nothing_is_cut_while_it_comes(settings: Any) -> None:
    settings.LARGEST_UPLOAD = 2 * MIB
    refused, got = sent(BLOB, [b"x" * MIB] * 5, known=True)
    assert (refused, got) == ("too-large", 2 * MIB)
    assert sent(BLOB, [b"x" * MIB] * 5, known=True, content_length=str(5 * MIB)) == ("too-large", 0)


def test_the_outputs_of_a_job_have_a_limit_of_their_own(settings: Any) -> None:
    settings.LARGEST_OUTPUTS = 3 * MIB
    path = "/runner/v1/jobs/one/outputs/0/artifacts/model.bin"
    assert sent(path, [b"x" * MIB] * 3, known=True) == ("", 3 * MIB)
    assert sent(path, [b"x" * MIB] * 4, known=True)[0] == "too-large"


@pytest.mark.django_db
def test_only_who_is_known_sends_much(people: People, client_for: Any) -> None:
    session = client_for(people.contributor).cookies["sessionid"].value
    token = ApiToken.issue(people.contributor, name="x")[1]
    assert refusal_of(BLOB, {"cookie": f"a=b; sessionid={session}"}) is None
    assert refusal_of("/api/v1/me", {"authorization": f"Bearer {token}"}) is None
    assert refusal_of(BLOB, {"cookie": "sessionid=made-up"}) == UNKNOWN
    assert refusal_of("/api/v1/me", {"authorization": "Bearer mrg_made_up"}) == UNKNOWN
    assert refusal_of(BLOB, {}) == UNKNOWN
    people.contributor.is_active = False
    people.contributor.save()
    assert refusal_of(BLOB, {"cookie": f"sessionid={session}"}) == UNKNOWN
    assert refusal_of("/api/v1/me", {"authorization": f"Bearer {token}"}) == UNKNOWN


@pytest.mark.django_db
@pytest.mark.parametrize(("who", "problem"), [("contributor", ""), ("owner", ""), ("admin", ""), ("reader", "not-allowed"), ("stranger", "not-found")])
@pytest.mark.parametrize("path", [BLOB, "/w/team/jobs/-/new/"])
def test_nothing_large_is_kept_for_who_may_bring_nothing_into_the_workspace(
    who: str, problem: str, path: str, people: People, client_for: Any
) -> None:
    session = client_for(getattr(people, who)).cookies["sessionid"].value
    assert (refusal_of(path, {"cookie": f"sessionid={session}"}) or ("",))[0] == problem


@pytest.mark.django_db
def test_the_pod_of_a_job_is_known_by_its_token(people: People) -> None:
    Job.objects.create(name="one", workspace=people.workspace, yaml="", command="x", image="x", compute_name="x", namespace="x",
                       token="the-token", status="Running")  # fmt: skip
    assert refusal_of("/runner/v1/jobs/one/outputs/0/a/b", {"authorization": "Bearer the-token"}) is None
    assert refusal_of("/runner/v1/jobs/other/outputs/0/a/b", {"authorization": "Bearer the-token"}) == UNKNOWN
    assert refusal_of("/runner/v1/jobs/one/outputs/0/a/b", {}) == UNKNOWN


def test_a_refused_request_is_answered_with_the_problem() -> None:
    request = RequestFactory().put(BLOB)
    request.scope = {KEY: ("too-large", {"what": "The request", "limit": "8 GiB"})}  # type: ignore[attr-defined]
    answer: Any = refused_bodies(lambda request: HttpResponse())(request)  # type: ignore[operator]
    assert answer.status_code == 413 and b"larger than 8 GiB" in answer.content and answer["Connection"] == "close"
    assert refused_bodies(lambda request: HttpResponse())(RequestFactory().put(BLOB)).status_code == 200  # type: ignore[operator]


@pytest.mark.django_db
def test_numbers_beyond_all_bounds_are_problems(people: People, client_for: Any) -> None:
    client = client_for(people.reader)
    long = "9" * 40
    cursor = base64.urlsafe_b64encode(long.encode()).decode()
    for path in (f"/api/v1/workspaces/team/jobs?after={cursor}", f"/w/team/jobs/?after={long}"):
        assert client.get(path).status_code == 422, path
    assert client_for(people.operator).delete(f"/api/v1/image-rules/{long}").status_code in {404, 422}
    assert client.get(f"/api/v1/workspaces/team/jobs/x/logs/{long}").status_code in {404, 422}


@pytest.mark.django_db
def test_a_forged_request_is_refused_as_one(people: People, client_for: Any) -> None:
    client = client_for(people.contributor, enforce_csrf_checks=True)
    answer = client.post("/api/v1/workspaces/team/jobs", {"yaml": "x"}, content_type="application/json")
    assert (answer.status_code, answer.json()["id"]) == (403, "csrf-failed")
    page = client.post("/w/team/jobs/-/new/", {"as": "yaml"})
    assert page.status_code == 403 and "csrf-failed" in page.content.decode()
    nobody = client_for(None, enforce_csrf_checks=True).post("/api/v1/workspaces/team/jobs", {}, content_type="application/json")
    assert (nobody.status_code, nobody.json()["id"]) == (401, "sign-in-needed")


def test_the_guard_stands_in_front_of_the_application() -> None:
    from studio.asgi import application

    assert isinstance(application, LimitedBodies) and bodies.ROUTES and ANYBODY < 4 * MIB
