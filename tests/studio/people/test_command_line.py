"""`mooring user`, `workspace` and `token` against the real services: what they change, show once, and refuse."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from typer.testing import CliRunner, Result

from mooring.cli import main
from mooring.cli.app import app
from mooring.errors import MooringError
from studio.accounts.access import role_in
from studio.accounts.models import ApiToken, Scope, User, Workspace, usual_scopes
from studio.audit.models import Entry
from tests.conftest import People

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[..., Result]


@pytest.fixture
def run(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command as a person who is signed in with every scope."""
    monkeypatch.setenv("MOORING_URL", live_server.url)

    def run_as(person: User, *words: str, stdin: str = "", scopes: tuple[str, ...] = tuple(Scope.values)) -> Result:
        token = ApiToken.issue(person, name="laptop", scopes=list(scopes))[1]
        monkeypatch.setenv("MOORING_TOKEN", token)
        return CliRunner().invoke(app, words, input=stdin)

    return run_as


def told(answer: Result) -> Any:
    """Return what was printed as JSON."""
    assert answer.exit_code == 0, answer.output + repr(answer.exception)
    return json.loads(answer.stdout)


def refused(answer: Result) -> str:
    assert isinstance(answer.exception, MooringError), answer.output
    return answer.exception.id


def test_an_invitation_is_printed_once_lets_one_in_and_is_listed_without_its_link(people: People, run: Run, live_server: Any) -> None:
    made = run(people.admin, "user", "invite", "--for", "Ada", "--workspace-role", "team=contributor")
    assert made.exit_code == 0 and made.stdout.startswith(f"{live_server.url}/accounts/invitation/")
    link = made.stdout.strip()
    (listed,) = told(run(people.admin, "user", "invitations", "-o", "json"))
    assert listed["for"] == "Ada" and listed["state"] == "open" and link.split("/")[-2] not in json.dumps(listed)
    form = {"username": "ada", "full_name": "Ada Lovelace", "password": "correct horse battery", "again": "correct horse battery"}
    assert Client().post(link.removeprefix(live_server.url), form).status_code == 302
    assert role_in(User.objects.get(username="ada"), people.workspace) == "contributor"
    assert refused(run(people.admin, "user", "withdraw", str(listed["id"]))) == "invitation-not-open"
    assert Entry.objects.get(verb="invited").via == "cli"


def test_an_invitation_that_is_withdrawn_opens_nothing(people: People, run: Run, live_server: Any) -> None:
    made = told(run(people.admin, "user", "invite", "--for", "Ada", "-o", "json"))
    assert run(people.admin, "user", "withdraw", str(made["id"])).exit_code == 0
    assert Client().get(made["link"].removeprefix(live_server.url)).status_code == 404
    assert told(run(people.admin, "user", "invitations", "--state", "open", "-o", "json")) == []
    assert run(people.admin, "user", "invite", "--for", "Ada", "--workspace-role", "team").exit_code == 2


def test_a_person_is_made_changed_shut_out_let_in_and_deleted(people: People, run: Run) -> None:
    assert "/accounts/invitation/" in run(people.admin, "user", "create", "ada").stdout
    assert run(people.admin, "user", "create", "eve", "--password-stdin", stdin="a-long-and-quiet-river\n").stdout == "eve\n"
    assert User.objects.get(username="eve").check_password("a-long-and-quiet-river")
    changed = told(run(people.admin, "user", "update", "ada", "--full-name", "Ada King", "--operator", "-o", "json"))
    assert (changed["full_name"], changed["roles"]) == ("Ada King", {"operator": True, "administrator": False})
    assert run(people.admin, "user", "update", "ada").exit_code == 2
    assert "ada" in run(people.admin, "user", "list", "--role", "operator", "-o", "name").stdout.split()
    assert run(people.admin, "user", "deactivate", "ada").exit_code == 2
    assert run(people.admin, "user", "deactivate", "ada", "--yes").exit_code == 0
    assert told(run(people.admin, "user", "list", "--state", "inactive", "-o", "json"))[0]["username"] == "ada"
    assert run(people.admin, "user", "reactivate", "ada").exit_code == 0
    assert run(people.admin, "user", "sign-out", "ada").exit_code == 0
    assert "/accounts/invitation/" in run(people.admin, "user", "password-link", "ada").stdout
    assert run(people.admin, "user", "delete", "ada", "--yes").exit_code == 0
    assert told(run(people.admin, "user", "show", "ada", "-o", "json"))["deleted"] is True
    assert refused(run(people.operator, "user", "list")) == "not-found"


def test_the_last_administrator_stays_and_the_command_ends_with_1(
    people: People, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(run(people.admin, "user", "update", "the-admin", "--no-administrator")) == "user-last-administrator"
    monkeypatch.setattr(sys, "argv", ["mooring", "user", "deactivate", "the-admin", "--yes"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 1 and said.out == ""
    assert "Make somebody else an administrator first." in said.err and "(user-last-administrator; an administrator" in said.err
    assert User.objects.get(pk=people.admin.pk).is_active


def test_a_workspace_is_made_changed_put_aside_and_deleted(people: People, run: Run) -> None:
    made = told(run(people.operator, "workspace", "create", "vision", "--display-name", "Vision", "-o", "json"))
    assert (made["name"], made["role"]) == ("vision", "owner")
    assert run(people.operator, "workspace", "update", "vision", "-d", "Cameras").exit_code == 0
    shown = told(run(people.operator, "workspace", "show", "vision", "-o", "json"))
    assert (shown["display_name"], shown["description"], shown["contents"]) == ("Vision", "Cameras", {})
    assert run(people.operator, "workspace", "archive", "vision").exit_code == 0
    assert refused(run(people.operator, "workspace", "update", "vision", "-d", "No")) == "workspace-archived"
    assert run(people.operator, "workspace", "restore", "vision").exit_code == 0
    assert run(people.operator, "workspace", "delete", "vision", "--yes").exit_code == 0
    assert not Workspace.objects.filter(name="vision").exists()
    assert run(people.operator, "workspace", "list", "--all", "-o", "name").stdout.split() == ["elsewhere", "team"]


def test_members_are_set_changed_and_removed_and_leave(people: People, run: Run) -> None:
    assert run(people.owner, "workspace", "set-member", "team", "the-stranger", "--role", "reader").exit_code == 0
    assert run(people.owner, "workspace", "set-member", "team", "the-reader").exit_code == 0
    roles = {one["username"]: one["role"] for one in told(run(people.owner, "workspace", "members", "team", "-o", "json"))}
    assert roles["the-stranger"] == "reader" and roles["the-reader"] == "contributor"
    assert run(people.owner, "workspace", "remove-member", "team", "the-stranger", "--yes").exit_code == 0
    assert run(people.reader, "workspace", "leave", "team", "--yes").exit_code == 0
    assert run(people.owner, "workspace", "members", "team", "-o", "name").stdout.split() == ["the-owner", "the-contributor"]
    assert refused(run(people.owner, "workspace", "leave", "team", "--yes")) == "workspace-last-owner"
    assert refused(run(people.contributor, "workspace", "set-member", "team", "the-stranger")) == "not-allowed"


def test_a_token_is_printed_once_does_what_it_may_and_ends_when_revoked(people: People, run: Run, live_server: Any) -> None:
    made = run(people.owner, "token", "create", "ci", "--scope", "jobs", "-w", "team", "--days", "3")
    assert made.exit_code == 0 and "shown this once" in made.stderr
    clear = made.stdout.strip()
    held = {"headers": {"Authorization": f"Bearer {clear}"}}
    assert Client().get("/api/v1/me", **held).json()["token"]["scopes"] == ["read", "jobs"]
    rows = told(run(people.owner, "token", "list", "-o", "json"))
    (row,) = [one for one in rows if one["name"] == "ci"]
    assert row["workspaces"] == ["team"] and clear not in json.dumps(rows)
    assert refused(run(people.reader, "token", "revoke", str(row["id"]), "--yes")) == "not-found"
    assert refused(run(people.reader, "token", "list", "--all")) == "not-found"
    assert "ci" in run(people.admin, "token", "list", "--user", "the-owner", "-o", "name").stdout.split()
    assert run(people.admin, "token", "revoke", str(row["id"]), "--any", "--yes").exit_code == 0
    assert Client().get("/api/v1/me", **held).status_code == 401
    assert "ci" in run(people.owner, "token", "list", "--ended", "-o", "name").stdout.split()


def test_a_token_without_the_scope_account_makes_and_revokes_none(people: People, run: Run) -> None:
    for words in (["create", "ci"], ["revoke", str(ApiToken.issue(people.owner, name="old")[0].pk), "--yes"]):
        assert refused(run(people.owner, "token", *words, scopes=tuple(usual_scopes()))) == "token-scope-needed"
    assert not ApiToken.objects.filter(name="ci").exists() and ApiToken.objects.get(name="old").revoked_at is None


def test_a_person_changes_their_own_name_time_zone_and_theme(people: People, run: Run) -> None:
    assert told(run(people.reader, "profile", "-o", "json"))["theme"] == "auto"
    changed = told(run(people.reader, "profile", "--full-name", "Rita de Reader", "--time-zone", "Europe/Berlin", "--theme", "dark", "-o", "json"))
    assert (changed["full_name"], changed["time_zone"], changed["theme"]) == ("Rita de Reader", "Europe/Berlin", "dark")
    assert Entry.objects.get(verb="changed", target_name="the-reader").diff == {"first name": ["", "Rita"], "last name": ["", "de Reader"]}
    assert told(run(people.reader, "profile", "--time-zone", "", "-o", "json"))["theme"] == "dark"
    assert refused(run(people.reader, "profile", "--time-zone", "Atlantis")) == "request-invalid"
    assert refused(run(people.reader, "profile", "--theme", "pink")) == "request-invalid"
    assert refused(run(people.reader, "profile", "--theme", "light", scopes=tuple(usual_scopes()))) == "token-scope-needed"
