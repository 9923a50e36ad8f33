from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import cluster
from sandbox.cluster import Wish
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.simulated import GPU, SIMULATED_LABEL, SimulatedNodes, check, node_manifests


def test_every_simulated_node_says_so() -> None:
    nodes = node_manifests(SimulatedNodes(50), "edge")
    assert len(nodes) == 50
    assert all(node["metadata"]["labels"][SIMULATED_LABEL] == "true" for node in nodes)


def test_the_last_nodes_have_the_gpus() -> None:
    nodes = node_manifests(SimulatedNodes(4, gpu_nodes=1, gpus_each=8), "edge")
    assert [node["status"]["capacity"].get(GPU) for node in nodes] == [None, None, None, "8"]


def test_nodes_have_the_labels_and_the_capacity_asked_for() -> None:
    wish = SimulatedNodes(1, labels={"zone": "north"}, capacity={"cpu": "96"})
    (node,) = node_manifests(wish, "edge")
    assert node["metadata"]["labels"]["zone"] == "north"
    assert node["status"]["allocatable"]["cpu"] == "96"
    assert node["status"]["allocatable"]["memory"] == "64Gi"


@pytest.mark.parametrize(
    "nodes",
    [
        SimulatedNodes(2, gpu_nodes=3),
        SimulatedNodes(labels={"zone name": "north"}),
        SimulatedNodes(labels={"zone": "north-"}),
        SimulatedNodes(labels={"Example.com/zone": "north"}),
        SimulatedNodes(labels={"zone": "n" * 64}),
        SimulatedNodes(capacity={"cpu": "many"}),
        SimulatedNodes(capacity={"memory": "64 Gi"}),
    ],
)
def test_nodes_that_no_cluster_would_take_are_refused_before_anything_starts(nodes: SimulatedNodes, state: Path, console: Console) -> None:
    with pytest.raises(SandboxError, match=r"more than|is no label|is no amount"):
        cluster.up(Wish("one", nodes=nodes), console)
    assert cluster.names() == [] and not state.exists()


def test_nodes_that_a_cluster_takes_are_not_refused() -> None:
    labels = {"zone": "north", "topology.kubernetes.io/zone": "a_1", "empty": ""}
    check(SimulatedNodes(50, gpu_nodes=50, labels=labels, capacity={"cpu": "1500m", "memory": "64Gi", "nvidia.com/gpu": "2", "pods": "1e2"}))


def test_a_label_of_ones_choice_cannot_make_nodes_one() -> None:
    nodes = node_manifests(SimulatedNodes(2, labels={"kubernetes.io/hostname": "same"}), "edge")
    assert len({node["metadata"]["labels"]["kubernetes.io/hostname"] for node in nodes}) == 2


def test_a_label_of_ones_choice_cannot_hide_that_a_node_is_simulated() -> None:
    (node,) = node_manifests(SimulatedNodes(1, labels={SIMULATED_LABEL: "false"}), "edge")
    assert node["metadata"]["labels"][SIMULATED_LABEL] == "true"
