"""Where somebody is signed in: listed, ended one by one or all others, and what ends with a password."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.utils import timezone

from studio.accounts.models import User
from studio.audit.models import Entry
from studio.live.sse import Leave
from studio.signin.device import device
from tests.studio.signin.conftest import PASSWORD

pytestmark = pytest.mark.django_db
SignIn = Callable[..., Any]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
NEW = "another horse battery 7"


@pytest.fixture
def two(ada: User, sign_in: SignIn) -> tuple[Client, Client]:
    """Sign ada in at a desk and on a phone."""
    desk, phone = Client(HTTP_USER_AGENT=FIREFOX), Client(HTTP_USER_AGENT=IPHONE, REMOTE_ADDR="192.0.2.7")
    sign_in(client=desk)
    sign_in(client=phone)
    return desk, phone


def known(client: Client) -> bool:
    return client.get("/api/v1/me").status_code == 200


def test_sessions_are_listed_with_device_address_and_last_use(two: tuple[Client, Client]) -> None:
    page = two[0].get("/accounts/sessions/").content.decode()
    assert "Firefox on Linux" in page and "Safari on iPhone" in page and "192.0.2.7" in page
    assert page.count("this one") == 1


def test_the_last_use_is_noted_once_a_minute_and_with_the_address_of_now(two: tuple[Client, Client], settings: Any) -> None:
    from django.core.cache import cache

    phone = two[1]
    row = UserSession.objects.get(session_key=phone.session.session_key)
    long_ago = timezone.now() - timedelta(hours=1)
    UserSession.objects.update(last_seen_at=long_ago)
    cache.delete(f"session-used:{row.session_key}")
    for address in ("192.0.2.8", "192.0.2.9"):
        phone.get("/api/v1/me", REMOTE_ADDR=address)
    row.refresh_from_db()
    assert row.last_seen_at > long_ago and row.ip == "192.0.2.8"


def test_one_session_is_ended_and_the_other_goes_on(two: tuple[Client, Client], ada: User) -> None:
    desk, phone = two
    row = UserSession.objects.get(session_key=phone.session.session_key)
    assert desk.post(f"/accounts/sessions/{row.pk}/end/").status_code == 302
    assert (known(desk), known(phone)) == (True, False)
    entry = Entry.objects.get(verb="ended a session of")
    assert (entry.actor, entry.diff) == (ada, {"session": ["Safari on iPhone, 192.0.2.7", None]})


def test_all_others_are_ended_at_once(two: tuple[Client, Client]) -> None:
    desk, phone = two
    desk.post("/accounts/sessions/end-others/")
    assert (known(desk), known(phone)) == (True, False) and UserSession.objects.count() == 1


def test_a_session_of_somebody_else_is_not_there(two: tuple[Client, Client], client: Client) -> None:
    eve = User.objects.create_user("eve")
    client.force_login(eve)
    row = UserSession.objects.filter(user__username="ada").first()
    assert row and client.post(f"/accounts/sessions/{row.pk}/end/").status_code == 404
    assert client.delete(f"/api/v1/me/sessions/{row.pk}").status_code == 404
    assert known(two[1])


def test_the_live_stream_of_an_ended_session_holds_no_more(two: tuple[Client, Client], ada: User) -> None:
    leave = Leave(ada.pk, two[1].session.session_key or "", frozenset())
    assert leave._look()
    two[0].post("/accounts/sessions/end-others/")
    assert not leave._look()


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(two: tuple[Client, Client], ada: User) -> None:
    desk, phone = two
    key = phone.session.session_key or ""
    desk.post("/accounts/password/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
    assert (known(desk), known(phone)) == (True, False)
    assert not Leave(ada.pk, key, frozenset())._look()
    assert Entry.objects.filter(verb="changed the password of", actor=ada).count() == 1


def test_a_password_set_behind_the_sessions_ends_their_streams_as_well(two: tuple[Client, Client], ada: User) -> None:
    ada.set_password(NEW)
    ada.save()
    assert not Leave(ada.pk, two[1].session.session_key or "", frozenset())._look()


def test_the_rules_of_a_password_stand_there_before_one_types_and_hold(two: tuple[Client, Client], ada: User) -> None:
    desk = two[0]
    assert "at least 12 characters" in desk.get("/accounts/password/").content.decode()
    for poor in ("short", "password1234", "adaadaadaada1"[:5] + "x"):
        answer = desk.post("/accounts/password/", {"oldpassword": PASSWORD, "password1": poor, "password2": poor})
        assert answer.status_code == 200 and b"one thing needs" in answer.content, poor
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_the_profile_keeps_name_zone_and_theme(two: tuple[Client, Client], ada: User) -> None:
    desk, _ = two
    given = {"first_name": "Ada", "last_name": "Lovelace", "time_zone": "Asia/Tokyo", "theme": "dark"}
    assert desk.post("/accounts/profile/", given).status_code == 302
    page = desk.get("/accounts/profile/").content.decode()
    assert 'data-time-zone="Asia/Tokyo"' in page and 'data-bs-theme="dark"' in page and "Ada Lovelace" in page
    assert Entry.objects.get(verb="changed").diff == {"first name": ["", "Ada"], "last name": ["", "Lovelace"]}
    fresh = Client()
    fresh.post("/accounts/login/", {"login": "ada", "password": PASSWORD})
    assert 'data-time-zone="Asia/Tokyo"' in fresh.get("/accounts/profile/").content.decode()
    assert fresh.cookies["mooring_theme"].value == "dark"
    assert desk.post("/accounts/profile/", given | {"time_zone": "Mars/Olympus"}).status_code == 200


@pytest.mark.parametrize(
    ("agent", "said"),
    [(FIREFOX, "Firefox on Linux"), (IPHONE, "Safari on iPhone"), ("mooring-cli/0.1.0", "the mooring command"), ("curl/8.1", "curl/8.1"), ("", "Unknown device"),
     ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows")],
)  # fmt: skip
def test_a_browser_is_told_in_words(agent: str, said: str) -> None:
    assert device(agent) == said
