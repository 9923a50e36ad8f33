"""What is applied to the cluster when: pods are replaced by what people ask for, and by nothing besides."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from compute.extension.models import Extension
from compute.kube import kinds
from compute.models import Cluster
from compute.network.models import PodNetworkSettings
from endpoints import launch, services
from endpoints.models import Deployment, Endpoint
from endpoints.surroundings import changed_since
from tests.conftest import People

PASSWORD = "the-proxy-password"


class FakeCluster:
    """The objects of one deployment, and what was asked for."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.did: list[str] = []

    def find(self, kind: kinds.Kind, name: str, namespace: str) -> dict[str, Any] | None:
        return self.objects.get(kind.name)

    def get(self, kind: kinds.Kind, name: str, namespace: str) -> dict[str, Any]:
        return self.objects[kind.name]

    def list(self, kind: kinds.Kind, namespace: str, **_: Any) -> list[dict[str, Any]]:
        return []

    def apply(self, kind: kinds.Kind, manifest: dict[str, Any], namespace: str, *, force: bool) -> dict[str, Any]:
        self.did.append(f"apply {kind.name}")
        self.objects[kind.name] = manifest | {"metadata": manifest["metadata"] | {"uid": "u"}}
        return self.objects[kind.name]

    def patch(self, kind: kinds.Kind, name: str, change: dict[str, Any], namespace: str) -> dict[str, Any]:
        self.did.append(f"patch {kind.name}")
        self.objects[kind.name]["spec"] |= change["spec"]
        return self.objects[kind.name]

    @property
    def template(self) -> dict[str, Any]:
        template: dict[str, Any] = json.loads(json.dumps(self.objects["Deployment"]["spec"]["template"]))
        return template

    @property
    def replicas(self) -> int:
        return int(self.objects["Deployment"]["spec"]["replicas"])


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster()
    monkeypatch.setattr(launch.computes, "kube_client", lambda cluster: fake)
    monkeypatch.setattr(launch, "COUNTED_SECONDS", 0)
    return fake


@pytest.fixture
def standing(there: FakeCluster, make_endpoint: Callable[..., Endpoint], make_deployment: Callable[..., Deployment]) -> Deployment:
    """Make a deployment that stands in the cluster as it was first applied."""
    deployment = make_deployment(make_endpoint(), count=2, ready=2)
    rolled(deployment)
    there.did.clear()
    return deployment


def rolled(deployment: Deployment) -> Deployment:
    launch.roll_deployment(deployment.pk)
    deployment.refresh_from_db()
    # As the one that pages and services get: with what was looked up before forgotten.
    return Deployment.objects.select_related("endpoint__workspace", "endpoint__compute__cluster", "wanted", "current").get(pk=deployment.pk)


def with_proxy(cluster: Cluster) -> None:
    PodNetworkSettings.objects.update_or_create(cluster=cluster, defaults={"http_proxy": f"http://u:{PASSWORD}@proxy:3128"})


def test_what_stands_is_left_as_it_is_and_says_what_changed_around_it(there: FakeCluster, standing: Deployment, cluster: Cluster) -> None:
    assert changed_since(rolled(standing)) == []
    with_proxy(cluster)
    Extension.objects.filter(cluster=cluster).update(settings={"enableInference": True, "nodeSelector": {"pool": "gpu"}})
    assert changed_since(rolled(standing)) == ["proxy", "nodes"] and there.did == []
    assert PASSWORD not in str(standing.applied)


def test_a_change_of_their_number_replaces_no_pod_whatever_changed_around_them(
    people: People, there: FakeCluster, standing: Deployment, cluster: Cluster
) -> None:
    before = there.template
    with_proxy(cluster)
    services.scale_deployment(people.contributor, standing, instance_count=3)
    after = rolled(standing)
    assert there.did == ["patch Deployment"] and there.replicas == 3 and there.template == before
    assert changed_since(after) == ["proxy"]


def test_a_rollout_takes_the_settings_of_now(people: People, there: FakeCluster, standing: Deployment, cluster: Cluster) -> None:
    before = there.template
    with_proxy(cluster)
    made = services.roll_out_deployment(people.contributor, rolled(standing))
    assert "with the cluster's proxy of now" in made.reason
    after = rolled(standing)
    assert there.did == ["apply Secret", "apply Service", "apply Deployment"] and changed_since(after) == []
    names = {one["name"] for one in there.template["spec"]["containers"][0]["env"]}
    assert "HTTP_PROXY" in names and there.template != before and PASSWORD not in str(there.template)
    assert after.current is not None and after.current.number == 1


def test_a_rollout_replaces_pods_also_where_nothing_changed(people: People, there: FakeCluster, standing: Deployment) -> None:
    before = there.template
    services.roll_out_deployment(people.contributor, rolled(standing))
    rolled(standing)
    assert there.template["metadata"]["annotations"]["mooring.dev/rollout"] == "1"
    assert there.template["spec"] == before["spec"]


def test_other_authorities_make_other_pods_though_they_stand_in_a_secret(
    people: People, there: FakeCluster, standing: Deployment, cluster: Cluster
) -> None:
    given: dict[str, Any] = {"ca_bundle": "first", "ca_with_system": False}
    row = PodNetworkSettings.objects.create(cluster=cluster, **given)
    services.roll_out_deployment(people.contributor, rolled(standing))
    rolled(standing)
    first = there.template["metadata"]["annotations"]["mooring.dev/settings"]
    PodNetworkSettings.objects.filter(pk=row.pk).update(ca_bundle="second")
    assert changed_since(rolled(standing)) == ["authorities"]
    services.roll_out_deployment(people.contributor, rolled(standing))
    rolled(standing)
    assert there.template["metadata"]["annotations"]["mooring.dev/settings"] != first


def test_what_somebody_took_out_of_the_cluster_is_applied_again(there: FakeCluster, standing: Deployment) -> None:
    del there.objects["Deployment"]
    rolled(standing)
    assert there.did == ["apply Secret", "apply Service", "apply Deployment"] and there.replicas == 2


def test_what_failed_is_left_without_pods_and_tried_again_with_the_settings_of_now(
    people: People, there: FakeCluster, standing: Deployment, cluster: Cluster
) -> None:
    Deployment.objects.filter(pk=standing.pk).update(status="failed", generation=2, good=None)
    rolled(standing)
    assert there.did == ["patch Deployment"] and there.replicas == 0
    with_proxy(cluster)
    services.roll_out_deployment(people.contributor, rolled(standing))
    assert changed_since(rolled(standing)) == [] and there.replicas == 2
