"""Definitions: applied when missing, used when others keep them, upgraded when ours, and told when they stand in the way."""

from typing import Any

import pytest

from compute.extension import crds

Object = dict[str, Any]


def definition(
    name: str, *, version: str = "v1.6.1", served: tuple[str, ...] = ("v1", "v1beta1", "v1alpha1"), whole: bool = True
) -> Object:
    plural, _, group = name.partition(".")
    schema: Object = {}
    for path in crds.FIELDS.get(name, ()) if whole else ():
        at = schema
        for part in path.split("."):
            at = at.setdefault("properties", {}).setdefault(part, {})
    annotations = {crds.BUNDLE: version} if group.startswith("gateway.networking") else {}
    versions = [{"name": each, "served": True, "schema": {"openAPIV3Schema": schema}} for each in served]
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"group": group, "names": {"plural": plural}, "versions": versions},
    }


ALL = [definition(name) for name in crds.NEEDED]
EXTRA = definition("tcproutes.gateway.networking.k8s.io")


def names(objects: list[Object]) -> set[str]:
    return {each["metadata"]["name"] for each in objects}


def by_name(objects: list[Object]) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in objects}


def test_all_are_applied_to_an_empty_cluster_and_marked_as_ours() -> None:
    plan = crds.plan([*ALL, EXTRA], {}, source="chart-1")
    assert names(plan.apply) == {*crds.NEEDED, EXTRA["metadata"]["name"]}
    assert all(each["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "mooring" for each in plan.apply)


def test_those_of_others_are_used_as_they_are() -> None:
    plan = crds.plan([*ALL, EXTRA], by_name(ALL), source="chart-1")
    assert (plan.apply, plan.conflicts) == ([], [])
    assert plan.text == f"{len(crds.NEEDED)} used as they are"


def test_what_is_needed_is_added_beside_those_of_others() -> None:
    there = by_name(ALL)
    del there["referencegrants.gateway.networking.k8s.io"]
    assert names(crds.plan([*ALL, EXTRA], there, source="chart-1").apply) == {"referencegrants.gateway.networking.k8s.io"}


def test_ours_are_upgraded_with_the_chart_and_never_downgraded() -> None:
    ours = by_name(crds.plan(ALL, {}, source="chart-1").apply)
    assert crds.plan(ALL, ours, source="chart-1").apply == []
    assert names(crds.plan(ALL, ours, source="chart-2").apply) == set(crds.NEEDED)
    older = [definition(name, version="v1.5.0") for name in crds.NEEDED]
    applied = names(crds.plan(older, ours, source="chart-0").apply)
    assert not any(name.endswith("gateway.networking.k8s.io") for name in applied)


@pytest.mark.parametrize(
    ("name", "other", "said"),
    [
        ("gateways.gateway.networking.k8s.io", {"version": "v1.0.0"}, "version v1.0.0, it takes v1.2 or newer"),
        ("httproutes.gateway.networking.k8s.io", {"served": ("v1beta1",)}, "v1 is not served"),
        ("securitypolicies.gateway.envoyproxy.io", {"whole": False}, "it has no field spec.authorization.defaultAction"),
        ("httproutefilters.gateway.envoyproxy.io", {"whole": False}, "it has no field spec.directResponse.body"),
    ],
)
def test_those_of_others_that_do_not_do_are_told(name: str, other: Object, said: str) -> None:
    there = by_name(ALL) | {name: definition(name, **other)}
    assert crds.plan(ALL, there, source="chart-1").conflicts == [f"{name}: {said}"] == crds.conflicts(there)


def test_the_definition_of_an_older_envoy_gateway_that_lacks_a_field_of_ours_is_told() -> None:
    older = definition("envoyproxies.gateway.envoyproxy.io")
    del older["spec"]["versions"][2]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["mergeBackends"]
    told = crds.conflicts(by_name(ALL) | {"envoyproxies.gateway.envoyproxy.io": older})
    assert told == ["envoyproxies.gateway.envoyproxy.io: it has no field spec.mergeBackends"]
