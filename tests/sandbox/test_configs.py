from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import yaml

from sandbox import components, configs, stages
from sandbox.layout import FullLayout, SimulatedLayout
from sandbox.places import ClusterPlace
from sandbox.versions import Version


def test_the_kubelet_is_told_what_this_machine_needs(place: ClusterPlace) -> None:
    config = yaml.safe_load(configs.kubelet(place, FullLayout(0), Version(1, 36, 3), "/mooring-sandbox/one"))
    assert config["failCgroupV1"] is False
    assert config["cgroupRoot"] == "/mooring-sandbox/one"
    assert config["enforceNodeAllocatable"] == []
    assert config["localStorageCapacityIsolation"] is True
    assert config["imagePullCredentialsVerificationPolicy"] == "NeverVerify"


def test_an_older_kubelet_is_told_nothing_that_it_does_not_know(place: ClusterPlace) -> None:
    config = yaml.safe_load(configs.kubelet(place, FullLayout(0), Version(1, 30, 0), "/mooring-sandbox/one"))
    assert "failCgroupV1" not in config
    # Known from 1.33 on, and refused as long as its feature is off: a full node of 1.34 did not start.
    for minor in (30, 33, 34):
        config = yaml.safe_load(configs.kubelet(place, FullLayout(0), Version(1, minor, 4), "/mooring-sandbox/one"))
        assert "imagePullCredentialsVerificationPolicy" not in config


@pytest.mark.parametrize(
    ("major", "images", "runtime"),
    [
        (1, "io.containerd.grpc.v1.cri", "io.containerd.grpc.v1.cri"),
        (2, "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"),
    ],
)
def test_containerd_is_configured_in_the_form_of_its_version(place: ClusterPlace, major: int, images: str, runtime: str) -> None:
    text = configs.containerd(place, major=major, runc=Path("/r/runc"), cni=Path("/c"), pause="mooring.local/pause:1")
    config = tomllib.loads(text)
    assert config["version"] == major + 1
    assert config["plugins"][runtime]["restrict_oom_score_adj"] is True
    assert config["plugins"][runtime]["containerd"]["runtimes"]["runc"]["options"]["BinaryName"] == "/r/runc"
    pause = config["plugins"][images]
    assert (pause["sandbox_image"] if major == 1 else pause["pinned_images"]["sandbox"]) == "mooring.local/pause:1"


def test_the_bridge_has_the_packet_size_of_the_way_out(place: ClusterPlace) -> None:
    bridge, ports = json.loads(configs.cni(place, FullLayout(2), 1400))["plugins"]
    assert bridge["mtu"] == 1400
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.132.64.0/18"}]]
    assert ports["type"] == "portmap"


def test_pulls_of_the_local_name_go_to_the_local_registry() -> None:
    hosts = tomllib.loads(configs.registry_hosts(FullLayout(0)))
    assert hosts["server"] == "http://10.130.0.2:5000"


def test_a_simulated_api_server_listens_on_the_loopback_address_only(place: ClusterPlace) -> None:
    argv = components.api_server(place, SimulatedLayout(1), Path("/b/kube-apiserver")).argv
    assert "--bind-address=127.0.0.1" in argv
    assert "--secure-port=26010" in argv


def test_the_api_server_reaches_kubelets_by_address_and_checks_their_certificate(place: ClusterPlace) -> None:
    argv = components.api_server(place, FullLayout(0), Path("/b/kube-apiserver")).argv
    assert "--kubelet-preferred-address-types=InternalIP" in argv
    assert f"--kubelet-certificate-authority={place.pki / 'ca.crt'}" in argv


def test_the_database_asks_for_a_certificate(place: ClusterPlace) -> None:
    argv = components.etcd(place, FullLayout(0), Path("/b/etcd")).argv
    assert "--client-cert-auth" in argv
    assert not any("http://" in word for word in argv)


def test_every_simulated_end_of_a_pod_says_that_nothing_ran() -> None:
    by_name = {stage["metadata"]["name"]: stage for stage in yaml.safe_load_all(stages.render())}
    assert "simulated: no container ran" in by_name["pod-succeeded"]["spec"]["next"]["statusTemplate"]
    assert by_name["pod-deleted"]["spec"]["next"] == {"delete": True}


def test_the_kubelet_rotates_logs_at_a_size_that_is_asked_for_and_else_at_its_own(place: ClusterPlace) -> None:
    def told(minor: int, **options: str) -> dict[str, str]:
        config = yaml.safe_load(configs.kubelet(place, FullLayout(0), Version(1, minor, 1), "/x", **options))
        return {key: value for key, value in config.items() if key.startswith("containerLog")}

    assert told(36) == {}
    assert told(36, log_size="1Mi") == {"containerLogMaxSize": "1Mi", "containerLogMonitorInterval": "3s"}
    # Known from 1.30 on.
    assert told(29, log_size="1Mi") == {"containerLogMaxSize": "1Mi"}
