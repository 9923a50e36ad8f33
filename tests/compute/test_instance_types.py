"""Instance types: the original's rules, the implicit one, which one counts, and keeping them in the cluster."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute import selectors, services
from compute.instance_types import IMPLICIT, ORIGINAL, OURS, TypeSpec, default_name, effective, wrongs
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.models import Cluster, Compute, InstanceType
from studio.accounts.models import User, Workspace
from studio.core.errors import ProblemError, ProblemList
from tests.fakekube import FakeKube


def spec(**changes: Any) -> dict[str, Any]:
    requests = {"cpu": "700m", "memory": "1500Mi"} | changes.pop("requests", {})
    limits = {"cpu": "1", "memory": "2Gi"} | changes.pop("limits", {})
    return {"resources": {"requests": requests, "limits": limits}, **changes}


def fields(given: Any, name: str = "small") -> list[str]:
    return [wrong.field for wrong in wrongs(name, given)]


def test_the_originals_example_is_right() -> None:
    assert wrongs("myinstancetypename", spec(nodeSelector={"mylabel": "mylabelvalue"}, limits={"nvidia.com/gpu": 1})) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (spec(requests={"cpu": ""}), "requests.cpu"),
        (spec(requests={"memory": None}), "requests.memory"),
        (spec(limits={"cpu": "0"}), "limits.cpu"),
        (spec(requests={"cpu": 1}), "requests.cpu"),
        (spec(requests={"memory": "lots"}), "requests.memory"),
        (spec(requests={"cpu": "2"}), "requests.cpu"),
        (spec(requests={"nvidia.com/gpu": 1}), "requests.nvidia.com/gpu"),
        (spec(limits={"nvidia.com/gpu": "0.5"}), "limits.nvidia.com/gpu"),
        (spec(limits={"gpu": 1}), "limits.gpu"),
        (spec(limits={"memory": "100m"}), "limits.memory"),
        (spec(nodeSelector={"a b": "c"}), "nodeSelector"),
        (spec(nodeSelector={"a": 1}), "nodeSelector"),
        (spec(tolerations=[{"key": "a", "operator": "Like"}]), "tolerations"),
        (spec(tolerations=[{"key": "a", "operator": "Exists", "value": "x"}]), "tolerations"),
        (spec(tolerations=[{"operator": "Equal"}]), "tolerations"),
        (spec(image="x"), "spec"),
        ({}, "resources"),
    ],
)
def test_each_rule_speaks_at_its_field(given: dict[str, Any], field: str) -> None:
    assert field in fields(given)


def test_a_name_is_one_that_kubernetes_takes() -> None:
    assert fields(spec(), name="Big One") == ["name"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4)))  # fmt: skip
def test_no_spec_from_a_cluster_breaks_the_check(anything: Any) -> None:
    wrongs("x", anything)
    wrongs("x", {"resources": anything})
    wrongs("x", {"resources": {"requests": anything, "limits": anything}})


def test_the_implicit_type_is_there_until_one_of_its_name_overrides_it() -> None:
    assert effective([])[IMPLICIT].implicit
    own = TypeSpec(IMPLICIT, OURS, spec())
    assert effective([own])[IMPLICIT] == own


def test_ours_comes_before_the_originals_of_the_same_name() -> None:
    both = [TypeSpec("a", ORIGINAL, {}), TypeSpec("a", OURS, spec())]
    assert effective(both)["a"].group == OURS


def test_the_default_is_the_computes_else_the_clusters_else_the_implicit() -> None:
    types = effective([TypeSpec("a", OURS, spec(), is_default=True), TypeSpec("b", OURS, spec())])
    assert default_name(types, "b") == "b"
    assert default_name(types) == "a"
    assert default_name(effective([])) == IMPLICIT


@pytest.fixture
def kube(fakekube: FakeKube) -> KubeClient:
    return KubeClient(fakekube.connection())


@pytest.fixture
def compute(cluster: Cluster, workspace: Workspace) -> Compute:
    return Compute.objects.create(workspace=workspace, cluster=cluster, name="local", namespace="n", status="ready")


@pytest.mark.django_db
def test_creating_puts_it_into_the_cluster(operator: User, cluster: Cluster, kube: KubeClient) -> None:
    services.save_instance_type(operator, cluster, name="small", spec=spec(), create=True)
    assert kube.get(kinds.INSTANCE_TYPE, "small")["spec"] == spec()
    assert cluster.instance_types.get(name="small").spec == spec()


@pytest.mark.django_db
def test_wrong_values_never_reach_the_cluster(operator: User, cluster: Cluster, kube: KubeClient) -> None:
    with pytest.raises(ProblemList) as raised:
        services.save_instance_type(operator, cluster, name="Small", spec=spec(limits={"cpu": "x"}), create=True)
    assert {error.field for error in raised.value.errors} == {"name", "limits.cpu"}
    assert kube.list(kinds.INSTANCE_TYPE) == []


@pytest.mark.django_db
def test_one_default_at_a_time(operator: User, cluster: Cluster) -> None:
    for name in ("a", "b"):
        services.save_instance_type(operator, cluster, name=name, spec=spec(), create=True)
        services.set_default_instance_type(operator, cluster, name=name)
    assert list(cluster.instance_types.filter(is_default=True).values_list("name", flat=True)) == ["b"]


@pytest.mark.django_db
def test_changing_keeps_the_mark_of_the_default(operator: User, cluster: Cluster) -> None:
    services.save_instance_type(operator, cluster, name="a", spec=spec(), create=True)
    services.set_default_instance_type(operator, cluster, name="a")
    services.save_instance_type(operator, cluster, name="a", spec=spec(limits={"cpu": "3"}), create=False)
    row = cluster.instance_types.get(name="a")
    assert row.is_default and row.spec["resources"]["limits"]["cpu"] == "3"


@pytest.mark.django_db
def test_deleting_a_computes_default_leaves_it_with_the_clusters(operator: User, compute: Compute) -> None:
    services.save_instance_type(operator, compute.cluster, name="a", spec=spec(), create=True)
    services.change_compute(operator, compute, default_instance_type="a")
    services.delete_instance_type(operator, compute.cluster, name="a")
    compute.refresh_from_db()
    assert compute.default_instance_type == ""
    assert selectors.instance_type(compute)["name"] == IMPLICIT


@pytest.mark.django_db
def test_the_originals_are_read_and_not_changed(operator: User, cluster: Cluster) -> None:
    InstanceType.objects.create(cluster=cluster, group=ORIGINAL, name="theirs", spec=spec())
    with pytest.raises(ProblemError) as raised:
        services.delete_instance_type(operator, cluster, name="theirs")
    assert raised.value.problem.id == "instance-type-not-ours"


@pytest.mark.django_db
def test_an_unusable_type_says_why(compute: Compute) -> None:
    InstanceType.objects.create(cluster=compute.cluster, group=ORIGINAL, name="bad", spec={}, problem="No cpu.")
    with pytest.raises(ProblemError) as raised:
        selectors.instance_type(compute, "bad")
    assert raised.value.problem.id == "instance-type-invalid" and "No cpu." in raised.value.text


@pytest.mark.django_db
def test_what_fits_now_is_counted_and_explained(operator: User, compute: Compute) -> None:
    gpus = spec(limits={"nvidia.com/gpu": 1}, requests={"cpu": "100m", "memory": "10Mi"})
    services.save_instance_type(operator, compute.cluster, name="gpu", spec=gpus, create=True)
    services.save_instance_type(operator, compute.cluster, name="gpus", spec=spec(limits={"nvidia.com/gpu": 4}), create=True)
    found = selectors.fits(compute)
    assert found["gpu"].count == 2
    assert found["gpus"].count == 0 and "GPU" in found["gpus"].reason and not found["gpus"].ever


@pytest.mark.django_db
def test_quotas_of_the_namespace_count_in_what_fits_now(operator: User, compute: Compute) -> None:
    small = spec(limits={"cpu": "1", "memory": "1Gi"}, requests={"cpu": "100m", "memory": "10Mi"})
    services.save_instance_type(operator, compute.cluster, name="tiny", spec=small, create=True)
    free = selectors.fits(compute)["tiny"].count
    assert free > 3
    compute.quotas = [{"name": "team", "hard": {"limits.memory": "4Gi", "pods": "50"}, "used": {"limits.memory": "0", "pods": "3"}}]
    # Beside each command runs the runner, whose limit counts, too.
    assert selectors.fits(compute)["tiny"].count == 3
    compute.quotas[0]["used"]["pods"] = "49"
    assert selectors.fits(compute)["tiny"].count == 1
    compute.quotas[0]["used"]["pods"] = "50"
    fit = selectors.fits(compute)["tiny"]
    assert fit.count == 0 and fit.ever and "team" in fit.reason and "pods" in fit.reason
    compute.quotas[0]["hard"] = {"requests.nvidia.com/gpu": "0", "services": "0"}
    assert selectors.fits(compute)["tiny"].count == free
