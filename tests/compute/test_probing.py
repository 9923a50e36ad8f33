"""What a probe finds in a cluster, and the state that follows from it."""

import json
import threading
from typing import Any

import pytest

from compute import probing, routes
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
    # The fake cluster gives namespaces no service account.
    monkeypatch.setattr(probing, "ACCOUNT_SECONDS", 0.1)


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


class Played:
    """Play what a real cluster does with probe pods: run them, and answer as the runner's probe would."""

    def __init__(self, fake: FakeKube, *, proxied: bool = True, forwarded: bool = True, reached: bool = True) -> None:
        self.fake, self.proxied, self.forwarded, self.reached = fake, proxied, forwarded, reached
        self.over = threading.Event()
        self.seen: list[str] = []
        self.thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self) -> "Played":
        if not self.proxied:
            self.fake.fail(503, path="/proxy/")
        if not self.forwarded:
            self.fake.fail(403, path="/portforward")
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join(5)

    def _play(self) -> None:
        with client(self.fake) as kube:
            while not self.over.wait(0.02):
                for pod in kube.list(kinds.POD, SYSTEM):
                    uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
                    if uid not in self.seen:
                        self.seen.append(uid)
                        self._run(name, pod["spec"]["containers"][0])

    def _run(self, name: str, container: dict[str, Any]) -> None:
        self.fake.pod_scheduled(SYSTEM, name, "node-a")
        if "--serve" in container["args"]:
            token = container["env"][0]["value"]

            def answer(method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
                text = path.partition("text=")[2].encode()
                given = {key.lower(): value for key, value in headers.items()}.get("x-mooring-token")
                return (200, {}, [text]) if given == token else (403, {}, [b"no"])

            self.fake.serve_pod(SYSTEM, name, 8484, answer)
            self.fake.log_of(SYSTEM, name, "probe").print('{"serving": 8484}\n')
            self.fake.pod_running(SYSTEM, name)
            return
        told = json.dumps({"reached": self.reached, "ms": 3.0, "error": None if self.reached else "timed out"})
        ended = {"name": "probe", "state": {"terminated": {"exitCode": 0, "message": told}}}
        self.fake.pod_status(SYSTEM, name, phase="Succeeded", containerStatuses=[ended])


@pytest.fixture
def runner(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RUNNER_IMAGE = "runner:1"
    settings.STUDIO_URL_FOR_PODS = "http://10.0.0.1:8080"
    monkeypatch.setattr(routes, "TRIES", 2)


@pytest.mark.parametrize(
    ("ways", "route"),
    [
        ({}, "proxy"),
        ({"proxied": False}, "port-forward"),
        ({"proxied": False, "forwarded": False}, "pods-log"),
    ],
)
def test_the_best_way_for_bytes_is_found(cluster: Cluster, fakekube: FakeKube, runner: None, ways: dict[str, bool], route: str) -> None:
    with Played(fakekube, **ways):
        probing.probe_cluster(cluster.pk)
    cluster.refresh_from_db()
    assert cluster.log_route == route
    assert ("cluster-logs-may-lose-lines" in ids(cluster)) == (route == "pods-log")


def test_pods_that_reach_the_studio_make_a_cluster_ready(cluster: Cluster, fakekube: FakeKube, runner: None) -> None:
    with Played(fakekube):
        probing.probe_cluster(cluster.pk)
    cluster.refresh_from_db()
    assert cluster.status == "ready" and cluster.pods_reach_studio is True
    assert client(fakekube).list(kinds.POD) == []


def test_pods_that_do_not_reach_the_studio_are_a_finding_that_says_why(cluster: Cluster, fakekube: FakeKube, runner: None) -> None:
    with Played(fakekube, reached=False):
        probing.probe_cluster(cluster.pk)
    assert ids(cluster) == ["studio-not-reached"]
    assert "timed out" in cluster.findings[0]["text"]


def test_a_probe_pod_whose_image_is_not_to_be_had_is_a_finding(cluster: Cluster, fakekube: FakeKube, runner: None) -> None:
    class Unpulled(Played):
        def _run(self, name: str, container: dict[str, Any]) -> None:
            self.fake.pod_scheduled(SYSTEM, name, "node-a")
            self.fake.pod_waiting(SYSTEM, name, "probe", "ImagePullBackOff", "no such image")

    with Unpulled(fakekube):
        probing.probe_cluster(cluster.pk)
    assert ids(cluster) == ["cluster-probe-failed"]
    assert "no such image" in cluster.findings[0]["text"]
