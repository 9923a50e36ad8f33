"""Who may do what: every address of the studio, asked by everyone there is.

The table (`tests/access_table.py`) is the rule. An address that is not in it fails the test, and so does one that answers otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from jobs.models import Job
from studio.accounts.models import User
from tests.access_asked import BODIES, PLANTED, asked, everything, filled
from tests.access_table import API_DEP, API_JOB, API_VERSION, API_W, END, JOB, KNOWN_OF_OTHERS, MODEL_VERSION, POD, PODS, TABLE, WHO, W
from tests.conftest import People

__all__ = ["everything"]
pytestmark = pytest.mark.django_db
# What these name is of no workspace: lists as they are declared, people, and content that the request itself brings.
OF_NO_WORKSPACE = {W + "lists/<slug:table>/columns/", W + "lists/<slug:table>/views/", API_W + "members/<username>", API_W + "blobs/<digest>"}


def addresses(resolver: URLResolver | None = None, before: str = "") -> Iterator[tuple[str, Any]]:
    for one in (resolver or get_resolver()).url_patterns:
        whole = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from addresses(one, whole)
        elif isinstance(one, URLPattern):
            yield whole, one.callback


def letter(path: str, answer: Any) -> str:
    if answer.status_code in {302, 401} and (answer.status_code == 401 or answer["Location"].startswith("/accounts/login/")):
        assert (answer.status_code == 401) == path.startswith(("/api/", "/live/")), answer.status_code
        return "s"
    if answer.status_code == 403:
        return "f"
    if answer.status_code == 404:
        return "n"
    assert answer.status_code < 500, (path, answer.status_code, answer.content[:300])
    return "y"


def test_every_address_is_in_the_table() -> None:
    in_table = {pattern for _, pattern in TABLE} | PODS.keys() | KNOWN_OF_OTHERS
    unknown = {pattern for pattern, _ in addresses()} - in_table
    assert not unknown, f"say in TABLE who may use {sorted(unknown)}"
    assert not in_table - {pattern for pattern, _ in addresses()}, "the table names addresses that are gone"


def test_every_operation_of_the_api_is_in_the_table() -> None:
    from studio.api.root import api

    offered = set()
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            whole = "api/v1" + prefix + path.replace("{", "<").replace("}", ">")
            offered |= {(method, whole) for operation in view.operations for method in operation.methods}
    table = {key for key in TABLE if key[1].startswith("api/v1/") and key[1] != "api/v1/openapi.json"}
    assert offered == table


def test_every_view_says_itself_who_may_use_it() -> None:
    of_its_own = ("", "healthz", "readyz", "metrics", "live/")
    silent = [
        pattern
        for pattern, view in addresses()
        if not pattern.startswith(("accounts/", "api/")) and pattern not in of_its_own and not _guarded(view)
    ]
    assert silent == []


def _guarded(view: Any) -> bool:
    while view is not None:
        if hasattr(view, "access"):
            return True
        view = getattr(view, "__wrapped__", None)
    return False


# What lies inside is not there, for those who may look: a 404 that tells no role from another.
NOTHING_INSIDE = {
    JOB + "outputs/<str:root>/<path:file>", JOB + "code/<path:file>", JOB + "code.zip", JOB + "code/", JOB + "outputs.zip",
    API_JOB + "/outputs/<root>/<path:path>", API_W + "blobs/<digest>", MODEL_VERSION + "files/<path:file>",
    API_VERSION + "/files/<path:path>", END + "consume/ca.pem", POD + "lines", POD + "download", API_DEP + "/logs",
}  # fmt: skip


# An endpoint's keys are asked for to be used: their own two addresses give them, to those who may.
GIVES_KEYS = {END + "consume/keys/", API_W + "online-endpoints/<name>/keys"}


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("who", WHO)
def test_everyone_gets_what_the_table_says(
    who: str, people: People, everything: dict[str, str], client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = None if who == "nobody" else getattr(people, who)
    wrong, leaks = [], []
    client = client_for(person)
    for (method, pattern), letters in TABLE.items():
        if pattern == "live/" and who != "nobody":
            continue  # never ends: tests/studio/live
        expected = letters[WHO.index(who)]
        path = filled(pattern, everything)
        # Taken back each time, so that everything is there for the next.
        with transaction.atomic():
            answer = asked(client, method, path, BODIES.get((method, pattern), {}))
            said = b"".join(answer) if answer.streaming else answer.content
            transaction.set_rollback(True)
        told = letter(path, answer)
        if expected == "y" and pattern in NOTHING_INSIDE and told == "n":
            continue
        if told != expected:
            wrong.append(f"{method} {path}: {who} got {answer.status_code} ({told}), the table says {expected}")
        if PLANTED.encode() in said and not (pattern in GIVES_KEYS and expected == "y"):
            leaks.append(path)
    assert wrong == []
    assert leaks == []


@pytest.mark.parametrize("who", WHO)
def test_roles_come_before_what_is_wrong_with_a_body(
    who: str, people: People, everything: dict[str, str], client_for: Callable[..., Client]
) -> None:
    client = client_for(None if who == "nobody" else getattr(people, who))
    wrong = []
    for (method, pattern), letters in TABLE.items():
        expected = letters[WHO.index(who)]
        if (method, pattern) in BODIES and expected != "y":
            path = filled(pattern, everything)
            answer = asked(client, method, path, {"name": {"not": ["a", "name"]}})
            if letter(path, answer) != expected:
                wrong.append(f"{method} {pattern}: {who} got {answer.status_code}, the table says {expected}")
    assert wrong == []


@pytest.mark.parametrize("who", WHO)
def test_no_person_gets_in_where_pods_do(who: str, people: People, everything: dict[str, str], client_for: Callable[..., Client]) -> None:
    client = client_for(None if who == "nobody" else getattr(people, who))
    Job.objects.update(status="Running")
    for pattern, method in PODS.items():
        assert asked(client, method, filled(pattern, everything), {}).status_code == 401, pattern


def test_nobody_signs_up(client: Client, db: None) -> None:
    form = {"username": "mallory", "password1": "a long password 1", "password2": "a long password 1"}
    client.post("/accounts/signup/", form)
    assert not User.objects.filter(username="mallory").exists()


@pytest.mark.parametrize("role", ["reader", "contributor", "owner"])
def test_what_is_in_one_workspace_is_not_found_through_another(
    role: str, people: People, everything: dict[str, str], client_for: Callable[..., Client]
) -> None:
    from studio.accounts.models import Membership, Workspace

    other = Workspace.objects.create(name="another")
    Membership.objects.create(user=people.stranger, workspace=other, role=role)
    client = client_for(people.stranger)
    found, asked_for = [], 0
    for method, pattern in TABLE:
        named = pattern.count("<") > 1 and re.match(r"(w|api/v1/workspaces)/<", pattern)
        if not named or pattern in OF_NO_WORKSPACE:
            continue
        path = filled(pattern, everything).replace("/team/", "/another/", 1)
        with transaction.atomic():
            answer = asked(client, method, path, BODIES.get((method, pattern), {}))
            transaction.set_rollback(True)
        asked_for += 1
        if answer.status_code not in (403, 404):
            found.append(f"{method} {path}: {answer.status_code}")
    assert asked_for > 100 and found == []


def test_a_person_who_was_made_inactive_is_out_at_once(people: People, everything: dict[str, str], client_for: Callable[..., Client]) -> None:
    client = client_for(people.owner)
    assert client.get("/w/team/jobs/").status_code == 200
    people.owner.is_active = False
    people.owner.save()
    assert client.get("/w/team/jobs/").status_code == 302
    assert client.get("/api/v1/me").status_code == 401
