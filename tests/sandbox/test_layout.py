from __future__ import annotations

import ipaddress
from itertools import combinations

from sandbox.layout import SLOTS, FullLayout, SimulatedLayout, first_slot, free_slot


def test_no_two_clusters_share_an_address() -> None:
    blocks = [ipaddress.ip_network(FullLayout(slot).block) for slot in range(SLOTS)]
    assert not any(one.overlaps(other) for one, other in combinations(blocks, 2))


def test_no_two_simulated_clusters_share_a_port() -> None:
    components = ("api", "etcd", "etcd-peer", "controllers", "scheduler", "kwok")
    ports = [SimulatedLayout(slot).port(component) for slot in range(SLOTS) for component in components]
    assert len(ports) == len(set(ports))


def test_the_parts_of_a_full_layout_lie_in_its_block_and_apart() -> None:
    layout = FullLayout(3)
    block, pods, services = (ipaddress.ip_network(n) for n in (layout.block, layout.pods, layout.services))
    assert pods.subnet_of(block)
    assert services.subnet_of(block)
    assert not pods.overlaps(services)
    assert ipaddress.ip_address(layout.dns_service) in services
    assert ipaddress.ip_address(layout.host_address) not in pods


def test_the_name_of_an_interface_is_short_enough_for_the_kernel() -> None:
    assert all(len(FullLayout(slot).host_interface) + 1 <= 15 for slot in range(SLOTS))


def test_it_takes_the_lowest_free_slot() -> None:
    assert free_slot({0, 1, 3}, []) == 2


def test_it_passes_over_a_slot_whose_addresses_are_routed_elsewhere() -> None:
    assert free_slot(set(), ["10.130.0.0/24", "10.131.0.0/16"]) == 2


def test_it_passes_over_a_slot_with_a_port_in_use() -> None:
    assert free_slot(set(), [], is_port_free=lambda port: port != 26003) == 1


def test_it_finds_no_slot_when_everything_is_routed() -> None:
    assert free_slot(set(), ["10.0.0.0/8"]) is None


def test_somebody_elses_clusters_begin_where_roots_do_not_come() -> None:
    assert first_slot(0) == 0
    assert {first_slot(user) for user in range(1000, 1100)} == set(range(SLOTS // 2, SLOTS))


def test_the_search_goes_once_around() -> None:
    assert free_slot({SLOTS - 1}, [], first=SLOTS - 1) == 0
    assert free_slot(set(range(SLOTS)), [], first=5) is None
