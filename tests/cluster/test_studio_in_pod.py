"""A studio that runs in a pod: attached to the cluster it runs in by its service account, with no more rights than it needs.

When it lets that cluster go, nothing of it is left there.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from compute import manifests
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.permissions import CRD_NAME
from mooring.client import Client
from tests.cluster.inventory import Thing, inventory, speaks_of
from tests.studio_process import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]

KINDS = {kind.name: kind for kind in kinds.BUILT_IN}
PORT = 8080
STUDIO = "mooring.dev/studio"
TYPE = {"resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}}
JOB = "type: command\nenvironment: {{image: '{image}'}}\ncompute: {compute}\ncommand: |\n  {command}\n"


@dataclass
class Inside:
    """The studio in the pod: its client, where it runs, the namespace that it was given, and what was there before."""

    client: Client
    home: str
    given: str
    images: dict[str, str]
    before: dict[Thing, dict[str, Any]]
    tail: Callable[[], str]

    def until(self, condition: Callable[[], Any], *, seconds: float = 90, what: str) -> Any:
        """Ask again until the answer is true; fails with the end of the studio's log when it never was."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s\n{self.tail()}"
            time.sleep(0.2)
        return found

    def run(self, command: str, *, compute: str = "local") -> Any:
        """Run a job to its end."""
        text = JOB.format(image=self.images["python"], compute=compute, command=command)
        name = self.client.jobs.create_from_text(text).name
        return self.until(lambda: (job := self.client.jobs.get(name)).is_final and job, seconds=120, what=f"{name} to end")


@pytest.fixture(scope="module")
def inside(
    kube: KubeClient, sandbox: dict[str, Any], real_pods: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    """Run the studio of this checkout in a pod, with the rights of the least-privilege manifest for its service account."""
    if sandbox.get("mode") == "given":
        pytest.skip("the checkout is not on the cluster's nodes")
    mark = uuid.uuid4().hex
    home, given, data = f"test-{mark[:10]}", f"mooring-limited-{mark[:8]}", tmp_path_factory.mktemp("in-pod")
    # Not restricted: this pod borrows the machine's programs, as nobody's pod should.
    kube.create(kinds.NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home, "labels": {"mooring.dev/test": "yes"}}})
    kube.create(kinds.SERVICE_ACCOUNT, {"metadata": {"name": "studio"}}, home)
    made = rights(kube, home, given, mark[:8])
    for document in made:
        kube.apply(KINDS[document["kind"]], document, document["metadata"].get("namespace"), force=True)
    deadline = time.monotonic() + 30
    while kube.find(kinds.CONFIG_MAP, "kube-root-ca.crt", given) is None or kube.find(kinds.SERVICE_ACCOUNT, "default", given) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    before = inventory(kube)
    kube.create(kinds.POD, pod(home, data, sandbox, real_pods), home)

    def tail() -> str:
        return kube.logs(home, "studio", "studio", tail=60).read().decode(errors="replace")

    try:
        with answering(kube, home, data, tail) as client:
            yield Inside(client, home, given, real_pods, before, tail)
    finally:
        kube.delete(kinds.POD, "studio", home, grace=0)
        for document in reversed(made):
            kube.delete(KINDS[document["kind"]], document["metadata"]["name"], document["metadata"].get("namespace"))
        kube.delete(kinds.NAMESPACE, home)


def rights(kube: KubeClient, home: str, given: str, mark: str) -> list[dict[str, Any]]:
    """Return the generated manifest for the pod's own service account; its roles get names that nobody else's have."""
    documents = []
    for each in yaml.safe_load_all(manifests.least_privilege([given])):
        kind, metadata = each["kind"], each["metadata"]
        if kind in ("ServiceAccount", "Secret") or (kind == "CustomResourceDefinition" and kube.find(kinds.CRD, CRD_NAME)):
            continue
        if kind == "Namespace" and metadata["name"] == manifests.SYSTEM_NAMESPACE and kube.find(kinds.NAMESPACE, metadata["name"]):
            continue
        if kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"):
            metadata["name"] += f"-test-{mark}"
        if "roleRef" in each:
            each["roleRef"]["name"] += f"-test-{mark}"
            each["subjects"] = [{"kind": "ServiceAccount", "name": "studio", "namespace": home}]
        documents.append(each)
    return documents


def pod(home: str, data: Path, sandbox: dict[str, Any], images: dict[str, str]) -> dict[str, Any]:
    """Return the pod: the job image's release is this machine's, so that its Python and its checkout run there as here."""
    borrowed = dict.fromkeys(("/usr", sys.base_prefix, str(ROOT), str(Path(sys.prefix).resolve())))
    outer = [one for one in borrowed if not any(one.startswith(f"{other}/") for other in borrowed if other != one)]
    mounts = [{"name": f"m{index}", "mountPath": path, "readOnly": True} for index, path in enumerate(outer)]
    volumes = [{"name": f"m{index}", "hostPath": {"path": path}} for index, path in enumerate(outer)]
    environment = {
        "MOORING_DATA": "/data",
        "MOORING_LISTEN": f"0.0.0.0:{PORT}",
        "MOORING_POD_URL": f"http://$(POD_IP):{PORT}",
        "MOORING_RUNNER_IMAGE": images["runner"],
        "MOORING_LARGEST_OUTPUTS": "1Mi",
        "HOME": "/data",
        "PATH": f"{Path(shutil.which('redis-server') or '/usr/bin/redis-server').parent}:/usr/local/bin:/usr/bin:/bin",
    }
    own = [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "studio", "namespace": home},
        "spec": {
            "serviceAccountName": "studio",
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 10,
            "securityContext": {"runAsUser": 0},
            "containers": [
                {
                    "name": "studio",
                    "image": images["python"],
                    "command": [sys.executable, "-m", "mooring", "up", "--no-browser"],
                    "workingDir": str(ROOT),
                    "env": [*own, *({"name": name, "value": value} for name, value in environment.items())],
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
                    "volumeMounts": [*mounts, {"name": "data", "mountPath": "/data"}],
                }
            ],
            "volumes": [*volumes, {"name": "data", "hostPath": {"path": str(data)}}],
        },
    }


def answering(kube: KubeClient, home: str, data: Path, tail: Callable[[], str]) -> Client:
    """Wait until the studio in the pod answers; return a client of it."""
    deadline = time.monotonic() + 180
    while True:
        status = kube.get(kinds.POD, "studio", home)["status"]
        assert status["phase"] in ("Pending", "Running"), tail()
        url = f"http://{status.get('podIP')}:{PORT}"
        with contextlib.suppress(httpx.TransportError):
            if status.get("podIP") and httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                break
        assert time.monotonic() < deadline, f"{status}\n{tail()}"
        time.sleep(0.2)
    token = json.loads((data / "run" / "cli-token.json").read_text(encoding="utf-8"))["token"]
    return Client(url, token, workspace="demo")


def test_the_cluster_it_runs_in_is_attached_without_a_credential_and_shows_its_nodes(inside: Inside, kube: KubeClient) -> None:
    inside.client.workspaces.create("demo", display_name="Demo")
    inside.client.clusters.attach("here", in_cluster=True)
    shown = inside.until(
        lambda: (now := cluster(inside))["status"] == "ready" and now["pods_reach_studio"] and now, seconds=150, what="the cluster to be ready"
    )
    assert (shown["in_cluster"], shown["findings"], shown["log_route"]) == (True, [], "proxy")
    assert shown["kubernetes_version"] == kube.version()["gitVersion"]
    nodes = {node["metadata"]["name"] for node in kube.list(kinds.NODE)}
    assert {node["name"] for node in shown["nodes"]} == nodes


def test_a_job_runs_on_it_and_an_output_that_is_refused_fails_it(inside: Inside) -> None:
    inside.client.computes.attach("local", cluster="here", namespace=inside.given, create_namespace=False)
    inside.until(lambda: inside.client.computes.get("local").status == "ready", what="the compute to be ready")
    assert inside.run("echo hello from the same cluster").status == "Completed"
    ended = inside.run("head -c 3000000 /dev/zero > outputs/big; echo small > outputs/small")
    assert [each["exit_code"] for each in ended.answer["processes"]] == [0]
    assert (ended.status, (ended.problem or {}).get("id")) == ("Failed", "job-outputs-not-stored"), ended.problem
    assert [file.path for file in inside.client.jobs.outputs(ended.name)] == ["outputs/small"]


def test_detaching_leaves_nothing_of_it_behind(inside: Inside, kube: KubeClient) -> None:
    """With all rights it makes a namespace of its own, too; at the end the cluster is compared with what it was before."""
    everything = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"mooring-all-{inside.home}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "studio", "namespace": inside.home}],
    }
    kube.create(kinds.CLUSTER_ROLE_BINDING, everything)
    try:
        made = f"mooring-test-{inside.home[5:13]}"
        inside.client.computes.attach("own", cluster="here", namespace=made, create_namespace=True)
        inside.until(lambda: inside.client.computes.get("own").status == "ready", what="the compute to be ready")
        inside.client.clusters.create_instance_type("here", f"test-{inside.home[5:13]}", TYPE)
        assert inside.run("echo kept > outputs/kept", compute="own").status == "Completed"
        # One is still running when the cluster is let go, and was left by the compute that it ran on.
        running = inside.client.jobs.create_from_text(JOB.format(image=inside.images["python"], compute="local", command="sleep 300")).name
        inside.until(lambda: inside.client.jobs.get(running).status == "Running", seconds=120, what="the job to run")
        inside.client.computes.detach("local", running="leave")
        inside.until(lambda: [one.name for one in inside.client.computes.list()] == ["own"], what="the compute to be gone")
        assert inside.client.jobs.get(running).status == "Running"
        identity = kube.get(kinds.NAMESPACE, made)["metadata"]["labels"][STUDIO]
        inside.client.clusters.detach("here")
        inside.until(lambda: not inside.client.clusters.list(), seconds=150, what="the cluster to be let go")
        assert inside.client.jobs.get(running).status == "Canceled"
        # Pods that drain, and a namespace on its way out, are the cluster's own work.
        inside.until(lambda: kube.find(kinds.NAMESPACE, made) is None and not kube.list(kinds.POD, inside.given), what="the cluster to tidy up")
        after = inventory(kube)
    finally:
        kube.delete(kinds.CLUSTER_ROLE_BINDING, everything["metadata"]["name"])
    assert {thing for thing, item in after.items() if speaks_of(item, identity)} == set()
    for thing, item in inside.before.items():
        if thing.namespace == inside.given or thing.name == inside.given:
            assert marks(after[thing]) == marks(item), thing
    fresh = {thing for thing in after if thing not in inside.before}
    assert {thing for thing in fresh if inside.given in (thing.namespace, thing.name)} == set()
    assert {thing for thing in fresh if thing.namespace == manifests.SYSTEM_NAMESPACE and "probe" not in thing.name} == set()


def cluster(inside: Inside) -> dict[str, Any]:
    return dict(inside.client.transport.json("GET", "clusters/here"))


def marks(item: dict[str, Any]) -> tuple[Any, ...]:
    """Return what the studio may write on things that others made."""
    metadata = item["metadata"]
    return metadata.get("labels"), metadata.get("annotations"), metadata.get("finalizers"), metadata.get("ownerReferences")
