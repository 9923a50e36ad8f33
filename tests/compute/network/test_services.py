"""A certificate that somebody uploads: on its way into a cluster, and what is there of it afterwards."""

import base64
import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core import serializers
from django.utils import timezone

from compute import probing, services
from compute.extension import release
from compute.extension.models import Extension
from compute.kube import kinds
from compute.kube.errors import KubeError
from compute.models import Cluster
from compute.network import looking
from compute.network.applying import apply_certificate, render_secret, settle_certificate, withdraw
from compute.network.models import RouterCertificate
from compute.network.selectors import certificate_shown, findings
from compute.network.services import put_back_certificate, remove_certificate, set_certificate
from studio.accounts.models import User
from studio.audit.models import Entry
from studio.core.errors import ProblemError, ProblemList
from tests.compute.network.pki import Family, make
from tests.compute.network.placed import NAME, PLACE, make_fingerprint, put, row, secret
from tests.fakekube import FakeKube

pytestmark = pytest.mark.django_db


def released_by(client: Any, studio: str) -> None:
    """Leave in the cluster what Helm keeps of an extension that a studio installed."""
    body = json.dumps({"version": 1, "info": {"status": "deployed"}, "config": {"studio": studio}}).encode()
    labels = {"owner": "helm", "name": release.RELEASE, "version": "1", "status": "deployed"}
    metadata = {"name": f"sh.helm.release.v1.{release.RELEASE}.v1", "namespace": PLACE, "labels": labels}
    packed = base64.b64encode(base64.b64encode(gzip.compress(body))).decode()
    client.create(kinds.SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"release": packed}}, PLACE)


@pytest.mark.parametrize("theirs", [True, False], ids=["their router", "their router is gone"])
def test_the_certificate_of_another_studios_router_stays(
    operator: User, cluster: Cluster, client: Any, first: Family, second: Family, theirs: bool
) -> None:
    client.apply(kinds.SECRET, render_secret(first.chain, first.leaf.key, "another-studio"), PLACE)
    if theirs:
        released_by(client, "another-studio")
    set_certificate(operator, cluster, chain=second.chain, key=second.leaf.key)
    for _ in range(3):
        settle_certificate(cluster)
    assert secret(client)["tls.crt"] == (first if theirs else second).chain
    assert row().status == ("drifted" if theirs else "ready")
    withdraw(client)
    assert bool(client.find(kinds.SECRET, NAME, PLACE)) == theirs
    if theirs:
        put_back_certificate(operator, cluster)
        settle_certificate(cluster)
        assert secret(client)["tls.crt"] == second.chain


def test_an_uploaded_certificate_comes_into_the_cluster_and_is_rotated_in_place(
    operator: User, cluster: Cluster, client: Any, first: Family, second: Family
) -> None:
    assert apply_certificate(cluster) is False
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    assert row().status == "waiting"
    assert apply_certificate(cluster) is True
    kept = secret(client)
    assert (kept["tls.crt"], kept["type"], row().status) == (first.chain, "kubernetes.io/tls", "ready")
    uid = client.get(kinds.SECRET, NAME, PLACE)["metadata"]["uid"]
    set_certificate(operator, cluster, chain=second.chain, key=second.leaf.key)
    assert apply_certificate(cluster) is True
    assert secret(client)["tls.key"] == second.leaf.key
    # In place: who follows the Secret sees one change, and never none.
    assert client.get(kinds.SECRET, NAME, PLACE)["metadata"]["uid"] == uid
    assert [entry.verb for entry in Entry.objects.filter(target_kind="cluster", verb__contains="certificate").order_by("id")] == [
        "set the router's certificate",
        "rotated the router's certificate",
    ]


def test_a_refusal_keeps_what_is_there(operator: User, cluster: Cluster, first: Family) -> None:
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    with pytest.raises(ProblemList):
        set_certificate(operator, cluster, chain=first.chain, key=make("other").key)
    assert row().facts["fingerprint"] == make_fingerprint(first)


def test_the_key_is_encrypted_and_comes_back_nowhere(operator: User, cluster: Cluster, client: Any, first: Family) -> None:
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    apply_certificate(cluster)
    body = first.leaf.key.splitlines()[1]
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM compute_routercertificate")
        assert body not in repr(cursor.fetchall())
    assert body not in repr(certificate_shown(row()))
    assert body not in serializers.serialize("json", Entry.objects.all())


def test_a_change_in_the_cluster_is_said_and_not_overwritten_until_somebody_asks(
    operator: User, cluster: Cluster, client: Any, first: Family, second: Family
) -> None:
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    apply_certificate(cluster)
    put(client, second)
    assert apply_certificate(cluster) is True
    kept = row()
    assert (kept.status, kept.problem_id) == ("drifted", "certificate-drift")
    assert kept.drift["fingerprint"] == make_fingerprint(second)
    assert secret(client)["tls.crt"] == second.chain
    looking.settle_network(cluster.pk)
    cluster.refresh_from_db()
    assert "certificate-drift" in [each["id"] for each in cluster.findings] and cluster.status == "degraded"
    put_back_certificate(operator, cluster)
    looking.settle_network(cluster.pk)
    cluster.refresh_from_db()
    assert secret(client)["tls.crt"] == first.chain and row().status == "ready" and row().drift == {}
    assert "certificate-drift" not in [each["id"] for each in cluster.findings]


def test_a_secret_that_is_gone_is_written_again(operator: User, cluster: Cluster, client: Any, first: Family) -> None:
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    apply_certificate(cluster)
    client.delete(kinds.SECRET, NAME, PLACE)
    apply_certificate(cluster)
    assert secret(client)["tls.crt"] == first.chain and row().status == "ready"


def test_an_upload_replaces_what_somebody_else_put_there_whatever_its_type(
    operator: User, cluster: Cluster, client: Any, first: Family, second: Family
) -> None:
    put(client, second, type="Opaque")
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    apply_certificate(cluster)
    assert secret(client)["type"] == "kubernetes.io/tls" and secret(client)["tls.crt"] == first.chain


def test_a_cluster_that_does_not_answer_leaves_it_waiting_and_the_sweep_comes_back(
    operator: User, cluster: Cluster, client: Any, fakekube: FakeKube, first: Family, nudged: list[tuple[str, int]]
) -> None:
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    fakekube.fail(503, path="/secrets")
    with pytest.raises(KubeError):
        apply_certificate(cluster)
    settle_certificate(cluster)
    assert (row().status, row().problem_id) == ("waiting", "certificate-not-applied")
    RouterCertificate.objects.update(checked_at=timezone.now() - timedelta(minutes=1), status_at=timezone.now() - timedelta(minutes=1))
    nudged.clear()
    looking.sweep()
    assert ("compute.settle_network", cluster.pk) in nudged
    fakekube.heal()
    settle_certificate(cluster)
    assert row().status == "ready"


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(looking, "nudge", lambda task, id: sent.append((task, id)))
    return sent


def test_what_is_applied_is_looked_at_again_and_again(
    operator: User, cluster: Cluster, client: Any, first: Family, nudged: list[tuple[str, int]]
) -> None:
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    apply_certificate(cluster)
    looking.sweep()
    assert nudged == []
    RouterCertificate.objects.update(checked_at=timezone.now() - timedelta(minutes=6))
    looking.sweep()
    assert nudged == [("compute.settle_network", cluster.pk)]


@pytest.mark.parametrize(
    ("days", "id"), [(60, None), (29, "certificate-ends-soon"), (6, "certificate-ends-very-soon"), (-1, "certificate-expired")]
)
def test_its_end_is_warned_of_on_the_cluster(
    operator: User, cluster: Cluster, client: Any, first: Family, days: int, id: str | None
) -> None:
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    RouterCertificate.objects.update(ends_at=timezone.now() + timedelta(days=days, hours=1))
    assert [each["id"] for each in findings(cluster)] == ([id] if id else [])
    probing.settle_sources(cluster)
    # A probe, which has findings of its own, does not lose it.
    probing.settle(cluster, [probing.finding("cluster-insecure")])
    cluster.refresh_from_db()
    assert [each["id"] for each in cluster.findings] == ["cluster-insecure", *([id] if id else [])]


def test_a_router_that_is_called_by_another_name_meanwhile_is_warned_of(operator: User, cluster: Cluster, first: Family) -> None:

    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    Extension.objects.create(cluster=cluster, settings={"sslCname": "elsewhere.example.com"})
    assert [each["id"] for each in findings(cluster)] == ["certificate-name-mismatch"]
    with pytest.raises(ProblemList):
        set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)


def test_a_certificate_that_is_removed_leaves_nothing(operator: User, cluster: Cluster, client: Any, first: Family) -> None:
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    apply_certificate(cluster)
    remove_certificate(operator, cluster)
    assert row().key == "" and findings(cluster) == []
    looking.settle_network(cluster.pk)
    assert client.find(kinds.SECRET, NAME, PLACE) is None
    assert not RouterCertificate.objects.exists()
    with pytest.raises(ProblemError):
        remove_certificate(operator, cluster)


def test_a_certificate_given_while_the_old_one_goes_comes_in_its_place(
    operator: User, cluster: Cluster, client: Any, first: Family, second: Family
) -> None:
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    apply_certificate(cluster)
    remove_certificate(operator, cluster)
    set_certificate(operator, cluster, chain=second.chain, key=second.leaf.key)
    looking.settle_network(cluster.pk)
    assert secret(client)["tls.crt"] == second.chain and row().status == "ready"


def test_a_rotation_in_the_middle_of_applying_wins(
    operator: User, cluster: Cluster, client: Any, first: Family, second: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    from compute.network import applying

    really = applying.render_secret
    calls = []

    def rotated_meanwhile(chain: str, key: str, studio: str) -> dict[str, Any]:
        if not calls:
            set_certificate(operator, cluster, chain=second.chain, key=second.leaf.key)
        calls.append(chain)
        return really(chain, key, studio)

    monkeypatch.setattr(applying, "render_secret", rotated_meanwhile)
    apply_certificate(cluster)
    assert calls == [first.chain, second.chain]
    assert secret(client)["tls.crt"] == second.chain and row().status == "ready"


def test_detaching_takes_the_certificate_along(operator: User, cluster: Cluster, client: Any, first: Family) -> None:
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    apply_certificate(cluster)
    services.detach_cluster(operator, cluster)
    services.clusters.finish_detach(cluster.pk)
    assert client.find(kinds.SECRET, NAME, PLACE) is None


def test_what_is_no_certificate_in_another_studios_place_can_be_written_over_once_told(
    operator: User, cluster: Cluster, client: Any, first: Family
) -> None:
    odd = render_secret("none", "none", "another-studio")
    client.apply(kinds.SECRET, odd | {"type": "Opaque", "data": {"x": "eA=="}}, PLACE)
    released_by(client, "another-studio")
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    settle_certificate(cluster)
    assert row().status == "drifted" and "no certificate" in row().reason
    put_back_certificate(operator, cluster)
    settle_certificate(cluster)
    assert (row().status, secret(client)["tls.crt"]) == ("ready", first.chain)
