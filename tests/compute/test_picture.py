"""The picture of a cluster: of very many nodes those that are looked for first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from compute.picture import MOST, draw_nodes


def node(name: str, cpu: float = 1.0, *, ready: bool = True, schedulable: bool = True) -> Any:
    return SimpleNamespace(name=name, ready=ready, schedulable=schedulable, requested={"cpu": cpu}, allocatable={"cpu": 10.0},
                           runs=[{"owner": "team", "kind": "workspace", "cpu": cpu, "memory": 0, "gpu": 0, "pods": 1}])  # fmt: skip


def test_a_few_nodes_stand_in_the_order_they_came() -> None:
    assert [one.name for one in draw_nodes([node("b"), node("a", 9.0)]).nodes] == ["b", "a"]


def test_of_very_many_those_that_take_no_pods_and_the_fullest_are_drawn() -> None:
    quiet = [node(f"n{number}", 1.0) for number in range(100)]
    picture = draw_nodes([*quiet, node("full", 9.5), node("cordoned", schedulable=False), node("away", ready=False)])
    assert [one.name for one in picture.nodes][:3] == ["away", "cordoned", "full"]
    assert (len(picture.nodes), picture.count) == (MOST, 103) and picture.legend[0]["name"] == "team"
