"""What the benchmark of a large cluster compares."""

from typing import Any

from benchmarks.watch import differing, pod, pods_of


def test_pods_that_have_ended_take_no_room() -> None:
    def there(node: str, phase: str) -> dict[str, Any]:
        return {"spec": {"nodeName": node}, "status": {"phase": phase}}

    objects: list[dict[str, Any]] = [there("a", "Running"), there("a", "Succeeded"), there("b", "Pending"), {"spec": {}, "status": {"phase": "Pending"}}]
    assert pods_of(objects, ["a", "b", "c"]) == {"a": 1, "b": 1, "c": 0}


def test_a_node_that_is_shown_otherwise_or_not_at_all_is_missed() -> None:
    assert differing({"a": 1, "b": 2, "c": 0}, {"a": 1, "b": 3, "d": 1}) == 3
    assert differing({"a": 1}, {"a": 1}) == 0


def test_its_pods_pass_the_restricted_level() -> None:
    spec = pod("p", "n")["spec"]
    assert spec["nodeName"] == "n" and spec["securityContext"]["runAsNonRoot"] is True
    assert spec["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
