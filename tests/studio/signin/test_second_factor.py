"""Second factors: set up, asked for, taken away, asked for by role; and nothing of their secrets kept in the clear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from django.db import connection
from django.test import Client

from studio.accounts.models import ApiToken, User
from studio.audit.models import Entry
from tests.conftest import People
from tests.studio.signin.conftest import PASSWORD, SECOND, code_of, factors

pytestmark = pytest.mark.django_db
SignIn = Callable[..., Any]
ADD_APP = "/accounts/2fa/totp/activate/"


def add_app(client: Client) -> Any:
    client.get(ADD_APP)
    return client.post(ADD_APP, {"code": code_of(client.session[SECRET_SESSION_KEY])})


def test_an_app_is_added_with_recovery_codes_shown_once(ada: User, client: Client, sign_in: SignIn) -> None:
    sign_in()
    assert add_app(client)["Location"] == "/accounts/2fa/recovery-codes/"
    assert factors(ada) == {"totp", "recovery_codes"}
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    assert len(codes) == 10 and codes[0] in client.get("/accounts/2fa/recovery-codes/").content.decode()
    assert codes[0] not in client.get("/accounts/2fa/recovery-codes/").content.decode()
    entry = Entry.objects.get(verb="added a second factor of")
    assert (entry.actor, entry.diff) == (ada, {"second factor": [None, "authenticator app"]})


def test_secrets_of_second_factors_are_encrypted_where_they_lie(app_of_ada: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        kept = repr(cursor.fetchall())
    assert app_of_ada not in kept and "gAAAA" in kept


def test_a_wrong_code_adds_no_app(ada: User, client: Client, sign_in: SignIn) -> None:
    sign_in()
    client.get(ADD_APP)
    assert client.post(ADD_APP, {"code": "000000"}).status_code == 200
    assert factors(ada) == set()


def test_a_code_opens_once_and_a_recovery_code_once(ada: User, app_of_ada: str, client: Client, sign_in: SignIn) -> None:
    code = code_of(app_of_ada)
    recovery = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()[0]
    for used in (code, recovery):
        for location in (302, 200):
            fresh = Client()
            sign_in(client=fresh)
            assert fresh.post(SECOND, {"code": used}).status_code == location, used
    assert [entry.diff["with"][1] for entry in Entry.objects.filter(verb="signed in").order_by("id")] == [
        "password, authenticator app", "password, recovery code",
    ]  # fmt: skip


def test_wrong_codes_are_written_down_and_refused_after_five(ada: User, app_of_ada: str, client: Client, sign_in: SignIn) -> None:
    sign_in()
    for _ in range(5):
        assert client.post(SECOND, {"code": "000000"}).status_code == 200
    refused = client.post(SECOND, {"code": code_of(app_of_ada)})
    assert refused.status_code == 429 and int(refused["Retry-After"]) > 200 and b"sign-in-too-often" in refused.content
    assert Entry.objects.filter(verb="failed to sign in").count() == 5


def test_what_changes_second_factors_asks_again_who_is_there(ada: User, app_of_ada: str, client: Client) -> None:
    client.force_login(ada)  # long ago
    for path in ("totp/deactivate/", "recovery-codes/generate/", "webauthn/add/", "recovery-codes/"):
        answer = client.get(f"/accounts/2fa/{path}")
        assert answer["Location"].startswith("/accounts/reauthenticate/?next="), path
    assert client.post("/accounts/2fa/totp/deactivate/").status_code == 302
    assert factors(ada) == {"totp", "recovery_codes"}
    client.post("/accounts/reauthenticate/?next=/accounts/2fa/totp/deactivate/", {"password": PASSWORD})
    client.post("/accounts/2fa/totp/deactivate/")
    assert factors(ada) == set()
    assert Entry.objects.get(verb="removed a second factor of").diff == {"second factor": ["authenticator app", None]}


def test_new_recovery_codes_make_the_old_ones_worthless(ada: User, app_of_ada: str, client: Client, sign_in: SignIn) -> None:
    old = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()[0]
    sign_in()
    client.post(SECOND, {"code": code_of(app_of_ada)})
    client.post("/accounts/2fa/recovery-codes/generate/")
    assert not Authenticator.objects.get(type="recovery_codes").wrap().validate_code(old)


ASKED = [("administrators", "admin", True), ("administrators", "operator", False), ("operators", "operator", True),
         ("operators", "owner", False), ("everyone", "reader", True)]  # fmt: skip


@pytest.mark.parametrize(("setting", "who", "held"), ASKED)
def test_who_must_have_a_second_factor_gets_nothing_but_setting_it_up(
    setting: str, who: str, held: bool, people: People, settings: Any, client: Client
) -> None:
    settings.SECOND_FACTOR_FOR = [setting]
    person = getattr(people, who)
    token = {"Authorization": f"Bearer {ApiToken.issue(person, name='laptop')[1]}"}
    client.force_login(person)
    page, api, by_token = client.get("/"), client.get("/api/v1/me"), Client().get("/api/v1/me", headers=token)
    live = client.get("/live/") if held else None
    if not held:
        assert (page.get("Location") != "/accounts/2fa/", api.status_code, by_token.status_code) == (True, 200, 200)
        return
    assert live is not None and live.status_code == 403
    assert page["Location"] == "/accounts/2fa/" and client.get("/accounts/profile/").status_code == 302
    assert (api.status_code, api.json()["id"]) == (403, "second-factor-needed")
    assert (by_token.status_code, by_token.json()["id"]) == (403, "second-factor-needed")
    assert b"Your role needs a second factor" in client.get("/accounts/2fa/").content
    person.set_password(PASSWORD)
    person.save()
    fresh = Client()
    fresh.post("/accounts/login/", {"login": person.username, "password": PASSWORD})
    add_app(fresh)
    assert fresh.get("/api/v1/me").status_code == 200 and Client().get("/api/v1/me", headers=token).status_code == 200


def test_an_administrator_resets_a_lost_second_factor_and_the_sessions_end(people: People, ada: User, app_of_ada: str, sign_in: SignIn) -> None:
    phone = Client()
    sign_in(client=phone)
    phone.post(SECOND, {"code": code_of(app_of_ada)})
    admin = Client()
    admin.force_login(people.admin)
    assert admin.delete("/api/v1/users/ada/second-factor").status_code == 204
    assert factors(ada) == set() and phone.get("/api/v1/me").status_code == 401
    entry = Entry.objects.get(verb="reset the second factor of")
    assert (entry.actor, entry.target_name) == (people.admin, "ada")
    again = admin.delete("/api/v1/users/ada/second-factor")
    assert (again.status_code, again.json()["id"]) == (409, "second-factor-none")
    assert admin.delete("/api/v1/users/nobody/second-factor").status_code == 404


@pytest.mark.parametrize("who", ["operator", "owner", "stranger"])
def test_nobody_else_resets_a_second_factor(who: str, people: People, ada: User, app_of_ada: str, client: Client) -> None:
    client.force_login(getattr(people, who))
    assert client.delete("/api/v1/users/ada/second-factor").status_code == 404
    assert "totp" in factors(ada)
