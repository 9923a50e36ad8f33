"""The full node: the developers' own cluster as it is, and one made and removed beside it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from sandbox import process, versions
from sandbox.node import CGROUPS, PARENT, SHARE, WEIGHTS
from sandbox.places import ClusterPlace
from tests.sandbox.conftest import Kubernetes, sandbox, sandbox_json, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

NAMESPACE = f"sandbox-test-{uuid.uuid4().hex[:8]}"  # the cluster outlives a run of the tests
PROBE = "probe"
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
PERSON = {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}}


@pytest.fixture(scope="module")
def kubernetes(main_cluster: dict[str, Any]) -> Any:
    found = Kubernetes(main_cluster)
    found.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        }
    )
    yield found
    found("delete", "namespace", NAMESPACE, "--wait=false")


def _pod(name: str, image: str, *command: str, claim: str | None = None) -> dict[str, Any]:
    container = {"name": "main", "image": image, "command": list(command), "securityContext": RESTRICTED}
    spec: dict[str, Any] = {"restartPolicy": "Never", "securityContext": PERSON, "containers": [container]}
    if claim:
        spec["volumes"] = [{"name": "volume", "persistentVolumeClaim": {"claimName": claim}}]
        container["volumeMounts"] = [{"name": "volume", "mountPath": "/volume"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


def _log_of(kubernetes: Kubernetes, pod: dict[str, Any]) -> str:
    """Run a pod to its end and return what it printed."""
    kubernetes.apply(pod)
    name = pod["metadata"]["name"]

    def phase() -> str | None:
        found: str = kubernetes.get("pod", name, "-n", NAMESPACE)["status"]["phase"]
        return found if found in ("Succeeded", "Failed") else None

    ended = until(phase, seconds=120, what=f"the end of pod {name}")
    log = kubernetes("logs", name, "-n", NAMESPACE)
    assert ended == "Succeeded", log
    return log


def test_the_status_names_everything_others_build_on(main_cluster: dict[str, Any]) -> None:
    assert main_cluster["state"] == "up"
    assert main_cluster["mode"] == "full"
    assert main_cluster["simulated"] is False
    assert set(main_cluster["images"]) >= {"python", "sklearn", "runner", "minimal"}
    assert set(main_cluster["extension"]["images"]) == {"envoy-gateway", "envoy"}
    assert Path(main_cluster["certificate_authority"]).exists()
    assert main_cluster["storage_class"] == "local-path"
    assert main_cluster["metrics"] is True
    assert main_cluster["network_policy_enforced"] is False
    assert all(Path(f"/proc/{one['pid']}").exists() for one in main_cluster["components"].values())
    assert os.stat(main_cluster["kubeconfig"]).st_mode & 0o777 == 0o600


def test_its_pods_get_more_of_a_busy_machine_than_one_process_would(main_cluster: dict[str, Any]) -> None:
    group = next(path for path in (CGROUPS / "cpu" / PARENT, CGROUPS / PARENT) if path.exists())
    given = {name: int((group / name).read_text()) / one for name, one in WEIGHTS.items() if (group / name).exists()}
    assert given and all(share == SHARE for share in given.values()), given


def test_up_of_a_cluster_that_is_up_changes_nothing(main_cluster: dict[str, Any]) -> None:
    again = sandbox_json("up")
    assert again["started"] == main_cluster["started"]
    pids = {name: one["pid"] for name, one in again["components"].items()}
    assert pids == {name: one["pid"] for name, one in main_cluster["components"].items()}


def test_a_job_image_has_what_the_sample_needs(kubernetes: Kubernetes, main_cluster: dict[str, Any]) -> None:
    command = (
        "bash",
        "-c",
        "id -u && python -c 'import sklearn, pandas, matplotlib, mlflow; print(sklearn.__version__)'",
    )
    said = _log_of(kubernetes, _pod("sklearn", main_cluster["images"]["sklearn"], *command)).split()
    assert said[0] == "1000"
    assert said[1][0].isdigit()


def test_the_minimal_image_has_a_shell_and_neither_bash_nor_tee_nor_python(kubernetes: Kubernetes, main_cluster: dict[str, Any]) -> None:
    command = ("sh", "-c", "for name in bash tee python python3; do command -v $name; done; echo end")
    assert _log_of(kubernetes, _pod("minimal", main_cluster["images"]["minimal"], *command)) == "end\n"


def test_the_runner_image_starts_as_an_unprivileged_user(kubernetes: Kubernetes, main_cluster: dict[str, Any]) -> None:
    command = ("sh", "-c", "python3 -c 'import runner' && test -x /usr/local/bin/mooring-entrypoint && echo ready")
    assert _log_of(kubernetes, _pod("runner", main_cluster["images"]["runner"], *command)) == "ready\n"


@pytest.mark.parametrize(("name", "words"), [("envoy-gateway", ("envoy-gateway", "version")), ("envoy", ("envoy", "--version"))])
def test_the_images_of_the_extension_start_by_name_as_an_unprivileged_user(
    kubernetes: Kubernetes, main_cluster: dict[str, Any], name: str, words: tuple[str, ...]
) -> None:
    pod = _pod(name, main_cluster["extension"]["images"][name], *words)
    pod["spec"]["securityContext"] = {**PERSON, "runAsUser": 65532, "runAsGroup": 65532}
    assert {"envoy-gateway": versions.ENVOY_GATEWAY, "envoy": versions.ENVOY}[name] in _log_of(kubernetes, pod)


def test_helm_renders_the_chart_that_the_status_names(main_cluster: dict[str, Any]) -> None:
    chart = Path(main_cluster["extension"]["charts"]) / f"gateway-helm-{versions.ENVOY_GATEWAY}.tgz"
    argv = [main_cluster["programs"]["helm"], "template", "one", str(chart), "--set", "crds.enabled=false"]
    argv += ["--set", f"global.images.envoyGateway.image={main_cluster['extension']['images']['envoy-gateway']}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"image: {main_cluster['extension']['images']['envoy-gateway']}" in done.stdout


def test_a_claim_gets_a_volume_that_a_pod_can_write_to(kubernetes: Kubernetes, main_cluster: dict[str, Any]) -> None:
    kubernetes.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "claim", "namespace": NAMESPACE},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
        }
    )
    command = ("sh", "-c", "echo kept > /volume/file && cat /volume/file")
    pod = _pod("volume", main_cluster["images"]["minimal"], *command, claim="claim")
    assert _log_of(kubernetes, pod) == "kept\n"
    assert kubernetes.get("pvc", "claim", "-n", NAMESPACE)["status"]["phase"] == "Bound"


def test_a_pod_finds_services_by_name_and_reaches_this_machine(kubernetes: Kubernetes, main_cluster: dict[str, Any]) -> None:
    registry = main_cluster["registry"]["address"]
    code = (
        "import socket, urllib.request\n"
        "print(socket.gethostbyname('kubernetes.default'))\n"
        f"print(urllib.request.urlopen('http://{registry}/v2/', timeout=10).status)\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", "0", "--bind", main_cluster["host_address"]],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split(" port ")[1].split()[0]
        code += f"print(urllib.request.urlopen('http://{main_cluster['host_address']}:{port}/', timeout=10).status)\n"
        said = _log_of(kubernetes, _pod("names", main_cluster["images"]["python"], "python", "-c", code)).split()
    finally:
        server.kill()
        server.wait()
    assert said[1:] == ["200", "200"]


def test_metrics_of_the_node_are_served(kubernetes: Kubernetes) -> None:
    found = json.loads(kubernetes("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"))
    assert found["items"][0]["usage"]["memory"]


def test_a_privileged_pod_is_refused_where_the_restricted_level_holds(kubernetes: Kubernetes, main_cluster: dict[str, Any]) -> None:
    pod = _pod("privileged", main_cluster["images"]["minimal"], "true")
    pod["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        kubernetes.apply(pod)


def test_the_registry_has_every_image_that_the_status_names(main_cluster: dict[str, Any]) -> None:
    connection = http.client.HTTPConnection(main_cluster["registry"]["address"], timeout=10)
    for name, reference in {**main_cluster["images"], **main_cluster["extension"]["images"]}.items():
        tag = reference.rsplit(":", 1)[1]
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        connection.request("HEAD", f"/v2/{name}/manifests/{tag}", headers=accept)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, name
    connection.close()


def test_an_image_can_be_carried_into_a_closed_network(main_cluster: dict[str, Any], tmp_path: Path) -> None:
    sandbox("images", "--export", str(tmp_path))
    place = ClusterPlace.of("main")
    inner = process.inner_pid(place)
    ctr = Path(f"/proc/{main_cluster['components']['containerd']['pid']}/exe").resolve().parent / "ctr"
    done = subprocess.run(
        ["nsenter", "-t", str(inner), "-m", str(ctr), "-n", "import-test", "images", "import",
         str(tmp_path / "minimal.oci.tar")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert main_cluster["images"]["minimal"] in done.stdout


def _command_lines() -> list[str]:
    """The command line of every process, whole: ``ps`` cuts them at the width in COLUMNS where that is set."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
        except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
            continue
    return sorted(found)


def _footprint() -> dict[str, list[str]]:
    """Everything that a cluster may leave on a machine, without what belongs to the developers' own one."""

    def lines(*argv: str) -> list[str]:
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        return sorted(line for line in done.stdout.splitlines() if not line.startswith(("#", ":")))

    folder = str(ClusterPlace.of(PROBE).root)
    return {
        "processes": [line for line in _command_lines() if folder in line],
        "mounts": sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "interfaces": [line.split()[0] for line in lines("ip", "-br", "link")],
        "routes": lines("ip", "route"),
        "rules": [line.partition("] ")[2] or line for line in lines("iptables-save")],
        "groups": sorted(str(path) for path in CGROUPS.glob(f"*/{PARENT}/{PROBE}")),
    }


@pytest.fixture
def probe_gone() -> Any:
    sandbox("down", "--name", PROBE, "--purge")
    yield
    sandbox("down", "--name", PROBE, "--purge")


def test_down_leaves_nothing_and_up_again_finds_what_was_there(main_cluster: dict[str, Any], probe_gone: None) -> None:
    before = _footprint()
    first = Kubernetes(sandbox_json("up", "--name", PROBE))
    first("create", "configmap", "kept", "--from-literal=a=b")
    during = _footprint()
    assert during["processes"]
    assert during["groups"]
    sandbox("down", "--name", PROBE)
    assert _footprint() == before
    second = Kubernetes(sandbox_json("up", "--name", PROBE))
    assert second.get("configmap", "kept")["data"] == {"a": "b"}
    # A crash: everything is killed at once, nothing is asked to stop.
    place = ClusterPlace.of(PROBE)
    inner = process.inner_pid(place)
    assert inner is not None
    os.kill(inner, signal.SIGKILL)
    until(lambda: not process.is_running(place), what="the end of the node")
    third = sandbox_json("up", "--name", PROBE)
    assert third["state"] == "up"
    assert Kubernetes(third).get("configmap", "kept")["data"] == {"a": "b"}
    sandbox("down", "--name", PROBE, "--purge")
    assert _footprint() == before
    assert not place.root.exists()
