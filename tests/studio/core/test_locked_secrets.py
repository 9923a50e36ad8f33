"""A studio with a wrong encryption key: what needs no secret goes on, what needs one says what to do, and replacing it is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from cryptography.fernet import Fernet
from django.db import connection
from django.test import Client

from compute.models import Cluster, ClusterStatus
from compute.network import services as network
from compute.network.models import LOCKED, PodNetworkSettings
from compute.probing import probe_cluster
from compute.watching import watched_clusters
from endpoints.models import Endpoint
from jobs.launch import start_job
from jobs.models import Job, Status
from studio.accounts.models import User
from tests import access_asked
from tests.conftest import People

pytestmark = pytest.mark.django_db
everything = access_asked.everything
ENDPOINT = "/api/v1/workspaces/team/online-endpoints/an-endpoint"


@pytest.fixture
def locked(everything: dict[str, str], settings: Any) -> list[str]:
    """Take the key away under which everything was stored; return it."""
    old = list(settings.ENCRYPTION_KEYS)
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    return old


@pytest.mark.parametrize(
    "path", ["/ops/clusters/", "/ops/clusters/gpu-a/", "/ops/clusters/gpu-a/network/", "/w/team/jobs/a_job/", "/w/team/endpoints/an-endpoint/consume/"]
)  # fmt: skip
def test_pages_that_need_no_secret_are_shown(path: str, locked: list[str], people: People, client_for: Callable[..., Client]) -> None:
    assert client_for(people.admin).get(path).status_code == 200


def test_what_needs_one_says_what_to_do(locked: list[str], people: People, client_for: Callable[..., Client]) -> None:
    client = client_for(people.admin)
    page = client.post("/w/team/endpoints/an-endpoint/consume/keys/")
    told = client.post(f"{ENDPOINT}/keys")
    assert page.status_code == told.status_code == 503
    assert "secret-unreadable" in page.content.decode() and "MOORING_ENCRYPTION_KEYS" in page.content.decode()
    assert told.json()["id"] == "secret-unreadable" and told.json()["who"] == "operator"
    assert "primary key of the endpoint" in told.json()["detail"]


def test_a_cluster_whose_credentials_are_locked_is_unreachable_until_the_key_is_back(locked: list[str], settings: Any) -> None:
    cluster = Cluster.objects.get()
    probe_cluster(cluster.pk)
    cluster.refresh_from_db()
    assert (cluster.status, cluster.problem_id) == (ClusterStatus.UNREACHABLE, "secret-unreadable")
    cluster.save()
    settings.ENCRYPTION_KEYS = [*settings.ENCRYPTION_KEYS, *locked]
    assert access_asked.PLANTED in Cluster.objects.get().credentials


def test_the_others_are_watched_beside_a_cluster_whose_credentials_are_locked(locked: list[str]) -> None:
    other = Cluster.objects.create(name="other", server="https://127.0.0.1:1", credentials="{}", status="ready")
    assert list(watched_clusters()) == [other.pk]


def test_a_job_of_a_locked_cluster_waits(locked: list[str], people: People) -> None:
    Job.objects.update(status=Status.PREPARING, cleaned=False)
    start_job(Job.objects.get().pk)
    job = Job.objects.get()
    assert job.status == Status.PREPARING and "credentials" in str(job.waits_for) + job.reason


def test_a_key_that_is_lost_is_replaced_and_the_other_stays_locked(locked: list[str], people: People, client_for: Callable[..., Client]) -> None:
    answer = client_for(people.admin).post(f"{ENDPOINT}/regenerate-keys", {"key_type": "primary"}, content_type="application/json")
    endpoint = Endpoint.objects.get()
    assert answer.status_code == 200 and endpoint.primary_key != access_asked.PLANTED
    with connection.cursor() as cursor:
        cursor.execute("SELECT secondary_key FROM endpoints_endpoint")
        before = cursor.fetchone()[0]
        endpoint.save()
        cursor.execute("SELECT secondary_key FROM endpoints_endpoint")
        assert cursor.fetchone()[0] == before


def test_a_locked_proxy_stays_as_it_lies_until_another_is_typed(locked: list[str], people: People, settings: Any) -> None:
    cluster = Cluster.objects.get()
    network.change_way_out(people.admin, cluster, no_proxy=".corp.example")
    assert PodNetworkSettings.objects.get().proxy("http_proxy") == LOCKED
    network.change_way_out(people.admin, cluster, http_proxy="http://proxy.example:3128")
    assert PodNetworkSettings.objects.get().http_proxy == "http://proxy.example:3128"


def test_a_locked_second_factor_is_told_at_the_second_step(db: None, settings: Any) -> None:
    ada = User.objects.create_user("ada", password="correct horse battery 9")
    TOTP.activate(ada, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    client = Client()
    client.post("/accounts/login/", {"login": "ada", "password": "correct horse battery 9"})
    answer = client.post("/accounts/2fa/authenticate/", {"code": "123456"})
    assert answer.status_code == 503 and "secret-unreadable" in answer.content.decode()
