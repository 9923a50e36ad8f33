"""Signing in at the page: what opens, what does not, how often it may be tried, and where it leads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client

from studio.accounts.models import User
from studio.audit.models import Entry
from studio.core.shared_cache import SharedCache
from tests.studio.signin.conftest import LOGIN, PASSWORD, SECOND, code_of

pytestmark = pytest.mark.django_db
SignIn = Callable[..., Any]


def verbs() -> list[str]:
    return list(Entry.objects.order_by("id").values_list("verb", flat=True))


def test_name_and_password_open_the_studio_and_the_log_says_so(ada: User, client: Client, sign_in: SignIn) -> None:
    answer = sign_in()
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/api/v1/me").json()["username"] == "ada"
    entry = Entry.objects.get(verb="signed in")
    assert (entry.actor, entry.target_name, entry.diff) == (ada, "ada", {"with": [None, "password"]})


def test_a_wrong_password_opens_nothing_and_is_counted_until_the_next_sign_in(ada: User, client: Client, sign_in: SignIn) -> None:
    for _ in range(2):
        assert b"The user name or the password is not right." in sign_in(password="wrong").content
    assert verbs() == ["failed to sign in", "failed to sign in"]
    sign_in()
    assert Entry.objects.get(verb="signed in").diff["failed before"] == [None, 2]
    assert b"2 attempts to sign in with your name failed" in client.get("/accounts/profile/").content


def test_what_was_typed_as_an_unknown_name_is_written_nowhere(ada: User, sign_in: SignIn) -> None:
    answer = sign_in(username="my-password-by-mistake")
    assert b"is not right" in answer.content and not Entry.objects.exists()


def test_an_inactive_person_does_not_come_in(ada: User, client: Client, sign_in: SignIn) -> None:
    User.objects.update(is_active=False)
    sign_in()
    assert client.get("/api/v1/me").status_code == 401


def test_the_sixth_attempt_for_a_name_is_told_when_to_come_again(ada: User, client: Client, sign_in: SignIn) -> None:
    for _ in range(5):
        assert sign_in(password="wrong").status_code == 200
    refused = sign_in()
    assert refused.status_code == 429 and 200 < int(refused["Retry-After"]) <= 301
    assert b"sign-in-too-often" in refused.content and b"5 minutes" in refused.content
    assert client.get("/api/v1/me").status_code == 401


def test_attempts_are_counted_for_all_processes_together(ada: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        sign_in(password="wrong")
    # Another process: the same settings, nothing of this one's memory.
    other = SharedCache(str(settings.REDIS_URL), dict(settings.CACHES["default"]))
    monkeypatch.setattr("allauth.core.internal.ratelimit.cache", other)
    assert sign_in().status_code == 429


def test_without_redis_attempts_are_counted_all_the_same(ada: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    import redis

    def away(*given: Any, **options: Any) -> Any:
        raise redis.ConnectionError("away")

    monkeypatch.setattr("django.core.cache.backends.redis.RedisCacheClient.get_client", away)
    cache._here.clear()  # type: ignore[attr-defined]
    for _ in range(5):
        assert sign_in(password="wrong").status_code == 200
    assert sign_in().status_code == 429


def test_the_session_that_was_there_before_signing_in_is_another_one_after(ada: User, client: Client, sign_in: SignIn) -> None:
    client.get("/accounts/login/?next=/accounts/profile/")
    planted = client.session
    planted["planted"] = "by somebody else"
    planted.save()
    client.cookies["sessionid"] = planted.session_key
    before = planted.session_key
    sign_in()
    assert client.session.session_key != before
    assert not Session.objects.filter(session_key=before).exists()


def test_with_a_second_factor_the_session_changes_too_and_the_first_step_alone_opens_nothing(
    ada: User, app_of_ada: str, client: Client, sign_in: SignIn
) -> None:
    first = sign_in()
    assert first["Location"] == SECOND
    between = client.session.session_key
    assert client.get("/api/v1/me").status_code == 401 and client.get("/accounts/profile/").status_code == 302
    assert client.post(SECOND, {"code": code_of(app_of_ada)})["Location"] == "/"
    assert client.session.session_key != between and not Session.objects.filter(session_key=between).exists()


@pytest.mark.parametrize(
    "away",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "https:evil.example", "javascript:alert(1)", "\thttps://evil.example", "http:///evil.example"],
)
def test_signing_in_leads_nobody_away(away: str, ada: User, client: Client, sign_in: SignIn, app_of_ada: str) -> None:
    client.get(LOGIN, {"next": away})
    sign_in(next=away)
    assert client.post(SECOND, {"code": code_of(app_of_ada)})["Location"] == "/"
    assert client.get(LOGIN, {"next": away})["Location"] == "/"
    assert client.post("/accounts/reauthenticate/?next=" + away, {"password": PASSWORD})["Location"] == "/"
    assert client.post("/accounts/logout/", {"next": away})["Location"] == LOGIN


def test_signing_in_leads_to_where_one_wanted_to_go(ada: User, client: Client, sign_in: SignIn) -> None:
    assert client.get("/accounts/sessions/")["Location"] == "/accounts/login/?next=/accounts/sessions/"
    assert sign_in(next="/accounts/sessions/")["Location"] == "/accounts/sessions/"


def test_pages_of_allauth_that_the_studio_does_not_use_have_no_address(ada: User, client: Client) -> None:
    client.force_login(ada)
    for path in ("email/", "password/reset/", "confirm-email/x/", "social/connections/", "3rdparty/"):
        assert client.get(f"/accounts/{path}").status_code == 404, path


def test_nobody_signs_up(client: Client) -> None:
    answer = client.post("/accounts/signup/", {"username": "eve", "password1": PASSWORD})
    assert b"Sign-up is closed" in answer.content and not User.objects.exists()



def test_an_unknown_name_takes_as_much_work_as_a_known_one(ada: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.contrib.auth.hashers import MD5PasswordHasher

    worked: list[str] = []
    real = MD5PasswordHasher.encode

    def watched(self: Any, password: str, salt: str) -> str:
        worked.append(password)
        return str(real(self, password, salt))

    monkeypatch.setattr(MD5PasswordHasher, "encode", watched)
    counts = []
    for name in ("ada", "nobody-of-that-name"):
        worked.clear()
        sign_in(name, "wrong")
        counts.append(len(worked))
    assert counts[0] == counts[1] > 0
