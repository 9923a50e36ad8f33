"""`mooring login` against the real pages: with a second factor, without the one that a role needs, with passwords switched off."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command

from mooring.client import Client
from mooring.client.sign_in import token_for
from mooring.errors import MooringError
from studio.accounts.models import ApiToken, User
from studio.audit.models import Entry
from tests.studio.signin.conftest import PASSWORD, code_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_command_signs_in_with_password_and_code_and_leaves_no_session(ada: User, app_of_ada: str, live_server: Any) -> None:
    token = token_for(live_server.url, "ada", PASSWORD, lambda: code_of(app_of_ada))
    with Client(live_server.url, token) as studio:
        assert studio.me().username == "ada"
        assert studio.sessions.list() == [] and studio.sessions.end_all() == 0
    assert not UserSession.objects.filter(session_key__in=Session.objects.values("session_key")).exists()


def test_who_signed_in_by_the_command_manages_tokens_with_it_and_those_make_no_others(ada: User, live_server: Any) -> None:
    with Client(live_server.url, token_for(live_server.url, "ada", PASSWORD)) as studio:
        made = studio.tokens.create("ci")
        assert {one.name for one in studio.tokens.list()} >= {"ci"} and "account" not in made.scopes
        with Client(live_server.url, made.token) as other, pytest.raises(MooringError) as refused:
            other.tokens.create("another")
        assert refused.value.id == "token-scope-needed"
        studio.tokens.revoke(made.id)
        assert next(one.state for one in studio.tokens.list() if one.id == made.id) == "revoked"


def test_a_wrong_code_and_none_to_give_are_told_apart(ada: User, app_of_ada: str, live_server: Any) -> None:
    with pytest.raises(MooringError) as wrong:
        token_for(live_server.url, "ada", PASSWORD, lambda: "000000")
    with pytest.raises(MooringError) as none:
        token_for(live_server.url, "ada", PASSWORD)
    assert (wrong.value.id, none.value.id) == ("sign-in-refused", "sign-in-needs-browser")
    assert "The code is not right" in wrong.value.detail and "mooring login --token -" in none.value.todo
    assert not ApiToken.objects.exists()


def test_a_role_that_needs_a_second_factor_is_told_so(ada: User, live_server: Any, settings: Any) -> None:
    settings.SECOND_FACTOR_FOR = ["everyone"]
    with pytest.raises(MooringError) as refused:
        token_for(live_server.url, "ada", PASSWORD)
    assert refused.value.id == "second-factor-needed" and not ApiToken.objects.exists()


def test_where_passwords_are_switched_off_only_leave_given_on_the_machine_opens(live_server: Any, settings: Any, capsys: Any) -> None:
    User.objects.create_user("root", password=PASSWORD, is_superuser=True)
    User.objects.create_user("eve", password=PASSWORD)
    settings.PASSWORD_SIGN_IN = False
    for name in ("root", "eve", "nobody"):
        with pytest.raises(MooringError) as refused:
            token_for(live_server.url, name, PASSWORD)
        assert refused.value.id == "sign-in-needs-browser"
    with pytest.raises(CommandError):
        call_command("mooring_break_glass", "eve")
    call_command("mooring_break_glass", "root", "--minutes", "5")
    said = capsys.readouterr().out
    password = said.split("Password: ")[1].split()[0]
    import httpx

    with httpx.Client(base_url=live_server.url) as browser:
        page = browser.get("/accounts/login/").text
        assert 'name="password"' not in page and "Emergency sign-in" in page
        browser.get("/accounts/login/?password")
        given = {"csrfmiddlewaretoken": browser.cookies["csrftoken"], "password": password}
        off = browser.post("/accounts/login/", data=given | {"login": "eve"})
        assert off.status_code == 403 and "password-sign-in-off" in off.text
        assert browser.post("/accounts/login/", data=given | {"login": "root", "password": PASSWORD}).status_code == 200
        assert browser.post("/accounts/login/", data=given | {"login": "root"}).headers["Location"] == "/"
    assert Entry.objects.filter(verb="gave leave to use a password to", target_name="root").exists()


def test_an_administrator_resets_a_second_factor_with_a_token(ada: User, app_of_ada: str, live_server: Any) -> None:
    admin = User.objects.create_user("root", is_superuser=True)
    with Client(live_server.url, ApiToken.issue(admin, name="laptop")[1]) as studio:
        studio.sessions.reset_second_factor("ada")
    assert not Authenticator.objects.exists()


def test_a_lost_second_factor_of_the_only_administrator_is_reset_on_the_machine(live_server: Any, app_of_ada: str, ada: User) -> None:
    User.objects.update(is_superuser=True)
    call_command("mooring_break_glass", "ada", "--reset-second-factor", stdout=open("/dev/null", "w"))
    assert not Authenticator.objects.exists()
