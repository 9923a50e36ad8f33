"""What runs in a cluster: the command line of each component, as pure functions of the cluster's record."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sandbox.layout import FullLayout, Layout, SimulatedLayout
from sandbox.places import ClusterPlace


@dataclass(frozen=True)
class Component:
    """A long-running program: the supervisor starts it, restarts it and stops it."""

    name: str
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def etcd(place: ClusterPlace, layout: Layout, binary: Path) -> Component:
    client, peer = layout.port("etcd"), layout.port("etcd-peer")
    pki = place.pki
    return Component(
        "etcd",
        [
            str(binary), "--name=sandbox", f"--data-dir={place.root / 'etcd'}",
            f"--listen-client-urls=https://127.0.0.1:{client}", f"--advertise-client-urls=https://127.0.0.1:{client}",
            f"--listen-peer-urls=https://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=https://127.0.0.1:{peer}",
            f"--initial-cluster=sandbox=https://127.0.0.1:{peer}",
            f"--cert-file={pki / 'etcd.crt'}", f"--key-file={pki / 'etcd.key'}",
            f"--peer-cert-file={pki / 'etcd.crt'}", f"--peer-key-file={pki / 'etcd.key'}",
            f"--trusted-ca-file={pki / 'etcd-ca.crt'}", f"--peer-trusted-ca-file={pki / 'etcd-ca.crt'}",
            "--client-cert-auth", "--peer-client-cert-auth",
            # A sandbox may lose its last second on a power cut; it must not wait for a slow disk.
            "--unsafe-no-fsync", "--auto-compaction-retention=1h", "--quota-backend-bytes=4294967296",
            "--log-level=warn",
        ],
    )  # fmt: skip


def api_server(place: ClusterPlace, layout: Layout, binary: Path) -> Component:
    pki = place.pki
    argv = [
        str(binary),
        f"--etcd-servers=https://127.0.0.1:{layout.port('etcd')}", f"--etcd-cafile={pki / 'etcd-ca.crt'}",
        f"--etcd-certfile={pki / 'etcd.crt'}", f"--etcd-keyfile={pki / 'etcd.key'}",
        f"--bind-address={layout.api_listen}", f"--secure-port={layout.port('api')}",
        f"--service-cluster-ip-range={layout.services}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}", f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet.key'}",
        # The node's name resolves nowhere: without this every log and exec fails.
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki / 'accounts.pub'}",
        f"--service-account-signing-key-file={pki / 'accounts.key'}",
        f"--requestheader-client-ca-file={pki / 'front-ca.crt'}", "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki / 'front-proxy.crt'}", f"--proxy-client-key-file={pki / 'front-proxy.key'}",
        "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true", "--enable-aggregator-routing=true", "--profiling=false",
        f"--cert-dir={place.root / 'api'}",
    ]  # fmt: skip
    if isinstance(layout, SimulatedLayout):
        # Nothing runs in a simulated cluster, so nobody needs the address of "kubernetes.default".
        argv.append("--endpoint-reconciler-type=none")
    else:
        argv.append(f"--advertise-address={layout.node_address}")
    return Component("kube-apiserver", argv)


def controller_manager(place: ClusterPlace, layout: Layout, binary: Path) -> Component:
    config = place.etc / "controller-manager.kubeconfig"
    pki = place.pki
    return Component(
        "kube-controller-manager",
        [
            str(binary), f"--kubeconfig={config}", f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}", "--bind-address=127.0.0.1",
            f"--secure-port={layout.port('controllers')}", f"--cert-dir={place.root / 'controllers'}",
            # Without a second replica an election only means a restart whenever the machine is slow.
            "--leader-elect=false", "--use-service-account-credentials=true",
            f"--service-account-private-key-file={pki / 'accounts.key'}", f"--root-ca-file={pki / 'ca.crt'}",
            f"--cluster-signing-cert-file={pki / 'ca.crt'}", f"--cluster-signing-key-file={pki / 'ca.key'}",
            f"--requestheader-client-ca-file={pki / 'front-ca.crt'}", f"--client-ca-file={pki / 'ca.crt'}",
            f"--flex-volume-plugin-dir={place.root / 'plugins'}", "--profiling=false",
        ],
    )  # fmt: skip


def scheduler(place: ClusterPlace, layout: Layout, binary: Path) -> Component:
    config = place.etc / "scheduler.kubeconfig"
    return Component(
        "kube-scheduler",
        [
            str(binary), f"--kubeconfig={config}", f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}", "--bind-address=127.0.0.1",
            f"--secure-port={layout.port('scheduler')}", f"--cert-dir={place.root / 'scheduler'}",
            "--leader-elect=false", "--profiling=false",
        ],
    )  # fmt: skip


def kwok(place: ClusterPlace, layout: Layout, binary: Path) -> Component:
    return Component(
        "kwok",
        [
            str(binary), f"--kubeconfig={place.etc / 'kwok.kubeconfig'}", f"--config={place.etc / 'kwok.yaml'}",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake", f"--cidr={layout.pods}",
            "--node-lease-duration-seconds=40", f"--server-address=127.0.0.1:{layout.port('kwok')}",
            f"--node-ip={layout.node_address}", f"--node-port={layout.port('kwok')}",
        ],
        # The program keeps scratch files in its home.
        {"HOME": str(place.root)},
    )  # fmt: skip


def registry(place: ClusterPlace, binary: Path) -> Component:
    return Component(
        "registry",
        [str(binary), "serve", str(place.etc / "registry.yaml")],
        {"OTEL_TRACES_EXPORTER": "none"},
    )


def containerd(place: ClusterPlace, binary: Path, path: str) -> Component:
    return Component("containerd", [str(binary), f"--config={place.etc / 'containerd.toml'}"], {"PATH": path})


def kubelet(place: ClusterPlace, layout: FullLayout, binary: Path, node: str, path: str) -> Component:
    return Component(
        "kubelet",
        [
            str(binary), f"--config={place.etc / 'kubelet.yaml'}",
            f"--kubeconfig={place.etc / 'kubelet.kubeconfig'}", f"--root-dir={place.root / 'kubelet'}",
            f"--cert-dir={place.root / 'kubelet' / 'pki'}", f"--hostname-override={node}",
            f"--node-ip={layout.node_address}",
        ],
        {"PATH": path},
    )  # fmt: skip


def proxy(place: ClusterPlace, binary: Path, path: str) -> Component:
    return Component("kube-proxy", [str(binary), f"--config={place.etc / 'kube-proxy.yaml'}"], {"PATH": path})
