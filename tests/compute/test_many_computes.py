"""Many computes of one cluster are counted as one is, with no more queries than for one."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compute import selectors
from compute.models import Cluster, Compute, InstanceType, Node
from compute.router import router_of, routers_of
from compute.services import running_on, running_on_each
from jobs.models import Job
from tests.conftest import People

pytestmark = pytest.mark.django_db


@pytest.fixture
def computes(people: People) -> list[Compute]:
    """Make a cluster with room for three of a type, and three computes on it, one with a quota for one."""
    cluster = Cluster.objects.create(name="one", server="https://10.0.0.1:6443", status="ready")
    room = {"cpu": 7, "memory": 2**34, "pods": 110, "exact": {"cpu": "7", "memory": "16Gi", "pods": "110"}}
    Node.objects.create(cluster=cluster, name="n", uid="n", ready=True, seen_at=timezone.now(), allocatable=room, capacity=room)
    size = {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
    InstanceType.objects.create(cluster=cluster, group="mooring.dev", name="two", spec={"resources": size})
    quota = [{"name": "q", "hard": {"requests.cpu": "3"}, "used": {"requests.cpu": "0"}}]
    for number in range(3):
        Compute.objects.create(workspace=people.workspace, cluster=cluster, name=f"c{number}", namespace=f"n{number}", status="ready",
                               quotas=quota if number == 2 else [])  # fmt: skip
    return list(selectors.computes_of(people.workspace))


def test_each_has_what_it_has_alone(computes: list[Compute]) -> None:
    together = selectors.fits_of(computes)
    assert together == {each.pk: selectors.fits(each) for each in computes}
    assert [together[each.pk]["two"].count for each in computes] == [3, 3, 1]


def test_more_computes_of_a_cluster_take_no_more_queries(computes: list[Compute]) -> None:
    def queries(count: int) -> int:
        fresh = list(Compute.objects.select_related("cluster").order_by("pk")[:count])
        with CaptureQueriesContext(connection) as seen:
            selectors.fits_of(fresh)
            routers_of(each.cluster_id for each in fresh)
            running_on_each(fresh)
        return len(seen)

    assert queries(1) == queries(3)


def test_what_runs_is_counted_for_each(people: People, computes: list[Compute]) -> None:
    given: dict[str, Any] = {"workspace": people.workspace, "submitted_by": people.owner, "yaml": "x", "command": "x", "image": "x"}
    for status in ("Running", "Queued", "Completed"):
        Job.objects.create(compute=computes[1], cluster=computes[1].cluster, compute_name="c1", namespace="n1", status=status, **given)
    assert running_on_each(computes) == {computes[0].pk: 0, computes[1].pk: 2, computes[2].pk: 0}
    assert running_on(computes[1]) == 2


def test_a_cluster_without_an_extension_has_a_router_that_is_not_there(computes: list[Compute]) -> None:
    cluster = computes[0].cluster
    assert routers_of([cluster.pk]) == {cluster.pk: router_of(cluster)}
