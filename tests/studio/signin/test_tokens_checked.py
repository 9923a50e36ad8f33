"""How tokens are checked: as long for one that is none, and not without end."""

from __future__ import annotations

import hmac

import pytest
from django.test import Client

from studio.accounts.models import ApiToken, User

pytestmark = pytest.mark.django_db


def me(clear: str, address: str = "192.0.2.1") -> object:
    return Client(REMOTE_ADDR=address).get("/api/v1/me", headers={"Authorization": f"Bearer {clear}"})


def test_a_known_and_an_unknown_prefix_are_compared_alike(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    clear = ApiToken.issue(ada, name="laptop")[1]
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def watched(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return bool(real(one, other))

    monkeypatch.setattr("studio.accounts.models.hmac.compare_digest", watched)
    for token in (clear, clear[:-1] + "!", "mrg_00000000_" + clear[13:], "nonsense"):
        ApiToken.owner_of(token)
    assert compared == [(64, 64)] * 4


def test_an_address_that_sends_wrong_tokens_is_told_to_wait_and_right_ones_still_open(ada: User, settings: object) -> None:
    settings.WRONG_TOKENS_A_MINUTE = 3  # type: ignore[attr-defined]
    clear = ApiToken.issue(ada, name="laptop")[1]
    # The minute may turn in between: then the count begins anew, once.
    answers = [me(f"mrg_00000000_{number}") for number in range(8)]
    assert answers[0].status_code == 401 and answers[-1].status_code == 429  # type: ignore[attr-defined]
    assert answers[-1].json()["id"] == "token-wrong-too-often"  # type: ignore[attr-defined]
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60  # type: ignore[index]
    assert me(clear).status_code == 200  # type: ignore[attr-defined]
    assert me("mrg_00000000_x", address="192.0.2.2").status_code == 401  # type: ignore[attr-defined]
