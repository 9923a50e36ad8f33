"""Join a node's network namespace to this machine, and take the joint away again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.layout import FullLayout
from sandbox.places import ClusterPlace, write_text
from sandbox.shell import run, succeeds

TODO = "Install iproute2 and iptables, and run the command as root."
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def routes() -> list[str]:
    """Return the networks that this machine has routes to, without the default route."""
    if not shutil.which("ip"):
        return []
    found = json.loads(run(["ip", "-j", "-4", "route"], part="network", todo=TODO) or "[]")
    return [route["dst"] for route in found if route["dst"] != "default"]


def mtu() -> int:
    """Return the size of the largest packet on the way out: larger ones from a pod would be lost silently."""
    for route in json.loads(run(["ip", "-j", "-4", "route", "show", "default"], part="network", todo=TODO) or "[]"):
        size = Path("/sys/class/net") / str(route.get("dev")) / "mtu"
        if size.exists():
            return int(size.read_text())
    return 1500


def resolvers() -> list[str]:
    """Return the machine's name servers that a namespace of its own can reach."""
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        if not path.exists():
            continue
        words = [line.split() for line in path.read_text().splitlines()]
        found = [word[1] for word in words if len(word) > 1 and word[0] == "nameserver"]
        usable = [address for address in found if not address.startswith("127.") and address != "::1"]
        if usable:
            return usable
    return []


def rules(layout: FullLayout, name: str) -> list[list[str]]:
    """Return this machine's only packet rules for the cluster: the way out, and leave to be forwarded."""
    interface, note = layout.host_interface, ["-m", "comment", "--comment", f"mooring-sandbox {name}"]
    return [
        ["nat", "POSTROUTING", "-s", layout.block, "!", "-o", interface, *note, "-j", "MASQUERADE"],
        ["filter", "FORWARD", "-i", interface, *note, "-j", "ACCEPT"],
        ["filter", "FORWARD", "-o", interface, *note, "-j", "ACCEPT"],
    ]


def join(place: ClusterPlace, layout: FullLayout, pid: int, token: str, size: int) -> None:
    """Make the pair of interfaces, give both ends their addresses, and let the node out."""
    interface = layout.host_interface
    _drop(interface)
    inside = ["nsenter", "-t", str(pid), "-n", "ip"]
    peer = f"{interface}n"
    for argv in (
        ["ip", "link", "add", interface, "mtu", str(size), "type", "veth", "peer", "name", peer, "mtu", str(size)],
        ["ip", "link", "set", peer, "netns", str(pid)],
        ["ip", "address", "add", f"{layout.host_address}/24", "dev", interface],
        ["ip", "link", "set", interface, "up"],
        [*inside, "link", "set", "lo", "up"],
        [*inside, "link", "set", peer, "name", "eth0"],
        [*inside, "address", "add", f"{layout.node_address}/24", "dev", "eth0"],
        [*inside, "link", "set", "eth0", "up"],
        [*inside, "route", "add", "default", "via", layout.host_address],
        ["ip", "route", "replace", layout.pods, "via", layout.node_address],
        ["ip", "route", "replace", layout.services, "via", layout.node_address],
    ):
        run(argv, part="network", todo=TODO)
    _allow_forwarding(place)
    for table, chain, *rule in rules(layout, place.name):
        if not succeeds(["iptables", "-w", "-t", table, "-C", chain, *rule]):
            run(["iptables", "-w", "-t", table, "-I", chain, *rule], part="network", todo=TODO)
    write_text(place.network_ready, token)


def part(place: ClusterPlace, layout: FullLayout) -> None:
    """Remove what ``join`` made on this machine's side; what is already gone is fine."""
    place.network_ready.unlink(missing_ok=True)
    _drop(layout.host_interface)
    for table, chain, *rule in rules(layout, place.name):
        while succeeds(["iptables", "-w", "-t", table, "-C", chain, *rule]):
            run(["iptables", "-w", "-t", table, "-D", chain, *rule], part="network", todo=TODO)


def _drop(interface: str) -> None:
    """Remove an interface; the kernel takes it itself, a moment after the node at its other end has gone."""
    while succeeds(["ip", "link", "show", interface]):
        try:
            run(["ip", "link", "delete", interface], part="network", todo=TODO)
        except SandboxError:
            if succeeds(["ip", "link", "show", interface]):
                raise


def _allow_forwarding(place: ClusterPlace) -> None:
    if FORWARDING.read_text().strip() == "1":
        return
    try:
        FORWARDING.write_text("1")
    except OSError as error:
        raise SandboxError("network", f"packets cannot be forwarded here: {error.strerror}.", "Set net.ipv4.ip_forward to 1.") from error
    (place.root / "forwarding-was-off").touch()


def restore_forwarding(place: ClusterPlace, *, others_up: bool) -> None:
    """Turn forwarding off again where a cluster turned it on and no other needs it."""
    mark = place.root / "forwarding-was-off"
    if not mark.exists():
        return
    if others_up:
        others = [path for path in place.root.parent.iterdir() if path.is_dir() and path != place.root]
        (others[0] / "forwarding-was-off").touch()
    else:
        FORWARDING.write_text("0")
    mark.unlink()
