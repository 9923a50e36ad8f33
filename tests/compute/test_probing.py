"""What a probe finds in a cluster, and the state that follows from it."""

import json
from typing import Any

import pytest

from compute import probing
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.models import Cluster, Compute
from compute.permissions import CRD_NAME
from studio.accounts.models import User, Workspace
from tests.fakekube import FakeKube

pytestmark = pytest.mark.django_db

SYSTEM = "mooring-system"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "STEP_SECONDS", 0.02)
    monkeypatch.setattr(probing, "POD_SECONDS", 5.0)


def ids(cluster: Cluster) -> list[str]:
    cluster.refresh_from_db()
    return [each["id"] for each in cluster.findings]


def client(fake: FakeKube) -> KubeClient:
    return KubeClient(fake.connection())


def test_it_finds_version_distribution_nodes_and_gpus(cluster: Cluster) -> None:
    assert cluster.kubernetes_version == "v1.36.3"
    assert [node.name for node in cluster.nodes.all()] == ["node-a", "node-gpu"]
    assert cluster.nodes.get(name="node-gpu").allocatable["gpu"] == 2
    assert cluster.facts["nodes"] == 2 and cluster.facts["gpu"] == 2


def test_it_installs_the_custom_resource(cluster: Cluster, fakekube: FakeKube) -> None:
    crd = client(fakekube).get(kinds.CRD, CRD_NAME)
    assert crd["metadata"]["annotations"]["mooring.dev/crd-version"] == "1"
    assert crd["metadata"]["annotations"]["mooring.dev/studio"]


def test_it_leaves_a_newer_custom_resource_alone(cluster: Cluster, fakekube: FakeKube) -> None:
    newer = {"metadata": {"annotations": {"mooring.dev/crd-version": "99"}}}
    client(fakekube).patch(kinds.CRD, CRD_NAME, newer)
    probing.probe_cluster(cluster.pk)
    kept = client(fakekube).get(kinds.CRD, CRD_NAME)["metadata"]["annotations"]
    assert kept["mooring.dev/crd-version"] == "99"


def test_without_a_runner_image_it_says_so_and_stays_usable(cluster: Cluster) -> None:
    assert cluster.status == "degraded"
    assert cluster.problem_id == "runner-image-unknown"


def test_nodes_that_are_not_ready_are_a_finding(cluster: Cluster, fakekube: FakeKube) -> None:
    fakekube.node("node-b", ready=False)
    probing.probe_cluster(cluster.pk)
    assert "cluster-nodes-not-ready" in ids(cluster)


def test_missing_permissions_are_named(cluster: Cluster, fakekube: FakeKube) -> None:
    fakekube.deny(verb="watch", resource="nodes")
    probing.probe_cluster(cluster.pk)
    assert "cluster-permissions-missing" in ids(cluster)
    assert "watch nodes" in json.dumps(cluster.findings)


def test_a_cluster_that_does_not_answer_is_unreachable_and_keeps_what_was_seen(cluster: Cluster, fakekube: FakeKube) -> None:
    seen = cluster.seen_at
    fakekube.fail("reset")
    probing.probe_cluster(cluster.pk)
    cluster.refresh_from_db()
    assert cluster.status == "unreachable"
    assert cluster.problem_id == "kube-unreachable"
    assert cluster.nodes.count() == 2
    assert cluster.seen_at == seen


def test_a_cluster_that_answers_again_is_no_longer_unreachable(cluster: Cluster, fakekube: FakeKube) -> None:
    fakekube.fail("reset")
    probing.probe_cluster(cluster.pk)
    fakekube.heal()
    probing.probe_cluster(cluster.pk)
    cluster.refresh_from_db()
    assert cluster.status == "degraded"


def test_withdrawn_credentials_make_it_unreachable_with_their_own_problem(cluster: Cluster, fakekube: FakeKube) -> None:
    fakekube.revoke()
    probing.probe_cluster(cluster.pk)
    cluster.refresh_from_db()
    assert (cluster.status, cluster.problem_id) == ("unreachable", "kube-unauthorized")


def test_a_compute_on_an_unreachable_cluster_shows_it(cluster: Cluster, workspace: Workspace, fakekube: FakeKube) -> None:
    compute = Compute.objects.create(workspace=workspace, cluster=cluster, name="c", namespace="n", status="ready")
    fakekube.fail("reset")
    probing.probe_cluster(cluster.pk)
    compute = Compute.objects.get(pk=compute.pk)
    assert compute.shown_status == "unreachable" and compute.shown_reason


def test_a_cluster_of_kwok_nodes_is_simulated_and_no_probe_pod_is_made(operator: User, fakekube: FakeKube, settings: Any) -> None:
    from compute import services

    settings.RUNNER_IMAGE = "runner:1"
    fakekube.node("fake-1", labels={"type": "kwok"})
    row = services.attach_cluster(operator, name="sim", kubeconfig=fakekube.kubeconfig())
    probing.probe_cluster(row.pk)
    row.refresh_from_db()
    assert row.simulated and row.status == "ready" and row.distribution == "kwok"
    assert client(fakekube).list(kinds.POD) == []
