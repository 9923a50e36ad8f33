"""The pages of a cluster's network: what they show, where refusals stand, and that no secret goes back to them."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compute.models import Cluster
from compute.network.models import EgressCheck, PodNetworkSettings, RouterCertificate
from compute.network.services import check_egress, set_certificate, set_way_out
from studio.accounts.models import User
from tests.compute.network.pki import Family, family, make

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def whole() -> Family:
    return family()


@pytest.fixture
def page(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def at(name: str) -> str:
    return reverse(f"compute:{name}", args=["local"])


def words(answer: Any) -> str:
    return str(answer.content.decode())


def test_an_empty_network_says_what_to_do(page: Client, cluster: Cluster) -> None:
    shown = words(page.get(at("network")))
    assert "No certificate yet" in shown and "Set certificate" in shown
    assert "Pods reach the world directly" in shown


def test_a_pasted_certificate_is_taken_and_shown(page: Client, cluster: Cluster, whole: Family) -> None:
    answer = page.post(at("network-certificate"), {"source": "upload", "chain": whole.chain, "key": whole.leaf.key})
    assert answer.status_code == 302
    shown = words(page.get(at("network")))
    assert "scoring.example.com" in shown and "Test Issuing" in shown and "days left" in shown and "Chain of 3" in shown
    assert "<html" not in words(page.get(at("network"), headers={"HX-Request": "true"}))


def test_uploaded_files_are_taken(page: Client, cluster: Cluster, whole: Family) -> None:
    files = {
        "chain_file": SimpleUploadedFile("chain.pem", whole.chain.encode()),
        "key_file": SimpleUploadedFile("key.pem", whole.leaf.key.encode()),
    }
    assert page.post(at("network-certificate"), {"source": "upload", **files}).status_code == 302
    assert RouterCertificate.objects.get().facts["subject"] == "scoring.example.com"


def test_a_refusal_stands_at_its_field_and_the_key_does_not_come_back(page: Client, cluster: Cluster, whole: Family) -> None:
    key = make("other").key
    answer = page.post(at("network-certificate"), {"source": "upload", "chain": whole.chain, "key": key})
    assert answer.status_code == 422
    shown = words(answer)
    assert "The private key is not the one of scoring.example.com." in shown
    assert 'id="id_key"' in shown and "aria-invalid" in shown
    assert whole.leaf.pem.splitlines()[1] in shown
    assert key.splitlines()[1] not in shown
    assert not RouterCertificate.objects.exists()


def test_a_secret_is_refused_at_its_field(page: Client, cluster: Cluster) -> None:
    answer = page.post(at("network-certificate"), {"source": "secret", "secret": "none"})
    assert answer.status_code == 422 and "has no Secret none" in words(answer)


def test_a_certificate_that_ends_is_warned_of(page: Client, cluster: Cluster, operator: User, whole: Family) -> None:
    set_certificate(operator, cluster, chain=whole.chain, key=whole.leaf.key)
    RouterCertificate.objects.update(ends_at=timezone.now() + timedelta(days=3))
    assert "is about to end" in words(page.get(at("network")))
    RouterCertificate.objects.update(ends_at=timezone.now() - timedelta(days=3))
    assert "The certificate has ended" in words(page.get(at("network")))


def test_a_changed_certificate_offers_to_put_ours_back(page: Client, cluster: Cluster, operator: User, whole: Family) -> None:
    set_certificate(operator, cluster, chain=whole.chain, key=whole.leaf.key)
    RouterCertificate.objects.update(status="drifted", reason="Something else stands there.", problem_id="certificate-drift")
    shown = words(page.get(at("network")))
    assert "Put this one back" in shown and "Something else stands there." in shown
    RouterCertificate.objects.update(overwrite=False)
    assert page.post(at("network-put-back")).status_code == 302
    assert RouterCertificate.objects.get().overwrite
    assert page.post(at("network-remove")).status_code == 302
    assert RouterCertificate.objects.get().status == "removing"


def test_the_way_out_is_changed_with_its_password_hidden(page: Client, cluster: Cluster, operator: User) -> None:
    ca = make("Corporate CA", ca=True)
    given = {"http_proxy": "http://u:s3cr3t@proxy:3128", "no_proxy": ".corp", "ca_bundle": ca.pem}
    assert page.post(at("network-way-out"), given).status_code == 302
    for name in ("network", "network-way-out"):
        shown = words(page.get(at(name)))
        assert "s3cr3t" not in shown and "u:•••@proxy:3128" in shown
    assert "Corporate CA" in words(page.get(at("network")))
    assert page.post(at("network-way-out"), {**given, "http_proxy": "http://u:•••@proxy:3128"}).status_code == 302
    assert PodNetworkSettings.objects.get().http_proxy == "http://u:s3cr3t@proxy:3128"


def test_a_proxy_that_cannot_be_used_is_refused_at_its_field(page: Client, cluster: Cluster) -> None:
    answer = page.post(at("network-way-out"), {"http_proxy": "proxy", "no_proxy": "what?"})
    assert answer.status_code == 422
    assert "no scheme" in words(answer) and "&#x27;what?&#x27; is none" in words(answer)


def test_a_bundle_may_be_a_file(page: Client, cluster: Cluster) -> None:
    file = SimpleUploadedFile("ca.pem", make("Corporate CA", ca=True).pem.encode())
    assert page.post(at("network-way-out"), {"ca_file": file}).status_code == 302
    assert "BEGIN CERTIFICATE" in PodNetworkSettings.objects.get().ca_bundle


def test_addresses_are_tried_from_the_page(page: Client, cluster: Cluster, operator: User) -> None:
    assert page.post(at("network-check"), {"addresses": "https://example.com\nregistry:5000"}).status_code == 302
    row = EgressCheck.objects.get()
    assert row.addresses == ["https://example.com", "https://registry:5000"]
    assert "asks for 2 addresses" in words(page.get(at("network")))
    answer = page.post(at("network-check"), {"addresses": "https://example.com"})
    assert answer.status_code == 422 and "has not ended yet" in words(answer)
    EgressCheck.objects.update(status="done", results=[
        {"url": "https://example.com", "via": "proxy:3128", "status": 200, "ms": 12.3, "kind": "answered", "error": None},
        {"url": "https://registry:5000", "via": "", "status": None, "ms": 3, "kind": "dns", "error": "the name is not known"},
    ])  # fmt: skip
    shown = words(page.get(at("network")))
    assert "proxy:3128" in shown and "the name is not known" in shown and "directly" in shown
    answer = page.post(at("network-check"), {"addresses": "ftp://x"})
    assert answer.status_code == 422 and "is none" in words(answer)


@pytest.mark.parametrize("name", ["network", "network-certificate", "network-way-out"])
def test_the_network_does_not_exist_for_others(reader: User, cluster: Cluster, name: str) -> None:
    client = Client()
    client.force_login(reader)
    assert client.get(at(name)).status_code == 404


def test_a_stored_password_is_nowhere_on_the_audit_page(page: Client, cluster: Cluster, operator: User) -> None:
    set_way_out(operator, cluster, https_proxy="http://u:s3cr3t@proxy:3128")
    check_egress(operator, cluster, addresses=["x"])
    shown = words(page.get(reverse("compute:cluster-audit", args=["local"])))
    assert "changed the way out" in shown and "s3cr3t" not in shown
