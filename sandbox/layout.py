"""Addresses and ports of a cluster: pure arithmetic on its slot, so that clusters stand side by side."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

SLOTS = 40
FIRST_OCTET = 130
FIRST_PORT = 26000
PORTS_PER_SLOT = 10


@dataclass(frozen=True)
class FullLayout:
    """A full node in a network namespace of its own, joined to the host by one pair of virtual interfaces."""

    slot: int

    @property
    def _prefix(self) -> str:
        return f"10.{FIRST_OCTET + self.slot}"

    @property
    def block(self) -> str:
        return f"{self._prefix}.0.0/16"

    @property
    def host_address(self) -> str:
        return f"{self._prefix}.0.1"

    @property
    def node_address(self) -> str:
        return f"{self._prefix}.0.2"

    @property
    def pods(self) -> str:
        return f"{self._prefix}.64.0/18"

    @property
    def services(self) -> str:
        return f"{self._prefix}.128.0/18"

    @property
    def api_service(self) -> str:
        return f"{self._prefix}.128.1"

    @property
    def dns_service(self) -> str:
        return f"{self._prefix}.128.10"

    @property
    def host_interface(self) -> str:
        return f"mooring{self.slot}"

    @property
    def api_listen(self) -> str:
        return "0.0.0.0"  # the namespace's own addresses only

    @property
    def server(self) -> str:
        return f"https://{self.node_address}:6443"

    @property
    def registry(self) -> str:
        return f"{self.node_address}:5000"

    def port(self, component: str) -> int:
        """Return a component's port: the usual one, because no other cluster shares the namespace."""
        return {"api": 6443, "etcd": 2379, "etcd-peer": 2380, "controllers": 10257, "scheduler": 10259}[component]


@dataclass(frozen=True)
class SimulatedLayout:
    """A control plane on the loopback address, with ports of its own."""

    slot: int

    @property
    def host_address(self) -> str:
        return "127.0.0.1"

    @property
    def node_address(self) -> str:
        return "127.0.0.1"

    @property
    def services(self) -> str:
        return f"10.{FIRST_OCTET + self.slot}.128.0/18"

    @property
    def pods(self) -> str:
        return f"10.{FIRST_OCTET + self.slot}.64.0/18"

    @property
    def api_service(self) -> str:
        return f"10.{FIRST_OCTET + self.slot}.128.1"

    @property
    def api_listen(self) -> str:
        return "127.0.0.1"

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.port('api')}"

    def port(self, component: str) -> int:
        """Return a component's port on the loopback address."""
        order = ("api", "etcd", "etcd-peer", "controllers", "scheduler", "kwok")
        return FIRST_PORT + self.slot * PORTS_PER_SLOT + order.index(component)


Layout = FullLayout | SimulatedLayout


def first_slot(user: int) -> int:
    """Return where the search for a slot begins: each user has clusters of their own, and they must not meet while they start."""
    half = SLOTS // 2
    return half + user % half if user else 0


def free_slot(taken: set[int], networks: list[str], *, first: int = 0, is_port_free: object = None) -> int | None:
    """Return the first slot that no cluster has and whose addresses no route of this machine covers.

    ``networks`` are the machine's routes as CIDR blocks; ``is_port_free`` is asked for each port of a slot when given.
    """
    routed = [ipaddress.ip_network(network, strict=False) for network in networks]
    for step in range(SLOTS):
        slot = (first + step) % SLOTS
        block = ipaddress.ip_network(FullLayout(slot).block)
        if slot in taken or any(block.overlaps(network) for network in routed if network.version == 4):
            continue
        ports = range(FIRST_PORT + slot * PORTS_PER_SLOT, FIRST_PORT + (slot + 1) * PORTS_PER_SLOT)
        if callable(is_port_free) and not all(is_port_free(port) for port in ports):
            continue
        return slot
    return None
