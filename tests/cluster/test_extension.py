"""The extension on a real Kubernetes: brought, changed, gone back from, killed in the middle, and removed without a trace."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import os
import secrets
import signal
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from compute.extension.chart import ChartUnusable, Source, assemble
from compute.extension.helm import find_program, helm_for
from compute.extension.release import NAMESPACE, RELEASE, history
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import connection
from mooring.errors import MooringProblem
from tests.cluster.extension import SETTINGS, clear_extension, installed, settled
from tests.cluster.sweeping import WAS
from tests.studio_process import Studio

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

CLUSTER_ROLE = f"{RELEASE}-envoy-gateway-envoy-gateway-role"


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


@contextlib.contextmanager
def slow_config_maps(kube: KubeClient, host: str) -> Iterator[None]:
    """Have the API server take three seconds for each ConfigMap that is changed or removed, so that Helm is met in the middle."""
    kind = kinds.Kind("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration")
    name = f"mooring-test-slow-{uuid.uuid4().hex[:8]}"
    # It takes connections and says nothing.
    with socket.create_server((host, 0), backlog=64) as silent:
        hook = {
            "name": "slow.mooring.test",
            "clientConfig": {"url": f"https://{host}:{silent.getsockname()[1]}/"},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE", "DELETE"], "resources": ["configmaps"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
            "timeoutSeconds": 3,
            "failurePolicy": "Ignore",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        kube.create(kind, {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name}, "webhooks": [hook]})
        try:
            yield
        finally:
            kube.delete(kind, name)


def kill_worker_when(studio: Studio, kube: KubeClient, status: str) -> None:
    """Kill the studio's worker when Helm's newest revision is in a state."""
    studio.until(lambda: [each for each in history(kube) if each.status == status], what=f"the release to be {status}")
    worker = studio.pid("worker")
    assert worker
    os.kill(worker, signal.SIGKILL)


def test_it_installs_and_says_where_the_router_answers(studio: Studio, tmp_path: Path) -> None:
    clear_extension(studio, tmp_path)
    pairs = [f"{key}={value}" for key, value in SETTINGS.items()]
    done = studio.cli("extension", "install", studio.cluster, "--config", *pairs, timeout=300)
    assert "All " in done.stderr and "http://" in done.stdout
    found = studio.client.extensions.get(studio.cluster)
    assert found["status"] == "ready"
    assert {row["state"] for row in found["objects"]} == {"ready"}
    kinds_seen = {row["kind"] for row in found["objects"]}
    assert kinds_seen >= {"Gateway", "GatewayClass", "EnvoyProxy", "SecurityPolicy", "Deployment", "Service"}
    assert found["router"]["base_url"].startswith("http://") and found["router"]["insecure"]
    assert httpx.get(found["router"]["base_url"], timeout=10).status_code == 404
    assert "✓ Gateway mooring-router: Accepted, Programmed" in studio.cli("extension", "show", studio.cluster).stdout
    assert studio.cli("extension", "revisions", studio.cluster).stdout.splitlines()[1].split()[1] == "yes"


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


def test_a_change_is_a_revision_and_a_rollback_brings_the_one_before_back_though_its_worker_is_killed(
    studio: Studio, kube: KubeClient, there: dict[str, Any]
) -> None:
    extensions = studio.client.extensions
    before = there["revision"]
    change = ("--config", "inferenceRouterServiceType=clusterIP", "nodeSelector.kubernetes.io/os=linux", "--yes")
    done = studio.cli("extension", "change", studio.cluster, *change, timeout=300)
    assert "inferenceRouterServiceType: nodePort → clusterIP" in done.stderr
    changed = extensions.get(studio.cluster)
    assert changed["status"] == "ready" and changed["revision"] == before + 1
    assert changed["router"]["in_cluster"] and changed["router"]["base_url"] == "http://mooring-router.mooring-system.svc"
    compared = studio.cli("extension", "revisions", studio.cluster, "--compare", f"{before}:{before + 1}").stdout
    assert "-        type: NodePort" in compared and "+        type: ClusterIP" in compared
    rollback = ("extension", "rollback", studio.cluster, str(before), "--yes")
    with ThreadPoolExecutor(1) as pool:
        with slow_config_maps(kube, studio.sandbox["host_address"]):
            rolled = pool.submit(studio.cli, *rollback, timeout=300)
            kill_worker_when(studio, kube, "pending-rollback")
        assert "+        type: NodePort" in rolled.result().stderr
    back = extensions.get(studio.cluster)
    assert back["status"] == "ready" and back["settings"] == there["settings"] and back["revision"] == before + 2
    assert history(kube)[-1].status == "deployed"
    assert httpx.get(back["router"]["base_url"], timeout=10).status_code == 404


def test_a_load_balancer_gives_no_address_gives_one_that_answers_and_loses_it(
    studio: Studio, kube: KubeClient, there: dict[str, Any]
) -> None:
    extensions = studio.client.extensions
    operation = settled(studio, extensions.change(studio.cluster, {"inferenceRouterServiceType": "loadBalancer"})["id"])
    assert operation["status"] == "failed" and operation["problem"]["id"] == "extension-no-address", operation
    assert extensions.get(studio.cluster)["router"]["reason"] == "The load balancer has no address yet."

    def give(*addresses: str) -> None:
        """Do what a cloud's controller does; kube-proxy takes what is sent there to the router."""
        ingress = [{"ip": address, "ipMode": "VIP"} for address in addresses]
        kube.patch(kinds.SERVICE, "mooring-router", {"status": {"loadBalancer": {"ingress": ingress}}}, NAMESPACE, subresource="status")

    address = f"198.51.100.{secrets.randbelow(254) + 1}"
    give(address)
    studio.until(lambda: extensions.get(studio.cluster)["status"] == "ready", seconds=90, what="the address to be taken up")
    found = extensions.get(studio.cluster)
    assert (found["router"]["base_url"], found["router"]["address"]) == (f"http://{address}", address)
    assert f"http://{address}" in studio.cli("extension", "show", studio.cluster).stdout
    with httpx.Client(trust_env=False, timeout=10) as http:
        studio.until(lambda: http.get(found["router"]["base_url"]).status_code == 404, what="the router to answer at it")
    give()
    studio.until(lambda: extensions.get(studio.cluster)["status"] == "degraded", seconds=90, what="the loss to be seen")
    lost = extensions.get(studio.cluster)
    assert (lost["problem"], lost["router"]["base_url"]) == ("extension-no-address", None)
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


@contextlib.contextmanager
def route_that_envoy_refuses(kube: KubeClient, namespace: str) -> Iterator[str]:
    """Have a route that Envoy Gateway accepts, and that no proxy takes: Envoy knows no such word in a header."""
    slice = kinds.Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True)
    name = f"broken-{uuid.uuid4().hex[:6]}"
    header = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-broken", "value": "%NOSUCH%"}]}}
    match = {"path": {"type": "PathPrefix", "value": f"/{name}"}}
    parents = [{"name": "mooring-router", "namespace": NAMESPACE}]
    rules = [{"matches": [match], "filters": [header], "backendRefs": [{"name": name, "port": 80}]}]
    made = {
        kinds.SERVICE: {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}},
        slice: {
            "apiVersion": slice.api_version,
            "kind": slice.name,
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["198.51.100.1"]}],
            "ports": [{"port": 80, "name": ""}],
        },
        kinds.HTTP_ROUTE: {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": name},
            "spec": {"parentRefs": parents, "rules": rules},
        },
    }
    try:
        for kind, thing in made.items():
            kube.create(kind, thing, namespace)
        yield name
    finally:
        for kind in reversed(made):
            kube.delete(kind, name, namespace)


def test_what_breaks_shows_as_degraded_and_heals(studio: Studio, kube: KubeClient, there: dict[str, Any]) -> None:
    refuses = "extension-router-refuses"
    with route_that_envoy_refuses(kube, studio.namespace) as name:
        studio.until(lambda: studio.client.extensions.get(studio.cluster)["problem"] == refuses, seconds=120, what="the refusal to be told")
        reason = studio.client.extensions.get(studio.cluster)["reason"]
        assert "NOSUCH" in reason and f"Routes that no studio made: {studio.namespace}/{name}" in reason
    kube.patch(kinds.DEPLOYMENT, "envoy-gateway", {"spec": {"replicas": 0}}, NAMESPACE)
    kube.delete(kinds.GATEWAY, "mooring-router", NAMESPACE)
    said = "Gateway mooring-router"
    studio.until(lambda: said in studio.client.extensions.get(studio.cluster)["reason"], seconds=90, what="what is missing to be told")
    assert studio.client.extensions.get(studio.cluster)["status"] == "degraded"
    operation = studio.client.extensions.change(studio.cluster, {})
    studio.client.extensions.wait(studio.cluster, operation["id"], seconds=240)
    assert studio.client.extensions.get(studio.cluster)["status"] == "ready"


def test_removing_leaves_nothing_but_definitions_and_the_namespace_though_its_worker_is_killed(
    studio: Studio, kube: KubeClient, there: dict[str, Any]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with slow_config_maps(kube, studio.sandbox["host_address"]):
            removed = pool.submit(studio.cli, "extension", "remove", studio.cluster, "--yes", timeout=300)
            kill_worker_when(studio, kube, "uninstalling")
        assert removed.result()
    assert "absent" in studio.cli("extension", "show", studio.cluster).stdout
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


def test_names_and_definitions_of_others_are_told_before_anything_is_touched(studio: Studio, kube: KubeClient, tmp_path: Path) -> None:
    clear_extension(studio, tmp_path)
    extensions = studio.client.extensions

    def refused() -> MooringProblem:
        with pytest.raises(MooringProblem) as told:
            extensions.install(studio.cluster, SETTINGS)
        return told.value

    listener = {"name": "http", "protocol": "HTTP", "port": 80}
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "mooring-router", "namespace": NAMESPACE},
        "spec": {"gatewayClassName": "somebodys", "listeners": [listener]},
    }
    kube.create(kinds.GATEWAY, gateway, NAMESPACE)
    try:
        told = refused()
        assert told.id == "extension-name-in-use" and f"Gateway {NAMESPACE}/mooring-router" in str(told)
    finally:
        kube.delete(kinds.GATEWAY, "mooring-router", NAMESPACE)

    definition = "gateways.gateway.networking.k8s.io"
    metadata = kube.get(kinds.CRD, definition)["metadata"]
    version, manager = "gateway.networking.k8s.io/bundle-version", "app.kubernetes.io/managed-by"
    was = {"annotations": {version: metadata["annotations"].get(version), WAS: None}, "labels": {manager: metadata["labels"].get(manager)}}
    theirs = {"annotations": {version: "v1.0.0", WAS: json.dumps(was)}, "labels": {manager: "somebody"}}
    kube.patch(kinds.CRD, definition, {"metadata": theirs})
    try:
        told = refused()
        assert told.id == "extension-crd-conflict" and f"{definition}: version v1.0.0, it takes v1.2 or newer" in str(told)
    finally:
        kube.patch(kinds.CRD, definition, {"metadata": was})

    # A name that is known when the chart has been rendered: the operation looks before it does anything.
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": CLUSTER_ROLE}, "rules": []}
    kube.create(kinds.CLUSTER_ROLE, role)
    try:
        operation = settled(studio, extensions.install(studio.cluster, SETTINGS)["id"])
    finally:
        kube.delete(kinds.CLUSTER_ROLE, CLUSTER_ROLE)
    assert operation["problem"]["id"] == "extension-name-in-use" and f"ClusterRole {CLUSTER_ROLE}" in operation["problem"]["text"]
    assert [step["key"] for step in operation["steps"] if step["state"] != "pending"] == ["check"] and history(kube) == []


def test_the_chart_comes_from_a_registry_and_a_wrong_reference_is_told(sandbox: dict[str, Any], kubeconfig: str, tmp_path: Path) -> None:
    repository = f"oci://{sandbox['registry']['address']}/mooring-test"
    archive = next(Path(sandbox["extension"]["charts"]).glob("gateway-helm-*.tgz"))
    with helm_for(connection(kubeconfig), find_program(sandbox["programs"]["helm"]), tmp_path, "test") as helm:
        helm.run(["push", str(archive), repository, "--plain-http"], seconds=60)
        made = assemble(helm, Source(repository=repository, plain_http=True), router=True)
        assert made.version == archive.stem and len(made.envoy_gateway_crds) == 8 and made.gateway_api_crds
        kinds_made = {each["kind"] for each in helm.rendered(RELEASE, made.folder, NAMESPACE, helm.write("values.yaml", {}))}
        assert {"Deployment", "Gateway", "ClusterRole"} <= kinds_made
        with pytest.raises(ChartUnusable, match=r"/nothing/gateway-helm v\S+ could not be pulled: .*not found"):
            assemble(helm, Source(repository=f"{repository}/nothing", plain_http=True), router=True)
        with pytest.raises(ChartUnusable, match="server gave HTTP response to HTTPS client"):
            assemble(helm, Source(repository=repository), router=True)


def test_a_worker_killed_while_helm_installs_is_taken_up_again(studio: Studio, kube: KubeClient, tmp_path: Path) -> None:
    clear_extension(studio, tmp_path)
    operation = studio.client.extensions.install(studio.cluster, SETTINGS)
    kill_worker_when(studio, kube, "pending-install")
    assert studio.client.extensions.operation(studio.cluster, operation["id"])["status"] == "running"
    studio.client.extensions.wait(studio.cluster, operation["id"], seconds=300)
    found = studio.client.extensions.get(studio.cluster)
    assert found["status"] == "ready"
    assert [each.status for each in history(kube)] == ["deployed"]
    assert not list((studio.data / "tmp").glob("helm-*"))


def test_a_worker_killed_while_helm_changes_is_taken_up_again(studio: Studio, kube: KubeClient, there: dict[str, Any]) -> None:
    before = len(history(kube))
    operation = studio.client.extensions.change(studio.cluster, {"nodeSelector.kubernetes.io/os": "linux"})
    kill_worker_when(studio, kube, "pending-upgrade")
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
