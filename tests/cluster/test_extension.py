"""The extension on a real Kubernetes: brought, changed, gone back from, killed in the middle, and removed without a trace."""

from __future__ import annotations

import base64
import gzip
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from compute.extension.release import NAMESPACE, RELEASE, history
from compute.kube import kinds
from compute.kube.client import KubeClient
from mooring.errors import MooringProblem
from tests.cluster.extension import SETTINGS, clear_extension, installed, settled
from tests.studio_process import Studio

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", autouse=True)
def afterwards_nothing(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Begin and end without the extension."""
    folder = tmp_path_factory.mktemp("helm")
    clear_extension(studio, folder)
    yield
    clear_extension(studio, folder)


@pytest.fixture
def there(studio: Studio, tmp_path: Path) -> dict[str, Any]:
    """Have the extension installed and ready."""
    found = studio.client.extensions.get(studio.cluster)
    if found["status"] != "ready" or found["settings"]["inferenceRouterServiceType"] != "nodePort":
        found = installed(studio, tmp_path)
    return found


def test_it_installs_and_says_where_the_router_answers(studio: Studio, tmp_path: Path) -> None:
    found = installed(studio, tmp_path)
    assert found["status"] == "ready"
    assert {row["state"] for row in found["objects"]} == {"ready"}
    kinds_seen = {row["kind"] for row in found["objects"]}
    assert kinds_seen >= {"Gateway", "GatewayClass", "EnvoyProxy", "SecurityPolicy", "Deployment", "Service"}
    assert found["router"]["base_url"].startswith("http://") and found["router"]["insecure"]
    assert httpx.get(found["router"]["base_url"], timeout=10).status_code == 404


def test_a_route_without_a_policy_of_its_own_is_refused(studio: Studio, kube: KubeClient, there: dict[str, Any]) -> None:
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "open", "namespace": studio.namespace},
        "spec": {
            "parentRefs": [{"name": "mooring-router", "namespace": NAMESPACE}],
            "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/open"}}], "backendRefs": [{"name": "nothing", "port": 80}]}],
        },
    }
    kube.apply(kinds.HTTP_ROUTE, route)
    try:
        address = f"{there['router']['base_url']}/open"
        studio.until(lambda: httpx.get(address, timeout=10).status_code == 403, what="the route to be refused")
    finally:
        kube.delete(kinds.HTTP_ROUTE, "open", studio.namespace)


def test_a_change_is_a_revision_and_a_rollback_brings_the_one_before_back(studio: Studio, there: dict[str, Any]) -> None:
    extensions = studio.client.extensions
    before = there["revision"]
    difference = extensions.check(studio.cluster, {"inferenceRouterServiceType": "clusterIP"})["difference"]
    assert difference == {"inferenceRouterServiceType": ["nodePort", "clusterIP"]}
    change = {"inferenceRouterServiceType": "clusterIP", "nodeSelector.kubernetes.io/os": "linux"}
    extensions.wait(studio.cluster, extensions.change(studio.cluster, change)["id"], seconds=240)
    changed = extensions.get(studio.cluster)
    assert changed["status"] == "ready" and changed["revision"] == before + 1
    assert changed["router"]["in_cluster"] and changed["router"]["base_url"] == "http://mooring-router.mooring-system.svc"
    diff = extensions.difference(studio.cluster, before)
    assert "-        type: NodePort" in diff and "+        type: ClusterIP" in diff
    extensions.wait(studio.cluster, extensions.rollback(studio.cluster, before)["id"], seconds=240)
    back = extensions.get(studio.cluster)
    assert back["settings"] == there["settings"] and back["revision"] == before + 2
    assert httpx.get(back["router"]["base_url"], timeout=10).status_code == 404


def test_a_load_balancer_that_never_gives_an_address_is_told_and_gone_back_from(studio: Studio, there: dict[str, Any]) -> None:
    extensions = studio.client.extensions
    operation = settled(studio, extensions.change(studio.cluster, {"inferenceRouterServiceType": "loadBalancer"})["id"])
    assert operation["status"] == "failed" and operation["problem"]["id"] == "extension-no-address", operation
    assert extensions.get(studio.cluster)["router"]["reason"] == "The load balancer has no address yet."
    extensions.wait(studio.cluster, extensions.rollback(studio.cluster, there["revision"])["id"], seconds=240)
    assert extensions.get(studio.cluster)["status"] == "ready"


def test_high_availability_is_refused_on_fewer_than_three_nodes(studio: Studio, there: dict[str, Any]) -> None:
    with pytest.raises(MooringProblem) as refused:
        studio.client.extensions.change(studio.cluster, {"inferenceRouterHA": True})
    assert refused.value.id == "extension-few-nodes" and studio.client.extensions.get(studio.cluster)["revision"] == there["revision"]


def test_a_node_selector_holds_for_jobs_too(studio: Studio, kube: KubeClient, there: dict[str, Any]) -> None:
    extensions = studio.client.extensions
    settings = {"nodeSelector.kubernetes.io/os": "linux", "workLoadToleration[0].key": "spot", "workLoadToleration[0].operator": "Exists"}
    extensions.wait(studio.cluster, extensions.change(studio.cluster, settings)["id"], seconds=240)
    job = studio.submit("type: command\nenvironment: {image: 'python:3.12'}\ncommand: echo placed\n")
    assert studio.ended(job.name).status == "Completed"
    pods = kube.list(kinds.POD, studio.namespace, labels={"mooring.dev/kind": "job"})
    placed = [pod for pod in pods if (pod["spec"].get("nodeSelector") or {}).get("kubernetes.io/os") == "linux"]
    assert any({"key": "spot", "operator": "Exists"} in pod["spec"]["tolerations"] for pod in placed)


def test_jobs_are_refused_where_training_is_off(studio: Studio, there: dict[str, Any]) -> None:
    extensions = studio.client.extensions
    extensions.wait(studio.cluster, extensions.change(studio.cluster, {"enableTraining": False})["id"], seconds=240)
    with pytest.raises(MooringProblem) as refused:
        studio.submit("type: command\nenvironment: {image: 'python:3.12'}\ncommand: echo no\n")
    assert refused.value.id == "extension-no-training"
    extensions.wait(studio.cluster, extensions.change(studio.cluster, {"enableTraining": True})["id"], seconds=240)


def test_what_breaks_shows_as_degraded_and_heals(studio: Studio, kube: KubeClient, there: dict[str, Any]) -> None:
    kube.patch(kinds.DEPLOYMENT, "envoy-gateway", {"spec": {"replicas": 0}}, NAMESPACE)
    kube.delete(kinds.GATEWAY, "mooring-router", NAMESPACE)
    studio.until(lambda: studio.client.extensions.get(studio.cluster)["status"] == "degraded", seconds=90, what="it to be degraded")
    assert "Gateway mooring-router" in studio.client.extensions.get(studio.cluster)["reason"]
    operation = studio.client.extensions.change(studio.cluster, {})
    studio.client.extensions.wait(studio.cluster, operation["id"], seconds=240)
    assert studio.client.extensions.get(studio.cluster)["status"] == "ready"


def test_removing_leaves_nothing_but_definitions_and_the_namespace(studio: Studio, kube: KubeClient, there: dict[str, Any]) -> None:
    operation = studio.client.extensions.remove(studio.cluster)
    studio.client.extensions.wait(studio.cluster, operation["id"], seconds=240)
    assert studio.client.extensions.get(studio.cluster)["status"] == "absent"
    ours = (kinds.SECRET, kinds.CONFIG_MAP, kinds.SERVICE_ACCOUNT, kinds.SERVICE, kinds.DEPLOYMENT, kinds.JOB, kinds.ROLE,
            kinds.ROLE_BINDING, kinds.LEASE, kinds.GATEWAY, kinds.ENVOY_PROXY, kinds.SECURITY_POLICY)  # fmt: skip
    left = {(kind.plural, each["metadata"]["name"]) for kind in ours for each in kube.list(kind, NAMESPACE)}
    # What every namespace has, and the identity with the least rights, which another test may use meanwhile.
    others = {("configmaps", "kube-root-ca.crt"), ("serviceaccounts", "default"), ("serviceaccounts", "mooring")}
    others |= {("secrets", "mooring-token"), ("rolebindings", "mooring-compute")}
    assert left - others == set()
    for kind in (kinds.CLUSTER_ROLE, kinds.CLUSTER_ROLE_BINDING):
        assert not [each for each in kube.list(kind) if each["metadata"]["name"].startswith(RELEASE)]
    assert kube.find(kinds.GATEWAY_CLASS, "mooring") is None
    assert kube.find(kinds.CRD, "gateways.gateway.networking.k8s.io") is not None


def test_a_worker_killed_while_helm_installs_is_taken_up_again(studio: Studio, kube: KubeClient, tmp_path: Path) -> None:
    clear_extension(studio, tmp_path)
    operation = studio.client.extensions.install(studio.cluster, SETTINGS)
    studio.until(lambda: [each for each in history(kube) if each.status == "pending-install"], what="Helm to have begun")
    worker = studio.pid("worker")
    assert worker
    os.kill(worker, signal.SIGKILL)
    assert studio.client.extensions.operation(studio.cluster, operation["id"])["status"] == "running"
    studio.client.extensions.wait(studio.cluster, operation["id"], seconds=300)
    found = studio.client.extensions.get(studio.cluster)
    assert found["status"] == "ready"
    assert [each.status for each in history(kube)] == ["deployed"]
    assert not list((studio.data / "tmp").glob("helm-*"))


def test_a_worker_killed_while_helm_changes_is_taken_up_again(studio: Studio, kube: KubeClient, there: dict[str, Any]) -> None:
    before = len(history(kube))
    operation = studio.client.extensions.change(studio.cluster, {"nodeSelector.kubernetes.io/os": "linux"})
    studio.until(lambda: [each for each in history(kube) if each.status == "pending-upgrade"], what="Helm to have begun")
    worker = studio.pid("worker")
    assert worker
    os.kill(worker, signal.SIGKILL)
    found = settled(studio, operation["id"], seconds=300)
    assert found["status"] == "done", found
    # What Helm had begun was gone back from before it was begun anew: one revision more than the change alone makes.
    after = history(kube)
    assert after[-1].status == "deployed" and len(after) == before + 3
    extension = studio.client.extensions.get(studio.cluster)
    assert extension["settings"]["nodeSelector"] == {"kubernetes.io/os": "linux"} and extension["status"] == "ready"


def test_a_release_that_somebody_left_pending_is_mended(studio: Studio, kube: KubeClient, there: dict[str, Any]) -> None:
    newest = history(kube)[-1]
    number = newest.revision + 1
    secret = kube.get(kinds.SECRET, newest.name, NAMESPACE)
    labels = secret["metadata"]["labels"] | {"status": "pending-upgrade", "version": str(number), "modifiedAt": "1000000000"}
    left = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"sh.helm.release.v1.{RELEASE}.v{number}", "labels": labels},
        "type": secret["type"],
        "data": {"release": _repacked(secret["data"]["release"], number, "pending-upgrade")},
    }
    kube.create(kinds.SECRET, left, NAMESPACE)
    operation = studio.client.extensions.change(studio.cluster, {"nodeSelector.kubernetes.io/os": ""})
    studio.client.extensions.wait(studio.cluster, operation["id"], seconds=240)
    assert studio.client.extensions.get(studio.cluster)["status"] == "ready"
    assert history(kube)[-1].status == "deployed"


def _repacked(text: str, number: int, status: str) -> str:
    """Return a release as Helm packs it, with another number and status."""
    body = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(text))))
    body["version"] = number
    body["info"]["status"] = status
    return base64.b64encode(base64.b64encode(gzip.compress(json.dumps(body).encode()))).decode()


def test_the_command_line_installs_and_removes(studio: Studio, tmp_path: Path) -> None:
    clear_extension(studio, tmp_path)
    pairs = [f"{key}={value}" for key, value in SETTINGS.items()]
    done = studio.cli("extension", "install", studio.cluster, "--config", *pairs, timeout=300)
    assert "All " in done.stderr and "http://" in done.stdout
    shown = studio.cli("extension", "show", studio.cluster)
    assert "✓ Gateway mooring-router: Accepted, Programmed" in shown.stdout
    assert studio.cli("extension", "revisions", studio.cluster).stdout.splitlines()[1].split()[1] == "yes"
    studio.cli("extension", "remove", studio.cluster, "--yes", timeout=300)
    assert "absent" in studio.cli("extension", "show", studio.cluster).stdout
