"""One's own account by API and command line: the password, second factors, an invitation; the token alone is never enough."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.test import Client
from django.utils import timezone
from typer.testing import CliRunner

from mooring.cli.app import app
from studio.accounts.models import ApiToken, Invitation, Scope, User, Workspace
from studio.audit.models import Entry
from studio.people import invitations
from studio.signin import own
from tests.studio.signin.conftest import PASSWORD, code_of, factors

pytestmark = pytest.mark.django_db
NEW = "another horse battery 7"
ME = "/api/v1/me/"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def put(ada: User) -> Callable[..., Any]:
    """Return a function that asks with a token of ada's that may change the account."""
    token = ApiToken.issue(ada, name="laptop", scopes=[Scope.READ, Scope.ACCOUNT])[1]

    def asked(path: str, token: str = token, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return Client().put(path, json.dumps(body), content_type="application/json", headers=headers)

    return asked


def test_a_new_password_takes_the_old_one_and_ends_all_sessions(ada: User, put: Callable[..., Any], sign_in: Callable[..., Any]) -> None:
    desk = Client()
    sign_in(client=desk)
    wrong = put(ME + "password", current_password="guessed", new_password=NEW)
    weak = put(ME + "password", current_password=PASSWORD, new_password="12345")
    assert [(one.status_code, one.json()["id"], one.json()["field"]) for one in (wrong, weak)] == [
        (422, "password-wrong", "current_password"), (422, "password-refused", "new_password"),
    ]  # fmt: skip
    assert desk.get("/api/v1/me").status_code == 200
    assert put(ME + "password", current_password=PASSWORD, new_password=NEW).status_code == 204
    assert desk.get("/api/v1/me").status_code == 401 and not UserSession.objects.filter(user=ada).exists()
    ada.refresh_from_db()
    assert ada.check_password(NEW)
    assert Entry.objects.filter(verb="changed the password of", actor=ada).count() == 1
    assert Entry.objects.filter(verb="failed to sign in").count() == 1


def test_a_page_that_changes_the_password_stays_signed_in(ada: User, client: Client, sign_in: Callable[..., Any]) -> None:
    sign_in()
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert client.put(ME + "password", json.dumps(body), content_type="application/json").status_code == 204
    assert client.get("/api/v1/me").status_code == 200


def test_guessing_with_a_token_ends_after_five(put: Callable[..., Any]) -> None:
    for _ in range(5):
        put(ME + "password", current_password="guessed", new_password=NEW)
    refused = put(ME + "second-factor/app/begun", password=PASSWORD)
    assert (refused.status_code, refused.json()["id"]) == (429, "sign-in-too-often") and int(refused["Retry-After"]) > 0


@pytest.mark.parametrize("path", ["password", "second-factor/app/begun", "second-factor/recovery-codes"])
def test_a_token_without_the_scope_account_changes_nothing(path: str, ada: User, put: Callable[..., Any]) -> None:
    weak = ApiToken.issue(ada, name="ci", scopes=[Scope.READ, Scope.JOBS])[1]
    assert put(ME + path, token=weak, password=PASSWORD, current_password=PASSWORD, new_password=NEW).json()["id"] == "token-scope-needed"


def test_an_account_without_a_password_does_it_on_the_page(ada: User, put: Callable[..., Any]) -> None:
    ada.set_unusable_password()
    ada.save()
    assert put(ME + "second-factor/app/begun", password="").json()["id"] == "password-none"


def test_where_passwords_are_off_none_is_set(put: Callable[..., Any], settings: Any) -> None:
    settings.PASSWORD_SIGN_IN = False
    assert put(ME + "password", current_password=PASSWORD, new_password=NEW).json()["id"] == "password-sign-in-off"


def test_an_app_holds_once_it_makes_a_right_code(ada: User, put: Callable[..., Any]) -> None:
    assert put(ME + "second-factor/app/begun", password="guessed").json()["id"] == "password-wrong"
    begun = put(ME + "second-factor/app/begun", password=PASSWORD).json()
    assert begun["secret"] in begun["address"] and factors(ada) == set()
    assert put(ME + "second-factor/app", begun=begun["begun"], code="000000").json()["id"] == "second-factor-code-wrong"
    added = put(ME + "second-factor/app", begun=begun["begun"], code=code_of(begun["secret"])).json()
    assert len(added["recovery_codes"]) == 10 and added["factors"][0]["kind"] == "authenticator app"
    assert factors(ada) == {"totp", "recovery_codes"}
    assert put(ME + "second-factor/app/begun", password=PASSWORD).json()["id"] == "second-factor-there"
    assert Entry.objects.get(verb="added a second factor of").diff == {"second factor": [None, "authenticator app"]}


def test_an_app_that_another_began_or_long_ago_is_not_added(put: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    begun = put(ME + "second-factor/app/begun", password=PASSWORD).json()
    other = ApiToken.issue(User.objects.create_user("eve", password=PASSWORD), name="x", scopes=[Scope.ACCOUNT])[1]
    code = code_of(begun["secret"])
    assert put(ME + "second-factor/app", token=other, begun=begun["begun"], code=code).json()["id"] == "second-factor-not-begun"
    monkeypatch.setattr(own, "BEGUN_S", -1)
    assert put(ME + "second-factor/app", begun=begun["begun"], code=code).json()["id"] == "second-factor-not-begun"


def test_one_s_own_factor_is_shown_and_removed_with_its_codes(ada: User, app_of_ada: str, put: Callable[..., Any], client: Client) -> None:
    client.force_login(ada)
    shown = client.get(ME + "second-factor")
    assert app_of_ada not in shown.content.decode() and shown.json()["recovery_codes_left"] == 10
    [factor] = shown.json()["factors"]
    old = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()[0]
    fresh = put(ME + "second-factor/recovery-codes", password=PASSWORD).json()["recovery_codes"]
    assert len(fresh) == 10 and old not in fresh
    assert put(f"{ME}second-factor/{factor['id']}/removed", password="guessed").status_code == 422
    assert put(f"{ME}second-factor/{factor['id']}/removed", password=PASSWORD).status_code == 204
    assert factors(ada) == set()
    assert Entry.objects.get(verb="removed a second factor of").actor == ada


def test_who_must_have_a_second_factor_may_set_it_up_by_token(ada: User, put: Callable[..., Any], settings: Any) -> None:
    settings.SECOND_FACTOR_FOR = ["everyone"]
    assert put(ME + "password", current_password=PASSWORD, new_password=NEW).json()["id"] == "second-factor-needed"
    begun = put(ME + "second-factor/app/begun", password=PASSWORD).json()
    assert put(ME + "second-factor/app", begun=begun["begun"], code=code_of(begun["secret"])).status_code == 200
    assert put(ME + "password", current_password=PASSWORD, new_password=NEW).status_code == 204


def accepted(**body: Any) -> Any:
    return Client().put("/api/v1/invitations/accepted", json.dumps(body), content_type="application/json")


def test_an_invitation_is_accepted_once_without_any_token(ada: User) -> None:
    Workspace.objects.create(name="team")
    link = invitations.invite(ada, name="Grace", roles={"team": "contributor"})
    assert accepted(secret=link.secret, username="ADA", password=NEW).json()["id"] == "name-taken"
    assert accepted(secret=link.secret, username="grace", password="12345").json()["field"] == "password"
    assert accepted(secret=link.secret, username="grace", password=NEW).json() == {"username": "grace", "kind": "invitation"}
    grace = User.objects.get(username="grace")
    assert grace.memberships.get().role == "contributor" and not grace.is_superuser
    for other in ({"username": "other"}, {"password": "another quiet river 7"}):
        again = accepted(**{"secret": link.secret, "username": "grace", "password": NEW, **other})
        assert (again.status_code, again.json()["id"]) == (404, "invitation-over")
    # Whose answer was lost asks again, and is told the same.
    assert accepted(secret=link.secret, username="grace", password=NEW).json() == {"username": "grace", "kind": "invitation"}
    assert User.objects.filter(memberships__workspace__name="team").count() == 1
    Invitation.objects.update(accepted_at=timezone.now() - timedelta(minutes=11))
    assert accepted(secret=link.secret, username="grace", password=NEW).status_code == 404


def test_links_that_do_not_work_are_counted_by_address_for_page_and_api(ada: User, settings: Any) -> None:
    settings.WRONG_TOKENS_A_MINUTE = 1
    link = invitations.make_password_link(ada, ada)
    Client().get("/accounts/invitation/mri_00000000_x/")
    tried = [accepted(secret="mri_00000000_x", password=NEW) for _ in range(2)]
    assert tried[-1].status_code == 429 and tried[-1].json()["id"] == "link-wrong-too-often"
    assert accepted(secret=link.secret, password=NEW).json() == {"username": "ada", "kind": "password"}
    # Nor does who holds a link that was just taken up try passwords with it.
    assert accepted(secret=link.secret, password=NEW).status_code == 429


@pytest.mark.django_db(transaction=True)
def test_all_of_it_can_be_typed(ada: User, live_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_URL", live_server.url)
    monkeypatch.setenv("MOORING_TOKEN", ApiToken.issue(ada, name="laptop", scopes=[Scope.READ, Scope.ACCOUNT])[1])
    monkeypatch.setattr(own, "generate_totp_secret", lambda: SECRET)

    def printed(*words: str, lines: str = "") -> str:
        answer = CliRunner().invoke(app, [*words], input=lines)
        assert answer.exit_code == 0, answer.output
        return answer.stdout

    def typed(*words: str, lines: str = "") -> Any:
        return json.loads(printed(*words, "-o", "json", lines=lines))

    assert typed("user", "password", lines=f"{PASSWORD}\n{NEW}\n") == {"username": "ada", "status": "changed"}
    added = typed("second-factor", "add", lines=f"{NEW}\n{code_of(SECRET)}\n")
    assert len(added["recovery_codes"]) == 10
    assert len(printed("second-factor", "codes", lines=f"{NEW}\n").split()) == 10
    [factor] = typed("second-factor", "show")["factors"]
    assert typed("second-factor", "remove", str(factor["id"]), "--yes", lines=f"{NEW}\n")["status"] == "removed"
    link = f"{live_server.url}/accounts/invitation/{invitations.invite(ada, name='Grace').secret}/"
    done = typed("user", "accept-invitation", link, "--username", "grace", lines=f"{NEW}\n")
    assert done == {"username": "grace", "kind": "invitation", "status": "accepted"}
