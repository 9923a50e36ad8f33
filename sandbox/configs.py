"""Configuration files of the node's components, as pure functions returning text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from sandbox.layout import FullLayout
from sandbox.places import ClusterPlace
from sandbox.versions import Version

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
REGISTRY_NAME = "mooring.local"


def kubelet(place: ClusterPlace, layout: FullLayout, version: Version, cgroup: str, *, log_size: str = "") -> str:
    """Return a KubeletConfiguration that works with cgroup v1 and v2 and touches nothing outside the cluster.

    With `log_size` a container's log is rotated at that size instead of the kubelet's own 10Mi, and looked at as often as it may be.
    """
    config: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(place.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(place.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(place.pki / "kubelet.key"),
        "address": "0.0.0.0",
        "readOnlyPort": 0,
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "clusterDomain": "cluster.local",
        "clusterDNS": [layout.dns_service],
        "resolvConf": str(place.etc / "resolv.conf"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "localStorageCapacityIsolation": True,
        "podLogsDir": str(place.root / "pods"),
        "volumePluginDir": str(place.root / "plugins"),
        "serializeImagePulls": False,
        "maxPods": 250,
        # The node shares its disk with everything else on the machine: collecting images would only make
        # the next job pull again, and the usual thresholds would evict pods on a disk that is merely well filled.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "nodeStatusUpdateFrequency": "5s",
        "shutdownGracePeriod": "0s",
    }
    if (version.major, version.minor) >= (1, 31):
        config["failCgroupV1"] = False
    if (version.major, version.minor) >= (1, 35):
        # Otherwise an imported image whose id was once pulled is refused under the policy Never. Off by default before, and
        # then the kubelet refuses the field (KEP-2535).
        config["imagePullCredentialsVerificationPolicy"] = "NeverVerify"
    if log_size:
        config["containerLogMaxSize"] = log_size
        if (version.major, version.minor) >= (1, 30):
            config["containerLogMonitorInterval"] = "3s"
    return yaml.safe_dump(config, sort_keys=False)


def kube_proxy(place: ClusterPlace, layout: FullLayout, node: str) -> str:
    """Return a KubeProxyConfiguration in iptables mode that leaves the machine's connection limits alone."""
    return yaml.safe_dump(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clientConnection": {"kubeconfig": str(place.etc / "proxy.kubeconfig")},
            "clusterCIDR": layout.pods,
            "hostnameOverride": node,
            "metricsBindAddress": "127.0.0.1:10249",
            "healthzBindAddress": "127.0.0.1:10256",
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        },
        sort_keys=False,
    )


def containerd(place: ClusterPlace, *, major: int, runc: Path, cni: Path, pause: str) -> str:
    """Return containerd's configuration in the form that its major version reads."""
    images = "io.containerd.cri.v1.images" if major >= 2 else "io.containerd.grpc.v1.cri"
    runtime = "io.containerd.cri.v1.runtime" if major >= 2 else "io.containerd.grpc.v1.cri"
    pinned = (
        f'[plugins."{images}".pinned_images]\n  sandbox = "{pause}"' if major >= 2 else f'[plugins."{images}"]\n  sandbox_image = "{pause}"'
    )
    head = f'[plugins."{runtime}"]\n' if major >= 2 else ""
    directories = f'bin_dirs = ["{cni}"]' if major >= 2 else f'bin_dir = "{cni}"'
    return f"""version = {3 if major >= 2 else 2}
root = "{place.root / "containerd"}"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{CONTAINERD_SOCKET}"

{pinned}
{head}  # Without the capability to lower a score, every pod would fail with "can't get final child's PID".
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

[plugins."{runtime}".containerd]
  default_runtime_name = "runc"
{'  snapshotter = "overlayfs"' if major < 2 else ""}
[plugins."{runtime}".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."{runtime}".containerd.runtimes.runc.options]
  BinaryName = "{runc}"
  SystemdCgroup = false
[plugins."{runtime}".cni]
  {directories}
  conf_dir = "{place.etc / "cni"}"
[plugins."{images}".registry]
  config_path = "{place.etc / "certs.d"}"
"""


def registry_hosts(layout: FullLayout) -> str:
    """Return the hosts.toml that sends pulls of the local name to the local registry, without TLS."""
    return f'server = "http://{layout.registry}"\n\n[host."http://{layout.registry}"]\n  capabilities = ["pull", "resolve"]\n'


def registry(layout: FullLayout, storage: Path) -> str:
    """Return the registry's configuration; its storage lies in the cache and outlives the cluster."""
    return yaml.safe_dump(
        {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
            "http": {"addr": layout.registry},
        }
    )


def cni(place: ClusterPlace, layout: FullLayout, mtu: int) -> str:
    """Return the CNI plugins in their order: a bridge with the pods' addresses, then host ports."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "mtu": mtu,
        "ipam": {
            "type": "host-local",
            "dataDir": "/run/cni",
            "ranges": [[{"subnet": layout.pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "0.4.0", "name": "mooring", "plugins": [bridge, ports]}, indent=1)
