"""The way out of pods as it is set: kept, checked, and completed by what the cluster tells."""

from typing import Any

import pytest
from django.core import serializers

from compute.kube import kinds
from compute.models import Cluster
from compute.network import looking
from compute.network.models import PodNetworkSettings
from compute.network.selectors import findings, pod_network, way_out_shown
from compute.network.services import check_egress, set_way_out
from studio.accounts.models import User
from studio.audit.models import Entry
from studio.core.errors import ProblemError, ProblemList
from tests.compute.network.pki import make
from tests.fakekube import FakeKube

pytestmark = pytest.mark.django_db


def test_the_way_out_is_kept_with_its_password_hidden(operator: User, cluster: Cluster) -> None:
    ca = make("Corporate", ca=True)
    set_way_out(operator, cluster, http_proxy="http://u:s3cr3t@proxy:3128", https_proxy="http://proxy:3128", no_proxy=".corp",
                ca_bundle=ca.pem, ca_with_system=False)  # fmt: skip
    network = pod_network(cluster)
    assert network.environment["http_proxy"] == "http://u:s3cr3t@proxy:3128"
    assert network.secret == {"HTTP_PROXY", "http_proxy"}
    assert ".corp" in network.environment["NO_PROXY"] and "127.0.0.1" in network.environment["NO_PROXY"]
    assert network.ca_bundle == ca.pem
    shown = way_out_shown(cluster)
    assert "s3cr3t" not in repr(shown) + serializers.serialize("json", Entry.objects.all())
    assert [one["subject"] for one in shown["ca_bundle"]] == ["Corporate"]
    # As it is shown it comes back from a form: the password stays.
    set_way_out(operator, cluster, http_proxy=shown["http_proxy"], no_proxy=".corp")
    assert pod_network(cluster).environment["HTTP_PROXY"] == "http://u:s3cr3t@proxy:3128"
    set_way_out(operator, cluster)
    assert pod_network(cluster).environment == {} and pod_network(cluster).ca_bundle == ""


def test_everything_wrong_with_the_way_out_is_said_at_its_field(operator: User, cluster: Cluster) -> None:
    with pytest.raises(ProblemList) as caught:
        set_way_out(operator, cluster, http_proxy="proxy", https_proxy="ftp://x:1", no_proxy="a b!", ca_bundle="none")
    assert [error.field for error in caught.value.errors] == ["http_proxy", "https_proxy", "no_proxy", "ca_bundle"]
    assert not PodNetworkSettings.objects.exists()


def test_a_bundle_with_the_studios_own_authorities_before_it(operator: User, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    from compute.network import way_out

    ca, known = make("Corporate", ca=True), make("Known", ca=True)
    monkeypatch.setattr(way_out, "system_bundle", lambda: known.pem)
    set_way_out(operator, cluster, ca_bundle=ca.pem)
    assert pod_network(cluster).ca_bundle == known.pem + ca.pem
    monkeypatch.setattr(way_out, "system_bundle", lambda: "")
    assert [each["id"] for each in findings(cluster)] == ["ca-bundle-no-system"]
    with pytest.raises(ProblemList) as caught:
        set_way_out(operator, cluster, ca_bundle=known.pem)
    assert caught.value.errors[0].field == "ca_with_system"


def test_ranges_of_pods_and_services_are_learned(operator: User, cluster: Cluster, client: Any, fakekube: FakeKube) -> None:
    for number, node in enumerate(client.list(kinds.NODE)):
        client.patch(kinds.NODE, node["metadata"]["name"], {"spec": {"podCIDRs": [f"10.42.{number}.0/24"]}})
    set_way_out(operator, cluster, http_proxy="http://proxy:3128")
    looking.settle_network(cluster.pk)
    assert "10.42.0.0/23" in pod_network(cluster).environment["NO_PROXY"].split(",")


def test_addresses_to_try_are_checked_and_one_check_runs_at_a_time(operator: User, cluster: Cluster) -> None:
    for addresses in ([], ["ftp://x"], ["http://u:p@x/"], ["https://x y"], [f"h{number}" for number in range(11)]):
        with pytest.raises(ProblemError) as caught:
            check_egress(operator, cluster, addresses=addresses)
        assert (caught.value.problem.id, caught.value.field) == ("egress-address-invalid", "addresses")
    row = check_egress(operator, cluster, addresses=["packages.example.com", "https://x/y", "", "https://x/y"])
    assert row.addresses == ["https://packages.example.com", "https://x/y"]
    with pytest.raises(ProblemError) as caught:
        check_egress(operator, cluster, addresses=["x"])
    assert caught.value.problem.id == "egress-check-busy"
