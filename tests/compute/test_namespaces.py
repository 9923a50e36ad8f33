"""A compute says that its namespace was deleted, and that it is back."""

from __future__ import annotations

import pytest

from compute import namespaces
from compute.kube import kinds
from compute.models import Cluster, Compute
from studio.accounts.models import Workspace
from tests.fakekube import FakeKube

pytestmark = pytest.mark.django_db


@pytest.fixture
def compute(cluster: Cluster, workspace: Workspace, fakekube: FakeKube) -> Compute:
    fakekube.namespace("team-a")
    return Compute.objects.create(workspace=workspace, cluster=cluster, name="a", namespace="team-a", status="ready")


def test_a_namespace_that_is_gone_is_told_takes_no_job_and_is_well_again_when_it_is_back(compute: Compute, fakekube: FakeKube) -> None:
    namespaces.look_after(compute.pk)
    compute.refresh_from_db()
    assert (compute.status, compute.usable) == ("ready", True)
    fakekube.store.delete(kinds.NAMESPACE, None, "team-a", {})
    for _ in range(2):  # a second look changes nothing
        namespaces.look_after(compute.pk)
        compute.refresh_from_db()
        assert (compute.status, compute.problem_id, compute.usable) == ("degraded", "compute-namespace-missing", False)
    assert compute.reason == "The cluster local has no namespace team-a."
    fakekube.namespace("team-a")
    namespaces.look_after(compute.pk)
    compute.refresh_from_db()
    assert (compute.status, compute.problem_id, compute.usable) == ("ready", "", True)


def test_a_cluster_that_does_not_answer_says_nothing_of_a_namespace(compute: Compute, fakekube: FakeKube) -> None:
    fakekube.fail(503, method="GET", path="/namespaces/")
    namespaces.look_after(compute.pk)
    compute.refresh_from_db()
    assert compute.status == "ready"


def test_each_has_its_turn_and_those_of_a_lost_cluster_have_none(cluster: Cluster, workspace: Workspace) -> None:
    made = [Compute.objects.create(workspace=workspace, cluster=cluster, name=f"c{n}", namespace=f"c{n}", status="ready").pk for n in range(6)]
    turns = [*namespaces.next_ones(), *namespaces.next_ones(), *namespaces.next_ones()]
    assert set(turns) == set(made) and len(turns) == 3 * namespaces.AT_A_TURN
    Cluster.objects.filter(pk=cluster.pk).update(status="unreachable")
    assert namespaces.next_ones() == []
