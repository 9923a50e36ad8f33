"""OpenID Connect against a real provider: who comes in, as whom, with which roles, and what is not believed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from studio.accounts.models import Membership, User, Workspace
from studio.audit.models import Entry
from studio.environment import SettingError
from studio.people.invitations import invite
from studio.signin.models import MappedRole
from studio.signin.oidc.mapping import Rule, groups_in, rules
from tests.oidc.running import SECRET, Provider, running
from tests.studio.signin.conftest import PASSWORD

pytestmark = pytest.mark.django_db
ADA = {"email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace", "preferred_username": "ada"}
START = "/accounts/oidc/login/"


@pytest.fixture(scope="module")
def _provider() -> Iterator[Provider]:
    with running() as provider:
        yield provider


@pytest.fixture
def provider(_provider: Provider, settings: Any) -> Provider:
    """Set the studio up for a provider with one person."""
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = _provider.issuer, "studio", SECRET
    settings.OIDC_NAME = "Company ID"
    settings.OIDC_ROLES = rules("root=admin,ops=operator,ml=vision:contributor,leads=vision:owner,all=vision:reader,ml=gone:reader")
    _provider.people(ada=ADA)
    return _provider


def come(provider: Provider, person: str = "ada", client: Client | None = None, **how: Any) -> Any:
    """Sign in by the provider; return the studio's answer and the browser."""
    client = client or Client()
    back = provider.enter(client.get(START, how)["Location"], person)
    answer = client.get(back.removeprefix("http://testserver"))
    answer.browser = client
    return answer


def username(browser: Client) -> str:
    return str(browser.get("/api/v1/me").json().get("username", ""))


def roles() -> dict[str, str]:
    return dict(Membership.objects.values_list("workspace__name", "role"))


def test_the_button_is_there_where_a_provider_is_set_and_nowhere_else(provider: Provider, settings: Any) -> None:
    page = Client().get("/accounts/login/?next=/accounts/sessions/").content.decode()
    assert "Sign in with Company ID" in page and "/accounts/oidc/login/?next=%2Faccounts%2Fsessions%2F" in page
    settings.OIDC_ISSUER = ""
    assert "Company ID" not in Client().get("/accounts/login/").content.decode()
    assert Client().get(START).status_code == 404


def test_the_way_there_carries_state_nonce_and_pkce_and_nothing_from_the_address(provider: Provider) -> None:
    asked = Client().get(START, {"process": "connect", "scope": "everything", "auth_params": "prompt=none&nonce=mine"})["Location"]
    query = parse_qs(urlsplit(asked).query)
    assert query["code_challenge_method"] == ["S256"] and len(query["code_challenge"][0]) == 43
    assert len(query["state"][0]) >= 16 and len(query["nonce"][0]) >= 32 and query["nonce"] != ["mine"]
    assert set(query["scope"][0].split()) == {"openid", "profile", "email"} and "prompt" not in query


def test_a_new_person_comes_in_with_no_role_no_workspace_and_no_password(provider: Provider) -> None:
    Workspace.objects.create(name="vision")
    answer = come(provider, next="/accounts/profile/")
    assert answer["Location"] == "/accounts/profile/"
    user = User.objects.get()
    assert (user.username, user.get_full_name(), user.email) == ("ada", "Ada Lovelace", "ada@example.com")
    assert not (user.is_superuser or user.is_operator or user.is_staff or user.has_usable_password())
    assert answer.browser.get("/api/v1/workspaces").json()["items"] == [] and not Membership.objects.exists()
    assert Entry.objects.get(verb="signed in").diff == {"with": [None, "OpenID Connect"]}
    assert come(provider).status_code == 302 and User.objects.count() == 1


def test_roles_follow_the_groups_at_each_sign_in_and_only_those_of_the_mapping_go(provider: Provider) -> None:
    vision, by_hand = Workspace.objects.create(name="vision"), Workspace.objects.create(name="by-hand")
    User.objects.create_user("root", password=PASSWORD, is_superuser=True)
    provider.people(ada=ADA | {"groups": ["ml", "ops", "unknown"]})
    come(provider)
    user = User.objects.get(username="ada")
    Membership.objects.create(user=user, workspace=by_hand, role="owner")
    assert (user.is_operator, user.is_superuser, roles()) == (True, False, {"vision": "contributor", "by-hand": "owner"})
    for groups, operator, admin, role in ((["leads", "all"], False, False, "owner"), (["all", "root"], False, True, "reader"), ([], False, False, None)):
        provider.people(ada=ADA | {"groups": groups})
        come(provider)
        user.refresh_from_db()
        assert (user.is_operator, user.is_superuser) == (operator, admin), groups
        assert roles() == {"by-hand": "owner"} | ({"vision": role} if role else {}), groups
    assert not MappedRole.objects.exists()
    # Given by hand: the mapping raises it, and gives it back.
    Membership.objects.create(user=user, workspace=vision, role="reader")
    User.objects.filter(pk=user.pk).update(is_operator=True)
    for groups, role in ((["ml", "ops"], "contributor"), ([], "reader")):
        provider.people(ada=ADA | {"groups": groups})
        come(provider)
        user.refresh_from_db()
        assert (user.is_operator, roles()["vision"]) == (True, role)
    assert "took the roles of their groups for" in Entry.objects.values_list("verb", flat=True)


def test_a_role_that_was_changed_by_hand_since_is_left_alone(provider: Provider) -> None:
    Workspace.objects.create(name="vision")
    provider.people(ada=ADA | {"groups": ["ml"]})
    come(provider)
    Membership.objects.update(role="owner")
    provider.people(ada=ADA)
    come(provider)
    assert roles() == {"vision": "owner"} and not MappedRole.objects.exists()


def test_the_last_administrator_stays_one(provider: Provider) -> None:
    provider.people(ada=ADA | {"groups": ["root"]})
    come(provider)
    provider.people(ada=ADA)
    come(provider)
    assert User.objects.get().is_superuser


def test_who_is_no_administrator_any_more_has_no_invitations_left_that_make_one(provider: Provider) -> None:
    User.objects.create_user("root", password=PASSWORD, is_superuser=True)
    provider.people(ada=ADA | {"groups": ["root"]})
    come(provider)
    link = invite(User.objects.get(username="ada"), name="Myself", admin=True)
    provider.people(ada=ADA)
    come(provider)
    link.invitation.refresh_from_db()
    assert not User.objects.get(username="ada").is_superuser and link.invitation.revoked_at
    assert Entry.objects.filter(verb="withdrew the invitation", actor=None).count() == 1


def test_a_local_account_is_not_taken_over_by_name(provider: Provider) -> None:
    local = User.objects.create_user("ada", password=PASSWORD, is_superuser=True)
    answer = come(provider)
    assert username(answer.browser) not in ("", "ada")
    local.refresh_from_db()
    assert local.check_password(PASSWORD) and SocialAccount.objects.get().user != local


@pytest.mark.parametrize(("allowed", "verified", "linked"), [(False, True, False), (True, False, False), (True, True, True)])
def test_a_local_account_is_taken_by_e_mail_only_where_allowed_and_verified(
    allowed: bool, verified: bool, linked: bool, provider: Provider, settings: Any
) -> None:
    local = User.objects.create_user("countess", email="Ada@Example.com", password=PASSWORD)
    settings.OIDC_LINK_BY_EMAIL = allowed
    provider.people(ada=ADA | {"email_verified": verified})
    answer = come(provider)
    assert username(answer.browser) == ("countess" if linked else "")
    assert User.objects.count() == 1 and SocialAccount.objects.filter(user=local).exists() == linked
    if not linked:
        assert answer.status_code == 409 and b"oidc-account-exists" in answer.content
    local.refresh_from_db()
    assert local.check_password(PASSWORD)


def test_an_inactive_person_does_not_come_in(provider: Provider) -> None:
    come(provider)
    User.objects.update(is_active=False)
    answer = come(provider)
    assert answer["Location"] == "/accounts/inactive/" and answer.browser.get("/api/v1/me").status_code == 401


def test_who_has_a_second_factor_here_is_asked_for_it(provider: Provider) -> None:
    come(provider)
    TOTP.activate(User.objects.get(), generate_totp_secret())
    answer = come(provider)
    assert answer["Location"] == "/accounts/2fa/authenticate/" and answer.browser.get("/api/v1/me").status_code == 401


def test_a_second_factor_at_the_provider_counts_where_the_settings_say_so(provider: Provider, settings: Any) -> None:
    settings.SECOND_FACTOR_FOR = ["everyone"]
    assert come(provider).browser.get("/api/v1/me").status_code == 403
    settings.OIDC_SECOND_FACTOR = True
    assert come(provider).browser.get("/api/v1/me").status_code == 200


SPOILED = [
    ({"nonce": "of another sign-in"}, "it belongs to another sign-in"),
    ({"exp": 1_700_000_000}, "it has ended"),
    ({"iss": "https://elsewhere.example"}, "it is from another issuer"),
    ({"aud": "another"}, "it is for another client"),
    ({"azp": "another"}, "it is for another client"),
    ({"sub": "eve"}, "not the one whose profile was answered"),
    ({"signature": True}, "its signature is not the provider"),
    ({"alg": "none"}, "it is not signed in a way that is taken"),
]


@pytest.mark.parametrize(("spoiled", "why"), SPOILED, ids=[next(iter(one)) for one, _ in SPOILED])
def test_a_token_that_does_not_hold_lets_nobody_in(spoiled: dict[str, Any], why: str, provider: Provider) -> None:
    provider.spoil(**spoiled)
    answer = come(provider)
    assert answer.status_code == 400 and why in answer.content.decode() and b"oidc-token-invalid" in answer.content
    assert username(answer.browser) == "" and not User.objects.exists()


def test_an_answer_to_another_browser_or_a_second_time_is_refused(provider: Provider) -> None:
    mine, eve = Client(), Client()
    back = provider.enter(mine.get(START)["Location"], "ada").removeprefix("http://testserver")
    for browser in (eve, Client()):
        refused = browser.get(back)
        assert refused.status_code == 400 and b"oidc-state-unknown" in refused.content
    assert mine.get(back).status_code == 302
    fresh = Client()
    fresh.cookies = mine.cookies
    assert b"oidc-state-unknown" in fresh.get(back).content


def test_a_code_is_worth_nothing_without_the_verifier_of_its_sign_in(provider: Provider) -> None:
    mine, eve = Client(), Client()
    code = parse_qs(urlsplit(provider.enter(mine.get(START)["Location"], "ada")).query)["code"][0]
    state = parse_qs(urlsplit(eve.get(START)["Location"]).query)["state"][0]
    answer = eve.get("/accounts/oidc/callback/", {"code": code, "state": state})
    assert answer.status_code == 400 and b"oidc-token-invalid" in answer.content and username(eve) == ""


def test_what_the_provider_refuses_is_told(provider: Provider) -> None:
    client = Client()
    back = provider.enter(client.get(START)["Location"], "ada", cancel=True)
    answer = client.get(back.removeprefix("http://testserver"))
    assert answer.status_code == 403 and b"oidc-refused" in answer.content and b"access_denied" in answer.content


def test_a_provider_that_is_another_or_does_not_answer_is_told(provider: Provider, settings: Any) -> None:
    settings.OIDC_ISSUER = provider.issuer.replace("127.0.0.1", "localhost")
    other = Client().get(START)
    assert (other.status_code, b"oidc-issuer-wrong" in other.content) == (502, True)
    settings.OIDC_ISSUER = "http://127.0.0.1:9"
    gone = Client().get(START)
    assert (gone.status_code, b"oidc-unreachable" in gone.content) == (503, True)


@pytest.mark.parametrize("away", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_coming_back_leads_nobody_away(away: str, provider: Provider) -> None:
    assert come(provider, next=away)["Location"] == "/"


def test_the_session_is_another_one_after_coming_back(provider: Provider) -> None:
    client = Client()
    client.get(START)
    before = client.session.session_key
    come(provider, client=client)
    assert username(client) == "ada" and client.session.session_key != before


def test_rules_are_read_by_commas_or_by_lines_and_nonsense_is_named() -> None:
    assert rules("a=admin, b = team:reader") == (Rule("a", "", "admin"), Rule("b", "team", "reader"))
    assert rules("cn=ops,ou=groups=operator\n\ncn=ml,ou=groups=vision:owner\n") == (Rule("cn=ops,ou=groups", "", "operator"), Rule("cn=ml,ou=groups", "vision", "owner"))
    for poor in ("a", "a=", "=admin", "a=root", "a=team:boss", "a=Team:owner"):
        with pytest.raises(ValueError, match="GROUP="):
            rules(poor)
    assert groups_in({"groups": "one"}, "groups") == {"one"} and groups_in({"groups": [1, "two", None]}, "groups") == {"two"}
    assert groups_in({"groups": {"admin": True}}, "groups") == groups_in({}, "groups") == frozenset()


def test_a_mapping_that_cannot_be_read_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from studio import environment

    monkeypatch.setenv("MOORING_OIDC_ROLES", "ops=boss")
    with pytest.raises(SettingError, match="MOORING_OIDC_ROLES"):
        environment.parsed("MOORING_OIDC_ROLES", rules)
    with pytest.raises(SettingError, match="MOORING_OIDC_CLIENT_ID"):
        environment.needed("MOORING_OIDC_CLIENT_ID", when="https://issuer")
