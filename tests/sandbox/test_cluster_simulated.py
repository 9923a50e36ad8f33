"""Clusters without containers, beside the developers' own one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compute import manifests
from compute.extension.chart import Source, assemble
from compute.extension.helm import find_program, helm_for
from compute.extension.release import NAMESPACE, RELEASE
from compute.extension.values import chart_values
from compute.extension.wanted import read
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import connection
from compute.permissions import CRD_NAME
from sandbox import studios
from tests.sandbox.conftest import ROOT, Kubernetes, sandbox, sandbox_json, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

NAME = "simulated-test"
JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "seeming", "namespace": "default"},
    "spec": {
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "containers": [
                    {"name": "main", "image": "any", "resources": {"limits": {"nvidia.com/gpu": "2"}}},
                ],
            }
        }
    },
}


@pytest.fixture(scope="module")
def simulated() -> Any:
    sandbox("down", "--name", NAME, "--purge")
    words = (
        "--simulated",
        "6",
        "--gpu-nodes",
        "1",
        "--node-label",
        "zone=north",
        "--node-capacity",
        "cpu=32,memory=96Gi",
    )
    yield sandbox_json("up", "--name", NAME, *words)
    sandbox("down", "--name", NAME, "--purge")


def test_simulated_nodes_are_ready_and_say_what_they_are(simulated: dict[str, Any]) -> None:
    assert simulated["state"] == "up"
    assert simulated["simulated"] is True
    assert len(simulated["nodes"]) == 6
    assert all(node["ready"] and node["simulated"] for node in simulated["nodes"])
    nodes = Kubernetes(simulated).get("nodes", "-l", "mooring.dev/simulated=true,zone=north")["items"]
    assert {node["status"]["allocatable"]["cpu"] for node in nodes} == {"32"}


def test_a_job_that_wants_gpus_goes_to_the_node_that_seems_to_have_them(simulated: dict[str, Any]) -> None:
    kubernetes = Kubernetes(simulated)
    kubernetes.apply(JOB)

    def succeeded() -> Any:
        pods = kubernetes.get("pods", "-l", "job-name=seeming")["items"]
        return pods[0] if pods and pods[0]["status"]["phase"] == "Succeeded" else None

    pod = until(succeeded, seconds=60, what="the seeming end of the job")
    assert pod["spec"]["nodeName"] == f"{NAME}-simulated-005"
    assert pod["status"]["message"] == "simulated: no container ran"


def test_three_routers_stand_on_three_nodes_and_do_so_while_they_are_renewed(simulated: dict[str, Any], tmp_path: Path) -> None:
    """The chart's own EnvoyProxy, taken by a real API server, and the pods that it asks for, placed by a real scheduler."""
    given = connection(Path(simulated["kubeconfig"]).read_text())
    wanted, wrongs = read({"enableInference": True, "inferenceRouterServiceType": "nodePort", "allowInsecureConnections": True})
    main = sandbox_json("status")
    with helm_for(given, find_program(main["programs"]["helm"]), tmp_path, "test") as helm, KubeClient(given) as kube:
        chart = assemble(helm, Source(folder=Path(main["extension"]["charts"])), router=True)
        values = helm.write("values.yaml", chart_values(wanted, {}, studio="test"))
        proxy = next(each for each in helm.rendered(RELEASE, chart.folder, NAMESPACE, values) if each["kind"] == "EnvoyProxy")
        definition = next(each for each in chart.envoy_gateway_crds if each["spec"]["names"]["kind"] == "EnvoyProxy")
        kube.apply(kinds.CRD, definition)
        kube.apply(kinds.NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        until(lambda: kube.has_api(kinds.ENVOY_PROXY), what="the definition to be there")
        kube.apply(kinds.ENVOY_PROXY, proxy, NAMESPACE)
        asked = proxy["spec"]["provider"]["kubernetes"]
        assert wrongs == [] and asked["envoyDeployment"]["replicas"] == 3 and asked["envoyPDB"] == {"minAvailable": 2}
        for round in ("1", "2"):
            kube.apply(kinds.DEPLOYMENT, envoys(asked["envoyDeployment"], round), NAMESPACE)
            until(lambda round=round: placed(kube, round), seconds=60, what="three routers on three nodes")


def envoys(asked: dict[str, Any], round: str) -> dict[str, Any]:
    """Return the Deployment that Envoy Gateway makes of what the EnvoyProxy asks for."""
    labels = {"gateway.envoyproxy.io/owning-gateway-name": "mooring-router", "gateway.envoyproxy.io/owning-gateway-namespace": NAMESPACE}
    pod = {**asked["pod"], "containers": [{"name": "envoy", "image": "any", "resources": asked["container"]["resources"]}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "mooring-router", "namespace": NAMESPACE},
        "spec": {
            "replicas": asked["replicas"],
            "strategy": asked["strategy"],
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": {**labels, "round": round}}, "spec": pod},
        },
    }


def placed(kube: KubeClient, round: str) -> bool:
    """Tell whether three pods of a round are ready, each on a node of its own, and none of another round is left."""
    pods = kube.list(kinds.POD, NAMESPACE, labels={"gateway.envoyproxy.io/owning-gateway-name": "mooring-router"})
    return len(pods) == 3 and len({pod["spec"].get("nodeName") for pod in pods if pod["metadata"]["labels"]["round"] == round}) == 3


def test_the_number_of_nodes_follows_what_is_asked_for(simulated: dict[str, Any]) -> None:
    words = (
        "--simulated",
        "4",
        "--gpu-nodes",
        "1",
        "--node-label",
        "zone=north",
        "--node-capacity",
        "cpu=32,memory=96Gi",
    )
    assert len(sandbox_json("up", "--name", NAME, *words)["nodes"]) == 4


def test_a_component_that_was_killed_comes_back(simulated: dict[str, Any]) -> None:
    pid = sandbox_json("status", "--name", NAME)["components"]["kube-scheduler"]["pid"]
    os.kill(pid, signal.SIGKILL)

    def back() -> Any:
        found = sandbox("status", "--name", NAME, "--json", check=False).stdout
        return f'"pid": {pid},' not in found and '"state": "up"' in found

    until(back, seconds=30, what="the scheduler")


def test_up_after_everything_was_killed_goes_on_where_it_was(simulated: dict[str, Any]) -> None:
    found = sandbox_json("status", "--name", NAME)
    Kubernetes(found)("create", "configmap", "kept")
    for one in found["components"].values():
        os.kill(one["pid"], signal.SIGSTOP)  # none can be restarted before all are gone
    supervisor = int(sandbox_supervisor())
    os.kill(supervisor, signal.SIGKILL)
    again = sandbox_json("up", "--name", NAME)
    assert again["state"] == "up"
    assert Kubernetes(again).get("configmap", "kept")["metadata"]["name"] == "kept"


def sandbox_supervisor() -> int:
    from sandbox import process
    from sandbox.places import ClusterPlace

    return process.inner_pid(ClusterPlace.of(NAME)) or 0


def test_a_second_up_at_the_same_time_waits_and_says_so(simulated: dict[str, Any]) -> None:
    sandbox("down", "--name", NAME)
    argv = [sys.executable, "-m", "sandbox", "up", "--name", NAME, "--simulated", "4"]
    both = [subprocess.Popen(argv, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    progress = "".join(error for _, error in said)
    assert f"waiting for the cluster “{NAME}”" in progress
    assert f"the cluster “{NAME}” is already up" in progress


def test_what_studios_have_left_whose_data_folders_are_gone_is_removed_and_nothing_else(simulated: dict[str, Any], tmp_path: Path) -> None:
    kubernetes = Kubernetes(simulated)
    kubernetes.apply(manifests.instance_type_crd("first"))
    kubernetes("wait", "--for=condition=Established", f"crd/{CRD_NAME}", "--timeout=60s")
    spec = {"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}}
    for studio in ("first", "second"):
        (tmp_path / studio).mkdir()
        studios.remember(NAME, studio, tmp_path / studio)
        kubernetes.apply(manifests.namespace(f"of-{studio}", studio=studio), manifests.instance_type(f"of-{studio}", spec, studio=studio))
    foreign = {"name": "foreign", "labels": {manifests.STUDIO: "first", "team": "theirs"}}
    unknown = manifests.namespace("of-nobody-known", studio="third")
    kubernetes.apply(manifests.namespace(NAMESPACE, studio="first"), unknown, {"apiVersion": "v1", "kind": "Namespace", "metadata": foreign})

    def left() -> dict[str, str]:
        found = kubernetes.get("namespaces", "-l", f"{manifests.STUDIO}")["items"]
        return {each["metadata"]["name"]: each["metadata"]["labels"][manifests.STUDIO] for each in found}

    (tmp_path / "first" / studios.MARKER).unlink()
    removed = sandbox_json("sweep", "--name", NAME)["removed"]
    assert removed == ["the label of namespace foreign", "instancetype of-first", "namespace of-first"]
    # What studios share goes to the next one.
    assert left() == {"of-second": "second", "of-nobody-known": "third", NAMESPACE: "second"}
    assert kubernetes.get("namespace", "foreign")["metadata"]["labels"]["team"] == "theirs"
    assert [each["metadata"]["name"] for each in kubernetes.get(CRD_NAME)["items"]] == ["of-second"]
    kubernetes("delete", "namespace", "of-nobody-known")
    (tmp_path / "second" / studios.MARKER).write_text("another")
    removed = sandbox_json("sweep", "--name", NAME)["removed"]
    assert removed == ["instancetype of-second", "namespace of-second", f"namespace {NAMESPACE}"]
    assert left() == {} and sandbox_json("studios", "--name", NAME) == {"studios": []}
