"""Tokens: what they may do, where, how long; never more than their person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from compute.models import Cluster
from jobs.following_out import as_before
from studio.accounts.models import ApiToken, Membership, Workspace
from studio.api.root import api
from studio.api.scopes import scopes_for
from studio.audit.models import Entry
from studio.core.errors import ProblemError
from studio.notices.services import tell
from studio.people.tokens import make_token
from tests.conftest import People

pytestmark = pytest.mark.django_db
JSON = "application/json"


def held(clear: str, **more: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {clear}", **more}}


def test_every_operation_of_the_api_has_its_scope() -> None:
    unknown = []
    for prefix, router in api._routers:
        unknown += [path for path in router.path_operations if scopes_for((prefix + path).lstrip("/")) is None]
    assert unknown == [], "say in studio/api/scopes.py which scope these take"


def test_a_token_does_what_its_scopes_say_and_reads_besides(people: People) -> None:
    clear = make_token(people.owner, name="x", scopes=["jobs"])[1]
    assert Client().get("/api/v1/workspaces/team/models", **held(clear)).status_code == 200
    assert Client().post("/api/v1/workspaces/team/jobs/validate", {"yaml": "command: echo"}, JSON, **held(clear)).status_code != 403
    refused = Client().post("/api/v1/workspaces/team/models", {"name": "m", "path": "runs:/x/y"}, JSON, **held(clear))
    assert (refused.status_code, refused.json()["id"]) == (403, "token-scope-needed") and "models" in refused.json()["detail"]


def test_a_token_for_one_workspace_finds_no_other_and_nothing_of_the_whole_studio(people: People) -> None:
    other = Workspace.objects.create(name="other")
    Membership.objects.create(user=people.owner, workspace=other, role="owner")
    clear = make_token(people.owner, name="x", workspaces=["team"])[1]
    assert [one["name"] for one in Client().get("/api/v1/workspaces", **held(clear)).json()["items"]] == ["team"]
    assert Client().get("/api/v1/workspaces/other/jobs", **held(clear)).status_code == 404
    of_admin = make_token(people.admin, name="x", workspaces=["team"])[1]
    assert Client().get("/api/v1/clusters", **held(of_admin)).status_code == 404
    assert Client().get("/api/v1/users", **held(of_admin)).status_code == 404
    Cluster.objects.create(name="edge", server="https://127.0.0.1:1", credentials="{}", status="ready")
    for kind, workspace in (("cluster-lost", ""), ("job-failed", "other"), ("job-completed", "team")):
        tell([people.admin], kind, title=kind, url="/", about=kind, workspace=workspace)
    assert Client().get("/api/v1/search", {"q": "edge"}, **held(of_admin)).json()["items"] == []
    told = Client().get("/api/v1/notifications", **held(of_admin)).json()
    assert ([one["kind"] for one in told["items"]], told["unread"]) == (["job-completed"], 1)
    other.delete()
    Workspace.objects.filter(name="team").delete()
    assert Client().get("/api/v1/workspaces", **held(clear)).json()["items"] == []


def test_a_token_never_may_more_than_its_person(people: People) -> None:
    for scope in ("operate", "admin"):
        with pytest.raises(ProblemError, match="not-allowed"):
            make_token(people.owner, name="x", scopes=[scope])
    with pytest.raises(ProblemError, match="token-workspace-unknown"):
        make_token(people.owner, name="x", workspaces=["elsewhere"])
    clear = make_token(people.admin, name="x", scopes=["admin"])[1]
    assert Client().get("/api/v1/users", **held(clear)).status_code == 200
    type(people.admin).objects.filter(pk=people.admin.pk).update(is_superuser=False)
    assert Client().get("/api/v1/users", **held(clear)).status_code == 404


def test_a_reader_of_people_needs_the_scope_admin(people: People) -> None:
    clear = make_token(people.admin, name="x", scopes=["jobs"])[1]
    assert Client().get("/api/v1/users", **held(clear)).status_code == 403


def test_who_can_have_no_such_token_is_told_of_the_role(people: People) -> None:
    clear = make_token(people.owner, name="x")[1]
    made = Client().post("/api/v1/workspaces", {"name": "mine"}, JSON, **held(clear)).json()
    assert made["id"] == "not-allowed" and "role operator" in made["detail"]
    assert Client().get("/api/v1/users", **held(clear)).json()["id"] == "not-found"
    operators = make_token(people.operator, name="x", scopes=["jobs"])[1]
    assert Client().post("/api/v1/workspaces", {"name": "mine"}, JSON, **held(operators)).json()["id"] == "token-scope-needed"


def test_what_a_token_may_not_do_is_written_down(people: People) -> None:
    clear = make_token(people.owner, name="reads", scopes=["read"])[1]
    assert Client().post("/api/v1/workspaces/team/jobs", {"yaml": "x"}, JSON, **held(clear)).status_code == 403
    assert Client().post("/api/v1/me/tokens", {"name": "more"}, JSON, **held(clear)).status_code == 403
    rows = Entry.objects.filter(result="refused").order_by("pk")
    told = [(one.actor_name, one.token_name, one.verb, one.target_kind, one.problem) for one in rows]
    assert told == [("the-owner", "reads", verb, kind, "token-scope-needed")
                    for verb, kind in (("asked for jobs", "workspace"), ("asked to create", "token"))]  # fmt: skip


def test_a_token_makes_weaker_ones_only_with_the_scope_account(people: People) -> None:
    plain = make_token(people.owner, name="plain", scopes=["jobs", "models"])[1]
    ask = {"name": "second", "scopes": ["read"]}
    assert Client().post("/api/v1/me/tokens", ask, JSON, **held(plain)).status_code == 403
    strong, clear = make_token(people.owner, name="strong", scopes=["account", "jobs"], workspaces=["team"], days=10)

    def made(**given: Any) -> Any:
        return Client().post("/api/v1/me/tokens", {"name": "second", **given}, JSON, **held(clear))

    second = made(scopes=["jobs"], workspaces=["team"])
    assert second.status_code == 201 and second.json()["made_with"] == "strong"
    assert ApiToken.objects.get(pk=second.json()["id"]).expires_at == strong.expires_at
    for more in ({"scopes": ["models"], "workspaces": ["team"]}, {"scopes": ["account"], "workspaces": ["team"]}, {"scopes": ["jobs"]},
                 {"scopes": ["jobs"], "workspaces": ["team"], "days": 20}):  # fmt: skip
        assert made(**more).json()["id"] == "token-more-than-maker", more


@pytest.mark.parametrize(("days", "taken"), [(None, True), (1, True), (365, True), (366, False), (0, False)])
def test_a_token_ends_within_what_the_settings_allow(people: People, days: int | None, taken: bool) -> None:
    if not taken:
        with pytest.raises(ProblemError, match="token-days-invalid"):
            make_token(people.owner, name="x", days=days)
        return
    token = make_token(people.owner, name="x", days=days)[0]
    assert token.expires_at and round((token.expires_at - token.created_at).total_seconds() / 86400) == (days or 90)


def test_the_last_use_is_told_with_its_address(people: People) -> None:
    token, clear = make_token(people.owner, name="x")
    Client(REMOTE_ADDR="192.0.2.7").get("/api/v1/me", **held(clear))
    token.refresh_from_db()
    assert token.last_used_from == "192.0.2.7" and token.last_used_at


def test_who_follows_with_a_token_that_was_revoked_is_nobody(people: People) -> None:
    token, clear = make_token(people.owner, name="x")
    person = ApiToken.owner_of(clear)
    assert as_before(person) == people.owner
    ApiToken.objects.filter(pk=token.pk).update(revoked_at=token.created_at)
    assert as_before(person) is None


def test_the_secret_is_on_the_page_once_and_in_no_list(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.owner)
    made = client.post("/accounts/tokens/new/", {"name": "ci", "days": "30", "scopes": ["jobs"]})
    token = ApiToken.objects.get(name="ci")
    clear = made.content.decode().partition(f"mrg_{token.prefix}_")[2][:43]
    assert made.status_code == 200 and ApiToken.owner_of(f"mrg_{token.prefix}_{clear}") == people.owner
    assert made["Cache-Control"].startswith("max-age=0") and "no-store" in made["Cache-Control"]
    for page in (client.get("/accounts/tokens/"), client_for(people.admin).get("/ops/access/tokens/")):
        assert b"ci" in page.content and clear.encode() not in page.content and token.digest.encode() not in page.content
    assert client.post(f"/accounts/tokens/{token.pk}/revoke/").status_code == 302
    assert ApiToken.owner_of(f"mrg_{token.prefix}_{clear}") is None
