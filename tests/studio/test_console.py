"""The admin console: rows to look at, for administrators alone, without secrets, and quick however many there are."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models import ForeignKey
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compute.models import Cluster
from endpoints.models import Endpoint
from jobs.models import Job
from studio.accounts.models import ApiToken, Membership, User
from studio.audit.models import Entry
from studio.audit.services import record, write
from studio.console import looking
from studio.console.looking import secrets_of
from studio.console.rows import console
from studio.core.secrets import EncryptedTextField
from tests.access_asked import PLANTED, everything
from tests.conftest import People

__all__ = ["everything"]
pytestmark = pytest.mark.django_db


def pages(model: type) -> list[str]:
    """Return the addresses of a model's list and of each of its rows."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"  # type: ignore[attr-defined]
    return [reverse(f"{name}_changelist"), *(reverse(f"{name}_change", args=[row.pk]) for row in model.objects.all())]  # type: ignore[attr-defined]


def test_it_shows_every_row_and_no_secret(people: People, everything: dict[str, str], client_for: Callable[..., Client]) -> None:
    _, clear = ApiToken.issue(people.owner, name="laptop")
    token = ApiToken.objects.get(user=people.owner, name="laptop")
    people.owner.set_password("a password of the owner's")
    people.owner.save()
    record(people.owner, "changed", people.workspace, diff={"password": ["", PLANTED]})
    secrets = {PLANTED, clear, token.digest, people.owner.password}
    secrets |= {value for one in Endpoint.objects.all() for value in (one.primary_key, one.secondary_key) if value}
    client = client_for(people.admin)
    for model in console._registry:
        urls = pages(model)
        assert len(urls) > 1, f"the test has no row of {model}"
        for url in urls:
            answer = client.get(url)
            assert answer.status_code == 200, url
            shown = answer.content.decode()
            assert not [secret for secret in secrets if secret in shown], url
            assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>(?!\s*</script>)|\sstyle=|\son[a-z]+=", shown), url


def test_every_secret_field_is_left_out() -> None:
    for model in console._registry:
        for field in model._meta.fields:
            looks_secret = isinstance(field, EncryptedTextField) or field.name in {"password", "digest", "token", "primary_key", "session_epoch"}
            assert not looks_secret or isinstance(field, ForeignKey) or field.name in secrets_of(model), f"{model} shows {field.name}"


def test_nothing_is_changed_in_it(people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.admin)
    url = reverse("admin:accounts_user_change", args=[people.reader.pk])
    assert client.post(url, {"username": "mallory", "is_superuser": "on"}).status_code == 403
    people.reader.refresh_from_db()
    assert people.reader.username == "the-reader" and not people.reader.is_superuser
    for gone in ("/admin/accounts/user/add/", f"/admin/accounts/user/{people.reader.pk}/delete/", "/admin/login/", "/admin/logout/"):
        assert client.get(gone).status_code == 404, gone


def test_a_person_of_djangos_staff_is_no_administrator(people: People, client_for: Callable[..., Client]) -> None:
    people.operator.is_staff = True
    people.operator.save()
    assert client_for(people.operator).get("/admin/").status_code == 404


def test_nobody_is_sent_to_the_studios_own_sign_in(client: Client, db: None) -> None:
    answer = client.get("/admin/accounts/user/")
    assert answer.status_code == 302 and answer["Location"].startswith("/accounts/login/")


def test_a_row_leads_to_its_page(people: People, everything: dict[str, str], client_for: Callable[..., Client]) -> None:
    client = client_for(people.admin)
    job, cluster = Job.objects.get(), Cluster.objects.get()
    assert 'href="/w/team/jobs/a_job/"' in client.get(reverse("admin:jobs_job_change", args=[job.pk])).content.decode()
    assert 'href="/ops/clusters/gpu-a/"' in client.get(reverse("admin:compute_cluster_change", args=[cluster.pk])).content.decode()


def test_a_list_takes_no_query_a_row_and_counts_no_further_than_it_must(
    people: People, everything: dict[str, str], client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "COUNTED_TO", 30)
    client = client_for(people.admin)
    client.get("/admin/")

    def queries(model: type) -> int:
        with CaptureQueriesContext(connection) as made:
            assert client.get(pages(model)[0]).status_code == 200
        return len(made)

    before = {model: queries(model) for model in (Entry, Membership, ApiToken)}
    for number in range(40):
        write(people.owner, "changed", ("job", str(number), f"job {number}"))
        person = User.objects.create_user(f"person-{number}")
        Membership.objects.create(user=person, workspace=people.workspace)
        ApiToken.issue(person, name="laptop")
    assert {model: queries(model) for model in before} == before
    assert "30 entries" in client.get("/admin/audit/entry/").content.decode()
    assert "job 39" in client.get("/admin/audit/entry/?q=job+39").content.decode()
