"""Counting what is free, as the scheduler counts."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.kube.capacity import cluster_capacity, fits, node_capacities, pod_requests, tolerates
from compute.kube.quantities import parse_resources

Object = dict[str, Any]


def node(name: str = "n1", *, ready: bool = True, **given: Any) -> Object:
    resources = {"cpu": "4", "memory": "16Gi", "pods": "110", **given.get("resources", {})}
    return {
        "metadata": {"name": name, "labels": given.get("labels", {})},
        "spec": {"taints": given.get("taints", []), "unschedulable": given.get("unschedulable", False)},
        "status": {
            "allocatable": resources,
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
        },
    }


def pod(cpu: str = "1", memory: str = "1Gi", *, on: str | None = "n1", phase: str = "Running", **spec: Any) -> Object:
    container = {"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}}
    placed = {"nodeName": on} if on else {}
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [container], **placed, **spec},
        "status": {"phase": phase},
    }


def shape(cpu: str = "1", memory: str = "1Gi", **more: Any) -> Object:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory, **more.pop("resources", {})}}, **more}


def asks(container: str, cpu: str, **more: Any) -> Object:
    return {"name": container, "resources": {"requests": {"cpu": cpu}}, **more}


def cpu_of(spec: Object, status: Object | None = None) -> Fraction:
    return pod_requests({"spec": spec, "status": status or {}})["cpu"]


def test_init_containers_count_only_when_they_ask_for_more() -> None:
    assert cpu_of({"containers": [asks("a", "1"), asks("b", "1")], "initContainers": [asks("i", "500m")]}) == 2
    assert cpu_of({"containers": [asks("a", "1")], "initContainers": [asks("i", "3"), asks("j", "2")]}) == 3


def test_sidecars_count_beside_the_containers() -> None:
    sidecar = asks("s", "500m", restartPolicy="Always")
    assert cpu_of({"containers": [asks("a", "1")], "initContainers": [sidecar]}) == Fraction(3, 2)


def test_a_sidecar_counts_beside_the_init_containers_after_it() -> None:
    sidecar = asks("s", "1", restartPolicy="Always")
    assert cpu_of({"containers": [asks("a", "1")], "initContainers": [sidecar, asks("i", "3")]}) == 4
    assert cpu_of({"containers": [asks("a", "1")], "initContainers": [asks("i", "3"), sidecar]}) == 3


def test_overhead_is_added() -> None:
    assert cpu_of({"containers": [asks("a", "1")], "overhead": {"cpu": "250m"}}) == Fraction(5, 4)


def test_pod_level_resources_win() -> None:
    assert cpu_of({"containers": [asks("a", "1")], "resources": {"requests": {"cpu": "3"}}}) == 3


def test_a_limit_without_a_request_is_one() -> None:
    assert cpu_of({"containers": [{"name": "a", "resources": {"limits": {"cpu": "2"}}}]}) == 2


def test_a_pod_that_is_being_resized_counts_with_the_larger() -> None:
    status = {"containerStatuses": [{"name": "a", "resources": {"requests": {"cpu": "3"}}}]}
    assert cpu_of({"containers": [asks("a", "1")]}, status) == 3


def test_ended_pods_take_no_room_and_deleted_ones_still_do() -> None:
    ending = pod(phase="Running")
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    (counted,) = node_capacities([node()], [pod(phase="Succeeded"), pod(phase="Failed"), ending])
    assert counted.requested["cpu"] == 1
    assert counted.pods == 1


def test_nodes_that_take_no_pods_are_not_added_up() -> None:
    whole = cluster_capacity([node("a"), node("b", ready=False), node("c", unschedulable=True)], [])
    assert whole.allocatable["cpu"] == 4
    assert len(whole.nodes) == 3


def test_pods_without_a_node_are_waiting() -> None:
    assert cluster_capacity([node()], [pod(on=None, phase="Pending"), pod()]).waiting == 1


def test_it_counts_gpus_of_any_maker() -> None:
    (counted,) = node_capacities([node(resources={"amd.com/gpu": "4"}, labels={"amd.com/gpu.product-name": "MI300"})], [])
    assert (int(counted.gpus), counted.gpu_product) == (4, "MI300")


def test_it_counts_how_many_pods_fit() -> None:
    fit = fits(shape("1500m"), [node("a"), node("b")], [pod("3", on="b")])
    assert fit.count == 2
    assert dict(fit.per_node) == {"a": 2}


def test_what_comes_beside_the_shape_counts_too() -> None:
    extra = parse_resources({"cpu": "500m"})
    assert fits(shape("1500m"), [node()], [], extra=extra).count == 2


def test_the_limit_of_pods_counts() -> None:
    crowded = node(resources={"pods": "2"})
    fit = fits(shape("10m", "1Mi"), [crowded], [pod("0", "0"), pod("0", "0")])
    assert fit.count == 0
    assert fit.reason == "The only node cannot take it now: 1 node is at its limit of pods."


def test_a_shape_that_asks_for_nothing_fits_as_often_as_pods_do() -> None:
    assert fits({}, [node()], []).count == 110


def test_a_node_selector_chooses_nodes() -> None:
    nodes = [node("a", labels={"disk": "ssd"}), node("b")]
    assert dict(fits(shape(nodeSelector={"disk": "ssd"}), nodes, []).per_node) == {"a": 4}
    none = fits(shape(nodeSelector={"disk": "nvme"}), nodes, [])
    assert "2 nodes are without the label disk=nvme" in none.reason
    assert "Waiting will not help" in none.reason
    assert not none.ever


def test_a_taint_keeps_off_what_does_not_tolerate_it() -> None:
    tainted = node(taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}])
    assert "kept off by the taint gpu=yes:NoSchedule" in fits(shape(), [tainted], []).reason
    tolerant = shape(tolerations=[{"key": "gpu", "operator": "Exists"}])
    assert fits(tolerant, [tainted], []).count == 4


def test_a_preference_not_to_schedule_keeps_nothing_off() -> None:
    assert fits(shape(), [node(taints=[{"key": "x", "effect": "PreferNoSchedule"}])], []).count == 4


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "operator": "Equal", "value": "w"}, False),
        ({"key": "k", "value": "v", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({}, False),
    ],
)
def test_tolerations_cover_as_the_scheduler_says(toleration: Object, covers: bool) -> None:
    assert tolerates([toleration], {"key": "k", "value": "v", "effect": "NoSchedule"}) is covers


def test_a_busy_cluster_says_what_is_short_and_that_waiting_can_help() -> None:
    fit = fits(shape("3"), [node("a"), node("b")], [pod("2", on="a"), pod("3500m", on="b")])
    assert fit.reason == ("None of the 2 nodes can take it now: 2 nodes are short of CPU (3 CPU asked for, at most 2 CPU free).")
    assert fit.ever


def test_a_gpu_that_nobody_has_is_said() -> None:
    fit = fits(shape(resources={"nvidia.com/gpu": "1"}), [node()], [])
    assert "short of GPUs (1 GPU asked for, none free)" in fit.reason
    assert not fit.ever


def test_a_node_that_is_down_may_come_back() -> None:
    fit = fits(shape(), [node(ready=False)], [])
    assert fit.reason == "The only node cannot take it now: 1 node is not ready."
    assert fit.ever


def test_an_empty_cluster_says_so() -> None:
    assert fits(shape(), [], []).reason == "The cluster has no nodes."


_amounts = st.integers(min_value=0, max_value=8000)


@given(st.lists(_amounts, max_size=6), st.integers(min_value=1, max_value=5000))
@settings(deadline=None)
def test_as_many_fit_as_said_and_not_one_more(running: list[int], millis: int) -> None:
    nodes = [node()]
    pods = [pod(f"{each}m", "0") for each in running]
    wanted = shape(f"{millis}m", "0")
    count = fits(wanted, nodes, pods).count
    filled = [*pods, *(pod(f"{millis}m", "0") for _ in range(count))]
    (capacity,) = node_capacities(nodes, filled)
    assert count == 0 or capacity.requested["cpu"] <= capacity.allocatable["cpu"]
    assert fits(wanted, nodes, filled).count == 0


@given(st.lists(st.tuples(_amounts, st.booleans()), max_size=5), st.lists(_amounts, min_size=1, max_size=3))
@settings(deadline=None)
def test_a_pod_asks_for_no_less_than_any_moment_of_its_life(init: list[tuple[int, bool]], main: list[int]) -> None:
    spec = {
        "containers": [asks(f"m{i}", f"{each}m") for i, each in enumerate(main)],
        "initContainers": [
            asks(f"i{i}", f"{each}m", **({"restartPolicy": "Always"} if sidecar else {})) for i, (each, sidecar) in enumerate(init)
        ],
    }
    moments, sidecars = [], 0
    for each, sidecar in init:
        moments.append(sidecars + each)
        sidecars += each if sidecar else 0
    moments.append(sidecars + sum(main))
    assert cpu_of(spec) * 1000 == max(moments)
