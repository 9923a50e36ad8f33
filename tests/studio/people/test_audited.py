"""Entries about people, workspaces, tokens and invitations lead to their pages, for those who may open them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from studio.accounts.models import ApiToken
from studio.audit.services import record
from studio.people import invitations, tokens
from tests.conftest import People

pytestmark = pytest.mark.django_db


def test_entries_lead_to_people_workspaces_tokens_and_invitations(people: People, client_for: Callable[..., Client]) -> None:
    ended, _ = ApiToken.issue(people.admin, name="nightly")
    tokens.revoke_token(people.admin, ended)
    invitations.invite(people.admin, name="Ada & Grace")
    record(people.admin, "changed", people.reader)
    record(people.admin, "changed", people.workspace, workspace="team")
    shown = client_for(people.admin).get("/ops/audit/").content.decode()
    to_token = f"/ops/access/tokens/?q={ended.prefix}&amp;show=ended"
    to_invitation = "/ops/access/invitations/?q=Ada+%26+Grace"
    for url in (to_token, to_invitation, f"/ops/access/users/{people.reader.username}/", "/w/team/members/"):
        assert f'href="{url}"' in shown, url
        assert client_for(people.admin).get(url.replace("&amp;", "&")).status_code == 200
    assert "nightly" in client_for(people.admin).get(to_token.replace("&amp;", "&")).content.decode()
    assert ">apitoken<" not in shown and ">token<" in shown


def test_an_operator_reads_of_a_person_and_is_led_to_no_page_that_is_closed(people: People, client_for: Callable[..., Client]) -> None:
    record(people.admin, "changed", people.reader)
    shown = client_for(people.operator).get("/ops/audit/").content.decode()
    assert people.reader.username in shown
    assert "/ops/access/users/" not in shown
