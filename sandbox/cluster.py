"""Bring a cluster up, take it down, tell how it is: the order of things and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox import addons, binaries, charts, given, gobuild, kubectl, network, node, pki, process, simulated, versions
from sandbox.api_server import ApiServer
from sandbox.binaries import Binaries
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.images import catalogue
from sandbox.layout import FullLayout, Layout, SimulatedLayout, first_slot, free_slot
from sandbox.locks import held
from sandbox.places import ClusterPlace, cache_folder, read_json, state_folder, write_json, write_text
from sandbox.simulated import SimulatedNodes
from sandbox.versions import Version

STATE_VERSION = 1


@dataclass(frozen=True)
class Wish:
    """What a person asks ``up`` for; what is left out stays as it was, or becomes the default."""

    name: str = "main"
    version: str | None = None
    nodes: SimulatedNodes | None = None
    kubeconfig: str | None = None
    log_size: str = ""


@dataclass
class Record:
    """What is remembered of a cluster between commands."""

    name: str
    mode: str
    version: str = ""
    slot: int = 0
    images: dict[str, str] = field(default_factory=dict)
    extension: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, Any] | None = None
    given: str = ""
    addons: str = ""
    started: str = ""
    # At which size the kubelet rotates the log of a container; its own when empty.
    log_size: str = ""

    @classmethod
    def load(cls, place: ClusterPlace) -> Record | None:
        """Return what is in use under the name: a cluster that was given, else the one made here."""
        path = read_json(place.given).get("kubeconfig")
        return cls(place.name, "given", given=str(path)) if path else cls.load_own(place)

    @classmethod
    def load_own(cls, place: ClusterPlace) -> Record | None:
        """Return the cluster that was made here under the name."""
        found = read_json(place.record)
        known = {key: value for key, value in found.items() if key in cls.__dataclass_fields__}
        return cls(**known) if known.get("mode") else None

    def save(self, place: ClusterPlace) -> None:
        write_json(place.record, {**asdict(self), "state_version": STATE_VERSION})

    @property
    def layout(self) -> Layout:
        return FullLayout(self.slot) if self.mode == "full" else SimulatedLayout(self.slot)

    @property
    def node(self) -> str:
        return f"mooring-{self.name}"


def up(wish: Wish, console: Console) -> Record:
    """Bring a cluster up, or heal the one that is up; a second command at the same time waits its turn."""
    if wish.nodes:
        simulated.check(wish.nodes)
    place = ClusterPlace.of(wish.name)
    place.folder()
    place.root.chmod(0o755)
    with held(state_folder() / f"{wish.name}.lock", f"the cluster “{wish.name}”", console):
        record = _recorded(wish, place, console)
        if record.mode == "given":
            given.check(record.given, console)
            return record
        if process.is_running(place) and kubectl.is_ready(place, record.version):
            return _heal(place, record, wish, console)
        _start(place, record, console)
        _finish(place, record, wish, console)
        console.say(f"the cluster “{record.name}” is up: Kubernetes {record.version}, {record.mode}")
        return record


def down(name: str, console: Console, *, purge: bool) -> None:
    """Stop a cluster and take away every process, mount, interface, packet rule and control group of it."""
    place = ClusterPlace.of(name)
    with held(state_folder() / f"{name}.lock", f"the cluster “{name}”", console):
        place.given.unlink(missing_ok=True)
        record = Record.load_own(place)
        if record:
            with console.working(f"stopping the cluster “{name}”"):
                _clear(place, record)
                if isinstance(record.layout, FullLayout):
                    network.restore_forwarding(place, others_up=_others_up(name))
        if purge:
            node.remove_folder(place.root)
            for lock in state_folder().glob(f"{name}.*lock"):
                lock.unlink()  # its next holder sees that it has gone
            console.say(f"removed {place.root}")


def names() -> list[str]:
    """Return the clusters that this machine remembers."""
    folder = state_folder()
    return sorted(path.parent.name for path in folder.glob("*/cluster.json")) if folder.is_dir() else []


def _recorded(wish: Wish, place: ClusterPlace, console: Console) -> Record:
    """Return the cluster's record, made now when there is none; refuse to turn one kind into another."""
    found = Record.load_own(place)
    mode = _mode(wish, found)
    if mode == "given":
        # A cluster made here under the same name stays as it is, for the day when nothing is given any more.
        write_json(place.given, {"kubeconfig": str(wish.kubeconfig)})
        return Record(wish.name, mode, given=str(wish.kubeconfig))
    place.given.unlink(missing_ok=True)
    version = _version(wish.version, found, console)
    if found and found.mode == mode and Version.parse(found.version).minor_name == Version.parse(version).minor_name:
        found.nodes = asdict(wish.nodes) if wish.nodes else found.nodes
        found.log_size = wish.log_size or found.log_size
        if mode == "simulated" and not found.nodes:
            found.nodes = asdict(SimulatedNodes())
        found.save(place)
        return found
    if found:
        raise SandboxError(
            "cluster",
            f"“{wish.name}” is a {found.mode} cluster with Kubernetes {found.version}, not a {mode} one with {version}.",
            f"Remove it with “python -m sandbox down --name {wish.name} --purge”, or choose another --name.",
        )
    nodes = asdict(wish.nodes or SimulatedNodes()) if mode == "simulated" else None
    with held(state_folder() / "slots.lock", "the addresses of clusters", console):
        record = Record(wish.name, mode, version, _slot(wish.name), nodes=nodes, log_size=wish.log_size)
        record.save(place)
    return record


def _mode(wish: Wish, found: Record | None) -> str:
    if wish.nodes:
        return "simulated"
    if wish.kubeconfig and not given.is_own(wish.kubeconfig):
        return "given"
    if found:
        return found.mode
    return "full" if os.geteuid() == 0 and os.uname().sysname == "Linux" else "simulated"


def _version(text: str | None, found: Record | None, console: Console) -> str:
    if text is None and found:
        return found.version
    wanted = Version.parse(text or versions.DEFAULT_KUBERNETES)
    versions.check_supported(wanted)
    if wanted.patch >= 0:
        return str(wanted)
    if found and found.version and Version.parse(found.version).minor_name == wanted.minor_name:
        return found.version
    return versions.KUBERNETES.get(wanted.minor_name) or gobuild.newest_patch(wanted.minor_name, console)


def _slot(name: str) -> int:
    records = [Record.load_own(ClusterPlace.of(other)) for other in names() if other != name]
    taken = {record.slot for record in records if record}
    slot = free_slot(taken, network.routes(), first=first_slot(os.geteuid()), is_port_free=_is_port_free)
    if slot is None:
        raise SandboxError("network", "no block of addresses is free for another cluster.", "Remove one with “down --purge”.")
    return slot


def _is_port_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _start(place: ClusterPlace, record: Record, console: Console) -> None:
    """Clear what a crash has left, write every configuration, and start the supervisor."""
    if record.mode == "full":
        node.check_machine(console)
    found = _gather(record, console)
    _clear(place, record)
    layout = record.layout
    addresses = [layout.node_address, layout.api_service, *{layout.host_address, "127.0.0.1"} - {layout.node_address}]
    pki.make(place.pki, pki.leaves(record.node, addresses, layout.node_address))
    pki.demo_authority(place)
    for user in ("controller-manager", "scheduler", "proxy", "kubelet", "kwok"):
        text = pki.kubeconfig(place.pki, user, layout.server, cluster=record.name)
        write_text(place.etc / f"{user}.kubeconfig", text, 0o600)
    write_text(place.kubeconfig, pki.kubeconfig(place.pki, "admin", layout.server, cluster=record.name), 0o600)
    with console.working(f"starting Kubernetes {record.version} ({record.mode})"):
        if isinstance(layout, FullLayout):
            node.start(place, layout, Version.parse(record.version), found, record.node, log_size=record.log_size)
        else:
            simulated.start(place, layout, found)
        kubectl.wait_for_api(place, record.version)
    record.started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    record.save(place)


def _finish(place: ClusterPlace, record: Record, wish: Wish, console: Console) -> None:
    """Make what lives inside the cluster: nodes, add-ons, images."""
    tool = kubectl.Kubectl(place, record.version)
    layout = record.layout
    if not isinstance(layout, FullLayout):
        simulated.apply_nodes(ApiServer(place.kubeconfig), place.name, SimulatedNodes(**(record.nodes or {})), console)
        return
    found = _gather(record, console)
    made = catalogue.ensure_node_images(layout.registry, found, console)
    with console.working("waiting for the node"):
        tool.wait("node", record.node, "Ready", part="kubelet", seconds=120)
    wanted = _addons(place, layout, made)
    tool.apply(wanted)
    record.addons = _digest(wanted)
    make_images(record, place, console)
    with console.working("waiting for DNS, volumes and metrics"):
        for namespace, name in (
            ("kube-system", "coredns"),
            ("local-path-storage", "local-path-provisioner"),
            ("kube-system", "metrics-server"),
        ):
            tool.rollout(namespace, name)
        tool.wait("apiservice", "v1beta1.metrics.k8s.io", "Available", part="metrics-server", seconds=120)


def _heal(place: ClusterPlace, record: Record, wish: Wish, console: Console) -> Record:
    """Start at once what waits for its next start, and make again what is missing inside."""
    process.nudge(place)
    if record.mode == "simulated":
        if wish.nodes:
            simulated.apply_nodes(ApiServer(place.kubeconfig), place.name, wish.nodes, console)
    else:
        layout, found = FullLayout(record.slot), _gather(record, console)
        make_images(record, place, console)
        made = catalogue.ensure_node_images(layout.registry, found, console)
        is_current = record.addons == _digest(_addons(place, layout, made))
        if not is_current or not kubectl.has_addons(place, record.version):
            _finish(place, record, wish, console)
    console.say(f"the cluster “{record.name}” is already up")
    return record


def _addons(place: ClusterPlace, layout: FullLayout, images: dict[str, str]) -> list[addons.Manifest]:
    return (
        addons.coredns(images["coredns"], layout.dns_service, network.resolvers())
        + addons.local_path(images["local-path-provisioner"], images["busybox"], str(place.root / "volumes"))
        + addons.metrics_server(images["metrics-server"])
    )


def _digest(manifests: list[addons.Manifest]) -> str:
    return hashlib.sha256(json.dumps(manifests, sort_keys=True).encode()).hexdigest()


def _gather(record: Record, console: Console) -> Binaries:
    version = Version.parse(record.version)
    full = record.mode == "full"
    wanted = [binaries.kubernetes(version, node=full), *(binaries.FULL if full else binaries.SIMULATED)]
    (cache_folder() / "bin").mkdir(parents=True, exist_ok=True)
    return binaries.gather(wanted, console)


def _clear(place: ClusterPlace, record: Record) -> None:
    process.stop(place)
    if isinstance(record.layout, FullLayout):
        network.part(place, record.layout)
        node.remove_cgroups(place)


def _others_up(name: str) -> bool:
    return any(process.is_running(ClusterPlace.of(other)) for other in names() if other != name)


def make_images(record: Record, place: ClusterPlace, console: Console) -> dict[str, str]:
    """Make the images for jobs and for the extension that the registry lacks, and remember them; return all."""
    registry, found = FullLayout(record.slot).registry, _gather(record, console)
    record.images = catalogue.ensure_job_images(registry, found, console)
    record.extension = catalogue.ensure_extension_images(registry, found, console)
    record.save(place)
    charts.ensure(console)
    return {**record.images, **record.extension}


def make_studio_images(record: Record, console: Console) -> dict[str, str]:
    """Make the images of a studio in a cluster that the registry lacks; return all."""
    return catalogue.ensure_studio_images(FullLayout(record.slot).registry, _gather(record, console), console)
