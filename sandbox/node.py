"""The full node: its configuration files, its namespaces and control groups."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from sandbox import components, configs, debian, network, process
from sandbox.binaries import Binaries
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.images import catalogue
from sandbox.layout import FullLayout
from sandbox.places import ClusterPlace, cache_folder, write_json, write_text
from sandbox.versions import Version

CGROUPS = Path("/sys/fs/cgroup")
PARENT = "mooring-sandbox"
# All pods are in this group, and a group has the share of one process (of one session, where sessions are groups) unless it is
# given more: beside ten busy ones of the machine they would have a fifth of a processor together, and a model would not answer
# for seconds.
SHARE = 4
WEIGHTS = {"cpu.shares": 1024, "cpu.weight": 100}  # the share of one process, in versions 1 and 2


def check_machine(console: Console) -> None:
    """Install the tools a node needs; say what this machine's kernel lacks."""
    debian.ensure_tools(debian.TOOLS, console)
    lacking = [name for name in ("overlay",) if f"\t{name}\n" not in Path("/proc/filesystems").read_text()]
    lacking = [name for name in lacking if subprocess.run(["modprobe", name], capture_output=True, check=False).returncode != 0]
    if lacking:
        raise SandboxError(
            "machine",
            f"this kernel has no {', '.join(lacking)}.",
            "Use “up --simulated 3” for a cluster without containers, or another machine.",
        )
    if not CGROUPS.is_dir() or not _hierarchies():
        raise SandboxError(
            "machine",
            "there are no control groups at /sys/fs/cgroup.",
            "Mount them, or use “up --simulated 3” for a cluster without containers.",
        )


def start(place: ClusterPlace, layout: FullLayout, version: Version, found: Binaries, name: str, *, log_size: str = "") -> None:
    """Write the node's configuration, start its supervisor in namespaces of its own, and join it to the network."""
    size = network.mtu()
    _write_configs(place, layout, found, name, size)
    write_text(place.etc / "kubelet.yaml", configs.kubelet(place, layout, version, f"/{PARENT}/{place.name}", log_size=log_size))
    for hierarchy in _hierarchies():
        _make_cgroup(hierarchy, place)
    path = ":".join(dict.fromkeys([str(found["containerd"].parent), str(found["runc"].parent), *_usual_path()]))
    plan = {
        "node": True,
        # What programs write to fixed places on a machine stays in the cluster's folder.
        "binds": {
            "/var/log/containers": str(place.root / "containers"),
            "/var/lib/cni": str(place.root / "cni"),
            "/var/lib/kubelet": str(place.root / "kubelet-fixed"),
        },
        "components": [
            component.as_dict()
            for component in (
                components.etcd(place, layout, found["etcd"]),
                components.api_server(place, layout, found["kube-apiserver"]),
                components.registry(place, found["docker-registry"]),
                components.containerd(place, found["containerd"], path),
                components.controller_manager(place, layout, found["kube-controller-manager"]),
                components.scheduler(place, layout, found["kube-scheduler"]),
                components.proxy(place, found["kube-proxy"], path),
                components.kubelet(place, layout, found["kubelet"], name, path),
            )
        ],
    }
    write_json(place.plan, plan)
    pid, token = process.start(place, namespaces=True)
    network.join(place, layout, pid, token, size)


def _write_configs(place: ClusterPlace, layout: FullLayout, found: Binaries, name: str, size: int) -> None:
    write_text(place.etc / "kube-proxy.yaml", configs.kube_proxy(place, layout, name))
    write_text(place.etc / "resolv.conf", "".join(f"nameserver {address}\n" for address in network.resolvers()))
    write_text(place.etc / "cni" / "10-mooring.conflist", configs.cni(place, layout, size))
    storage = cache_folder() / "registry"
    storage.mkdir(parents=True, exist_ok=True)
    write_text(place.etc / "registry.yaml", configs.registry(layout, storage))
    for host in (configs.REGISTRY_NAME, layout.registry):
        write_text(place.etc / "certs.d" / host / "hosts.toml", configs.registry_hosts(layout))
    config = configs.containerd(
        place,
        major=_containerd_major(found["containerd"]),
        runc=found["runc"],
        cni=found["bridge"].parent,
        pause=catalogue.pause_reference(),
    )
    write_text(place.etc / "containerd.toml", config)


def _containerd_major(binary: Path) -> int:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r" v?(\d+)\.\d+", said)
    return int(found[1]) if found else 1


def _usual_path() -> list[str]:
    return ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]


def _hierarchies() -> list[Path]:
    """Return the mounted control group hierarchies: one with version 2, one a controller with version 1."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in sorted(CGROUPS.iterdir()) if (path / "cgroup.procs").exists() and not path.is_symlink()]


def _make_cgroup(hierarchy: Path, place: ClusterPlace) -> None:
    folder = hierarchy / PARENT / place.name
    folder.mkdir(parents=True, exist_ok=True)
    if (hierarchy / "cgroup.controllers").exists() and hierarchy == CGROUPS:
        wanted = " ".join(f"+{name}" for name in (hierarchy / "cgroup.controllers").read_text().split())
        for level in (hierarchy, hierarchy / PARENT):
            (level / "cgroup.subtree_control").write_text(wanted)
    for name, weight in WEIGHTS.items():
        for level in (hierarchy / PARENT, folder):
            if (level / name).exists():
                (level / name).write_text(str(SHARE * weight))
    for name in ("cpuset.cpus", "cpuset.mems"):
        # In version 1 a new group of this controller takes no process until it has been given processors.
        if hierarchy.name == "cpuset" and (folder / name).exists():
            for level in (hierarchy / PARENT, folder):
                if not (level / name).read_text().strip():
                    (level / name).write_text((hierarchy / name).read_text())


def remove_cgroups(place: ClusterPlace) -> None:
    """Remove the cluster's control groups; their processes have ended before."""
    for hierarchy in _hierarchies():
        top = hierarchy / PARENT / place.name
        deadline = time.monotonic() + 10
        while top.exists() and time.monotonic() < deadline:
            for folder, _, _ in os.walk(top, topdown=False):
                _remove_group(Path(folder))
            if top.exists():
                time.sleep(0.1)
        _remove_group(hierarchy / PARENT)


def _remove_group(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        pass  # still holds another cluster, or a process that is just ending: the caller tries again


def remove_folder(root: Path) -> None:
    """Remove a cluster's folder with everything in it."""
    if not root.exists():
        return
    shutil.rmtree(root)
