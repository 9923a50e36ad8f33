"""A certificate that is a Secret of the cluster: followed through its renewals, named by somebody or by the extension."""

from datetime import datetime
from typing import Any

import pytest

from compute.extension.models import Extension
from compute.kube import kinds
from compute.models import Cluster
from compute.network import looking
from compute.network.applying import apply_certificate
from compute.network.models import RouterCertificate
from compute.network.selectors import certificate_shown
from compute.network.services import follow_secret, set_certificate
from studio.accounts.models import User
from studio.core.errors import ProblemError, ProblemList
from tests.compute.network.pki import Family, make
from tests.compute.network.placed import NAME, PLACE, make_fingerprint, put, row, secret

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("type", "keys"), [("kubernetes.io/tls", ("tls.crt", "tls.key")), ("Opaque", ("cert.pem", "key.pem"))])
def test_a_secret_of_the_cluster_is_followed_through_its_renewals(
    operator: User, cluster: Cluster, client: Any, first: Family, second: Family, type: str, keys: tuple[str, str]
) -> None:
    put(client, first, name="mine", type=type, keys=keys)
    follow_secret(operator, cluster, name="mine")
    apply_certificate(cluster)
    assert secret(client)["tls.crt"] == first.chain
    put(client, second, name="mine", type=type, keys=keys)
    apply_certificate(cluster)
    assert secret(client)["tls.key"] == second.leaf.key
    kept = row()
    assert (kept.key, kept.chain) == ("", second.chain) and kept.facts["fingerprint"] == make_fingerprint(second)
    assert kept.status == "ready"


def test_a_secret_that_cannot_be_followed_is_refused_at_its_field(operator: User, cluster: Cluster, client: Any, first: Family) -> None:
    for name, id in (("Not a name", "certificate-secret-name"), (NAME, "certificate-secret-name"), ("none", "certificate-secret-missing")):
        with pytest.raises(ProblemError) as caught:
            follow_secret(operator, cluster, name=name)
        assert (caught.value.problem.id, caught.value.field) == (id, "secret")
    put(client, first, name="odd", type="Opaque", keys=("a", "b"))
    with pytest.raises(ProblemError) as caught:
        follow_secret(operator, cluster, name="odd")
    assert caught.value.problem.id == "certificate-secret-kind"
    put(client, Family(first.root, first.middle, make("other")), name="wrong")
    with pytest.raises(ProblemList) as listed:
        follow_secret(operator, cluster, name="wrong")
    assert {error.field for error in listed.value.errors} == {"secret"}


def test_a_followed_secret_that_breaks_is_said_and_the_last_good_one_stays(
    operator: User, cluster: Cluster, client: Any, first: Family
) -> None:
    put(client, first, name="mine")
    follow_secret(operator, cluster, name="mine")
    apply_certificate(cluster)
    client.delete(kinds.SECRET, "mine", PLACE)
    assert apply_certificate(cluster) is True
    assert (row().status, row().problem_id) == ("failed", "certificate-secret-missing")
    assert secret(client)["tls.crt"] == first.chain
    put(client, first, name="mine")
    apply_certificate(cluster)
    assert row().status == "ready"


def test_a_secret_that_the_extension_names_is_looked_after_without_a_copy(
    cluster: Cluster, client: Any, first: Family, second: Family
) -> None:
    put(client, first, name="own-tls")
    Extension.objects.create(cluster=cluster, status="ready", revision=1, settings={"enableInference": True, "sslSecret": "own-tls"})
    looking.settle_network(cluster.pk)
    row = RouterCertificate.objects.get(cluster=cluster)
    assert (row.secret_name, row.status, row.chain, row.key) == ("own-tls", "ready", first.chain, "")
    assert row.ends_at and client.find(kinds.SECRET, NAME, PLACE) is None
    put(client, second, name="own-tls")
    looking.settle_network(cluster.pk)
    row.refresh_from_db()
    assert row.chain == second.chain and client.find(kinds.SECRET, NAME, PLACE) is None
    # When the setting is taken back the router still has a certificate to show.
    Extension.objects.update(settings={"enableInference": True})
    looking.settle_network(cluster.pk)
    assert secret(client)["tls.crt"] == second.chain


def test_what_the_extension_names_leaves_an_uploaded_certificate_alone(
    cluster: Cluster, client: Any, operator: User, first: Family, second: Family
) -> None:
    set_certificate(operator, cluster, chain=first.chain, key=first.leaf.key)
    put(client, second, name="own-tls")
    Extension.objects.create(cluster=cluster, status="ready", revision=1, settings={"enableInference": True, "sslSecret": "own-tls"})
    looking.settle_network(cluster.pk)
    assert RouterCertificate.objects.get(cluster=cluster).key == first.leaf.key
    # What callers see is what is told of: its end, its names.
    kept = RouterCertificate.objects.get(cluster=cluster)
    assert kept.ends_at == datetime.fromisoformat(kept.facts["not_after"]) and kept.router_facts["fingerprint"] != kept.facts["fingerprint"]
    shown = certificate_shown(kept)["router_shows"]
    assert (shown["secret"], shown["fingerprint"]) == ("own-tls", kept.router_facts["fingerprint"])
    Extension.objects.update(settings={"enableInference": True})
    looking.settle_network(cluster.pk)
    kept.refresh_from_db()
    assert not kept.direct and kept.router_facts == kept.facts
