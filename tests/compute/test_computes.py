"""Giving workspaces computes, changing these in place, and taking them back."""

from collections.abc import Iterator

import pytest

from compute import services
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.models import Cluster, Compute
from compute.services import WORKLOADS, Workloads, clusters, computes
from studio.accounts.models import User, Workspace
from studio.audit.models import Entry
from studio.core.errors import ProblemError
from tests.fakekube import FakeKube

pytestmark = pytest.mark.django_db


class Running:
    """Stand in for an app that runs things on computes."""

    def __init__(self) -> None:
        self.count = self.left = 0
        self.told: list[str] = []

    def on_detach(self, compute: Compute, mode: str) -> None:
        self.told.append(mode)


@pytest.fixture
def running() -> Iterator[Running]:
    stand_in = Running()
    before = dict(WORKLOADS)
    WORKLOADS.clear()
    WORKLOADS["test"] = Workloads(
        running_on=lambda computes: dict.fromkeys(computes, stand_in.count),
        on_detach=stand_in.on_detach,
        left_in=lambda cluster_id: stand_in.left,
    )
    yield stand_in
    WORKLOADS.clear()
    WORKLOADS.update(before)


@pytest.fixture
def kube(fakekube: FakeKube) -> KubeClient:
    return KubeClient(fakekube.connection())


def labels(kube: KubeClient, namespace: str) -> dict[str, str]:
    return kube.get(kinds.NAMESPACE, namespace)["metadata"].get("labels") or {}


def refused(actor: User, workspace: Workspace, cluster: Cluster, **given: object) -> ProblemError:
    values = {"name": "local", "cluster": cluster, **given}
    with pytest.raises(ProblemError) as raised:
        services.attach_compute(actor, workspace, **values)  # type: ignore[arg-type]
    return raised.value


def test_a_namespace_is_made_that_enforces_restricted(operator: User, workspace: Workspace, cluster: Cluster, kube: KubeClient) -> None:
    compute = services.attach_compute(operator, workspace, name="local", cluster=cluster)
    assert compute.status == "ready" and compute.namespace_made
    made = labels(kube, compute.namespace)
    assert made["pod-security.kubernetes.io/enforce"] == "restricted"
    assert made["app.kubernetes.io/managed-by"] == "mooring"
    assert made["mooring.dev/workspace"] == "demo"


def test_where_root_is_allowed_the_namespace_is_baseline(operator: User, workspace: Workspace, cluster: Cluster, kube: KubeClient) -> None:
    compute = services.attach_compute(operator, workspace, name="local", cluster=cluster, run_as_root=True)
    assert labels(kube, compute.namespace)["pod-security.kubernetes.io/enforce"] == "baseline"


def test_a_namespace_that_is_there_is_checked_and_kept(operator: User, workspace: Workspace, cluster: Cluster, fakekube: FakeKube) -> None:
    fakekube.namespace("team")
    compute = services.attach_compute(operator, workspace, name="local", cluster=cluster, namespace="team", create=False)
    assert compute.status == "ready" and not compute.namespace_made


@pytest.mark.parametrize(
    ("given", "id", "field"),
    [
        ({"namespace": "nowhere", "create": False}, "compute-namespace-missing", "namespace"),
        ({"namespace": "default", "create": True}, "compute-namespace-exists", "namespace"),
        ({"namespace": "kube-system", "create": False}, "compute-namespace-reserved", "namespace"),
        ({"namespace": "No Name"}, "compute-namespace-invalid", "namespace"),
        ({"name": "Big"}, "name-invalid", "name"),
        ({"default_instance_type": "huge"}, "instance-type-none", "default_instance_type"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(
    operator: User, workspace: Workspace, cluster: Cluster, given: dict[str, object], id: str, field: str
) -> None:
    problem = refused(operator, workspace, cluster, **given)
    assert (problem.problem.id, problem.field) == (id, field)
    assert not Compute.objects.exists()


def test_a_namespace_is_one_compute(operator: User, workspace: Workspace, cluster: Cluster) -> None:
    services.attach_compute(operator, workspace, name="local", cluster=cluster, namespace="shared")
    other = Workspace.objects.create(name="other")
    problem = refused(operator, other, cluster, namespace="shared")
    assert problem.problem.id == "compute-namespace-taken" and "demo" in problem.text


def test_several_workspaces_have_computes_on_one_cluster(operator: User, workspace: Workspace, cluster: Cluster) -> None:
    other = Workspace.objects.create(name="other")
    one = services.attach_compute(operator, workspace, name="local", cluster=cluster)
    two = services.attach_compute(operator, other, name="local", cluster=cluster)
    assert one.namespace != two.namespace


def test_missing_permissions_are_named_and_nothing_is_kept(
    operator: User, workspace: Workspace, cluster: Cluster, fakekube: FakeKube
) -> None:
    fakekube.namespace("team")
    fakekube.deny(verb="create", resource="jobs", namespace="team")
    problem = refused(operator, workspace, cluster, namespace="team", create=False)
    assert problem.problem.id == "compute-permissions-missing"
    assert "create jobs.batch in team" in problem.text
    assert not Compute.objects.exists()


def test_an_identity_that_may_not_make_namespaces_is_told_what_to_do(
    operator: User, workspace: Workspace, cluster: Cluster, fakekube: FakeKube
) -> None:
    fakekube.deny(verb="patch", resource="namespaces")
    fakekube.deny(verb="create", resource="namespaces")
    problem = refused(operator, workspace, cluster)
    assert problem.problem.id == "compute-namespace-not-created"
    assert not Compute.objects.exists()


def test_a_cluster_that_is_away_takes_no_computes(operator: User, workspace: Workspace, cluster: Cluster) -> None:
    cluster.status = "unreachable"
    assert refused(operator, workspace, cluster).problem.id == "cluster-not-ready"


def test_a_compute_is_changed_in_place(operator: User, workspace: Workspace, cluster: Cluster, kube: KubeClient) -> None:
    compute = services.attach_compute(operator, workspace, name="local", cluster=cluster)
    old = compute.namespace
    services.change_compute(operator, compute, name="main", namespace="elsewhere", create=True, run_as_root=True)
    compute.refresh_from_db()
    assert (compute.name, compute.namespace) == ("main", "elsewhere")
    assert labels(kube, "elsewhere")["pod-security.kubernetes.io/enforce"] == "baseline"
    assert kube.find(kinds.NAMESPACE, old) is None


def test_the_namespace_stays_while_something_runs(operator: User, workspace: Workspace, cluster: Cluster, running: Running) -> None:
    compute = services.attach_compute(operator, workspace, name="local", cluster=cluster)
    running.count = 2
    with pytest.raises(ProblemError) as raised:
        services.change_compute(operator, compute, namespace="elsewhere", create=True)
    assert raised.value.problem.id == "compute-busy"


def test_detaching_cancels_waits_and_removes_the_namespace(
    operator: User, workspace: Workspace, cluster: Cluster, kube: KubeClient, running: Running
) -> None:
    compute = services.attach_compute(operator, workspace, name="local", cluster=cluster)
    running.count = 1
    services.detach_compute(operator, compute, running="cancel")
    assert running.told == ["cancel"]
    computes.finish_detach_compute(compute.pk)
    compute.refresh_from_db()
    assert compute.status == "detaching" and compute.reason == "Waiting for 1 jobs to end"
    running.count = 0
    computes.finish_detach_compute(compute.pk)
    assert not Compute.objects.exists()
    assert kube.find(kinds.NAMESPACE, compute.namespace) is None


def test_detaching_may_leave_what_runs(operator: User, workspace: Workspace, cluster: Cluster, kube: KubeClient, running: Running) -> None:
    compute = services.attach_compute(operator, workspace, name="local", cluster=cluster)
    running.count = 1
    services.detach_compute(operator, compute, running="leave")
    computes.finish_detach_compute(compute.pk)
    assert not Compute.objects.exists()
    assert kube.find(kinds.NAMESPACE, compute.namespace) is not None


def test_a_namespace_of_others_only_loses_our_labels(
    operator: User, workspace: Workspace, cluster: Cluster, kube: KubeClient, fakekube: FakeKube
) -> None:
    fakekube.namespace("team", {"theirs": "yes"})
    compute = services.attach_compute(operator, workspace, name="local", cluster=cluster, namespace="team", create=False)
    assert "mooring.dev/studio" in labels(kube, "team")
    services.detach_compute(operator, compute)
    computes.finish_detach_compute(compute.pk)
    assert labels(kube, "team") == {"theirs": "yes", "kubernetes.io/metadata.name": "team"}


def test_detaching_a_cluster_says_what_goes(operator: User, workspace: Workspace, cluster: Cluster, fakekube: FakeKube) -> None:
    fakekube.namespace("team")
    services.attach_compute(operator, workspace, name="local", cluster=cluster)
    services.attach_compute(operator, workspace, name="two", cluster=cluster, namespace="team", create=False)
    going = services.what_goes(cluster)
    assert going.computes == ["demo/local", "demo/two"]
    assert going.namespaces == ["mooring-demo-local"]
    assert going.custom_resource
    assert any("team" in line for line in going.stays)


def test_a_detached_cluster_is_left_clean(
    operator: User, workspace: Workspace, cluster: Cluster, kube: KubeClient, running: Running
) -> None:
    services.attach_compute(operator, workspace, name="local", cluster=cluster)
    services.detach_cluster(operator, cluster)
    clusters.finish_detach(cluster.pk)
    assert not Cluster.objects.exists() and not Compute.objects.exists()
    left = [each["metadata"]["name"] for each in kube.list(kinds.NAMESPACE)]
    assert left == ["default", "kube-system"]
    assert kube.list(kinds.CRD) == []
    assert Entry.objects.filter(verb="detached", target_kind="cluster").exists()


def test_a_cluster_is_not_let_go_before_what_jobs_left_is_taken_out(
    operator: User, workspace: Workspace, cluster: Cluster, running: Running
) -> None:
    running.left = 2
    services.detach_cluster(operator, cluster)
    clusters.finish_detach(cluster.pk)
    cluster.refresh_from_db()
    assert (cluster.status, cluster.reason) == ("detaching", "Waiting until what 2 jobs left is taken out")
    running.left = 0
    clusters.finish_detach(cluster.pk)
    assert not Cluster.objects.exists()


def test_the_custom_resource_stays_while_another_studio_uses_the_cluster(
    operator: User, cluster: Cluster, kube: KubeClient, fakekube: FakeKube
) -> None:
    fakekube.namespace("theirs", {"mooring.dev/studio": "another"})
    amounts = {"cpu": "1", "memory": "1Gi"}
    services.save_instance_type(operator, cluster, name="ours", spec={"resources": {"requests": amounts, "limits": amounts}}, create=True)
    services.detach_cluster(operator, cluster)
    clusters.finish_detach(cluster.pk)
    assert not Cluster.objects.exists()
    assert len(kube.list(kinds.CRD)) == 1
    assert kube.list(kinds.INSTANCE_TYPE) == []


def test_the_custom_resource_stays_while_somebody_made_instance_types_by_hand(operator: User, cluster: Cluster, kube: KubeClient) -> None:
    amounts = {"cpu": "1", "memory": "1Gi"}
    spec = {"resources": {"requests": amounts, "limits": amounts}}
    kube.create(
        kinds.INSTANCE_TYPE,
        {"apiVersion": "mooring.dev/v1alpha1", "kind": "InstanceType", "metadata": {"name": "by-hand"}, "spec": spec},
    )
    services.detach_cluster(operator, cluster)
    clusters.finish_detach(cluster.pk)
    assert [each["metadata"]["name"] for each in kube.list(kinds.INSTANCE_TYPE)] == ["by-hand"]


def test_a_lost_cluster_waits_to_be_cleaned_and_can_be_forgotten(operator: User, cluster: Cluster, fakekube: FakeKube) -> None:
    fakekube.fail("reset")
    services.detach_cluster(operator, cluster)
    clusters.finish_detach(cluster.pk)
    cluster.refresh_from_db()
    assert cluster.status == "detaching" and cluster.reason.startswith("Not cleaned yet")
    services.detach_cluster(operator, cluster, forget=True)
    assert not Cluster.objects.exists()
