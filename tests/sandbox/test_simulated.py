from __future__ import annotations

from sandbox.simulated import GPU, SIMULATED_LABEL, SimulatedNodes, node_manifests


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


def test_a_label_of_ones_choice_cannot_hide_that_a_node_is_simulated() -> None:
    (node,) = node_manifests(SimulatedNodes(1, labels={SIMULATED_LABEL: "false"}), "edge")
    assert node["metadata"]["labels"][SIMULATED_LABEL] == "true"
