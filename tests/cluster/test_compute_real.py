"""Clusters and computes on a real Kubernetes: attached by the least-privilege identity, which then runs a whole job."""

import base64
import contextlib
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from compute import manifests
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import Connection, connection, render_kubeconfig
from compute.kube.errors import Forbidden
from compute.permissions import CRD_NAME
from sandbox.places import cache_folder
from tests.studio_process import ROOT, Studio, clean_up, start, stop

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]

KINDS = {kind.name: kind for kind in kinds.BUILT_IN}


@pytest.fixture(scope="module")
def limited(kubeconfig: str, sandbox: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Connection, str]]:
    """Apply the generated manifest as an administrator would; give its identity's connection and a namespace of it."""
    if sandbox.get("simulated"):
        pytest.skip("the nodes are simulated: no container runs")
    namespace = f"mooring-limited-{uuid.uuid4().hex[:8]}"
    documents = list(yaml.safe_load_all(manifests.least_privilege([namespace])))
    with KubeClient(connection(kubeconfig), timeout=30) as admin:
        if admin.find(kinds.CRD, CRD_NAME) is not None:
            # Another studio's instance types may be in this cluster: what is there stays as it is.
            documents = [each for each in documents if each["kind"] != "CustomResourceDefinition"]
        for document in documents:
            admin.apply(KINDS[document["kind"]], document, force=True)
        token = _token(admin)
        given = connection(kubeconfig)
        yield Connection(server=given.server, ca_pem=given.ca_pem, token=token, context="mooring"), namespace
        # Others of this cluster have things in the namespace where the identity lives: it stays.
        for document in (each for each in reversed(documents) if each["metadata"]["name"] != manifests.SYSTEM_NAMESPACE):
            where = document["metadata"].get("namespace")
            admin.delete(KINDS[document["kind"]], document["metadata"]["name"], where)


def _token(admin: KubeClient) -> str:
    for _ in range(100):
        secret = admin.get(kinds.SECRET, "mooring-token", manifests.SYSTEM_NAMESPACE)
        if token := (secret.get("data") or {}).get("token"):
            return base64.b64decode(token).decode()
    raise AssertionError("the token's Secret was not filled in")


@pytest.fixture(scope="module")
def studio_with_it(limited: tuple[Connection, str], sandbox: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Run a studio whose only way into the cluster is the least-privilege identity."""
    given, namespace = limited
    folder = tmp_path_factory.mktemp("limited")
    one = start(folder / "data", folder / "studio.log", sandbox, namespace=namespace)
    try:
        one.client.workspaces.create("demo", display_name="Demo")
        one.client.clusters.attach("local", kubeconfig=render_kubeconfig(given))
        one.until(lambda: _cluster(one)["log_route"] != "unknown", seconds=150, what="the ways of bytes to be tried")
        one.client.computes.attach("local", cluster="local", namespace=namespace, create_namespace=False)
        for pattern, image in (("python:3*", "python"), ("azureml://registries/azureml/environments/sklearn*", "sklearn")):
            rule = {"pattern": pattern, "image": one.images[image], "position": 10}
            one.client.transport.json("PUT", "image-rules", json=rule)
        yield one
    finally:
        with contextlib.suppress(Exception):
            clean_up(one)
        stop(one)


def _cluster(one: Studio) -> dict[str, Any]:
    return dict(one.client.transport.json("GET", "clusters/local"))


def test_every_rule_has_its_reason() -> None:
    text = manifests.least_privilege(["team"])
    rules = [line for line in text.splitlines() if line.startswith("- apiGroups")]
    lines = text.splitlines()
    assert rules and all(lines[index - 1].startswith("# ") for index, line in enumerate(lines) if line.startswith("- apiGroups"))


def test_the_identity_can_neither_make_namespaces_nor_read_other_secrets(limited: tuple[Connection, str]) -> None:
    with KubeClient(limited[0]) as client:
        for forbidden in (
            lambda: client.create(kinds.NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "not-allowed"}}),
            lambda: client.list(kinds.SECRET, "kube-system"),
            lambda: client.list(kinds.SECRET, limited[1]),
            lambda: client.delete(kinds.CRD, CRD_NAME),
        ):
            with pytest.raises(Forbidden):
                forbidden()


def test_the_cluster_is_ready_with_nothing_missing(studio_with_it: Studio) -> None:
    studio_with_it.until(lambda: _cluster(studio_with_it)["pods_reach_studio"] is not None, what="a pod to ask for the studio")
    studio_with_it.until(lambda: _cluster(studio_with_it)["status"] == "ready", what="the cluster to be ready")
    # Pods are listed after nodes, and counted when they are.
    studio_with_it.until(lambda: _cluster(studio_with_it)["capacity"]["cpu"]["requested"] > 0, what="what pods ask for to be counted")
    cluster = _cluster(studio_with_it)
    assert cluster["findings"] == []
    assert cluster["status"] == "ready"
    assert cluster["log_route"] == "proxy"
    assert cluster["pods_reach_studio"] is True
    assert cluster["capacity"]["nodes_ready"] >= 1 and cluster["capacity"]["cpu"]["requested"] > 0


def test_the_whole_main_job_runs_under_it(studio_with_it: Studio) -> None:
    text = (ROOT / "sample" / "train" / "job.yml").read_text(encoding="utf-8")
    job = studio_with_it.submit(text, folder=ROOT / "sample" / "train")
    ended = studio_with_it.ended(job.name)
    assert ended.status == "Completed", f"{ended.reason}\n{studio_with_it.tail()}"
    assert b"round 16 of 16" in studio_with_it.log_of(job.name)
    kept = {file.path for file in studio_with_it.client.jobs.outputs(job.name)}
    assert {"outputs/model.joblib", "outputs/confusion_matrix.png"} <= kept


def test_a_job_is_canceled_under_it(studio_with_it: Studio) -> None:
    job = studio_with_it.submit("type: command\nenvironment: {image: 'python:3.12'}\ncommand: echo here; sleep 300\n")

    def running() -> bool:
        return bool(studio_with_it.client.jobs.get(job.name).status == "Running")

    studio_with_it.until(running, seconds=120, what="the job to run")
    studio_with_it.client.jobs.cancel(job.name)
    assert studio_with_it.ended(job.name).status == "Canceled"


def test_the_line_that_prints_its_kubeconfig_prints_one_that_is_accepted(limited: tuple[Connection, str], sandbox: dict[str, Any]) -> None:
    kubectl = sandbox.get("kubectl") or _kubectl()
    if not kubectl:
        pytest.skip("there is no kubectl on this machine")
    script = f'kubectl() {{ {kubectl} --kubeconfig {sandbox["kubeconfig"]} "$@"; }}; {manifests.kubeconfig_command()}'
    printed = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True).stdout
    with KubeClient(connection(printed)) as client:
        assert client.whoami()["username"] == f"system:serviceaccount:{manifests.SYSTEM_NAMESPACE}:mooring"


def _kubectl() -> str:
    built = sorted((cache_folder() / "bin").glob("kubernetes-*/kubectl"))
    return shutil.which("kubectl") or (str(built[-1]) if built else "")
