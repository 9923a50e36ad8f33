"""One watch per cluster keeps its rows true and tells every app what it asked for."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection as database

from compute import watching
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.names import standard_labels
from compute.kube.watch import Added, Deleted, Modified, Pace
from compute.models import Cluster, Compute
from studio.accounts.models import Workspace
from tests.fakekube import FakeKube

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = Pace(first_delay=0.05, longest_delay=0.2)


@pytest.fixture
def kube(fakekube: FakeKube) -> KubeClient:
    return KubeClient(fakekube.connection())


class Watch:
    """Run the watch of a cluster on a loop of its own thread, as the stream leg does."""

    def __init__(self, cluster: Cluster, connection: Any) -> None:
        self.pool = ThreadPoolExecutor(4)
        self.cluster, self.connection = cluster, connection
        self.loop = asyncio.new_event_loop()
        self.runner = ThreadPoolExecutor(1)
        self.task: asyncio.Task[None] | None = None
        self.done = self.runner.submit(self.loop.run_until_complete, self._main())

    async def _store(self, call: Callable[..., Any], *args: Any) -> Any:
        def work() -> Any:
            try:
                return call(*args)
            finally:
                database.close()

        return await self.loop.run_in_executor(self.pool, work)

    async def _main(self) -> None:
        watch = watching.watch_cluster(self.cluster.pk, self.connection, self._store, pace=QUICK)
        self.task = asyncio.current_task()
        await watch

    def stop(self) -> None:
        if self.task is not None:
            self.loop.call_soon_threadsafe(self.task.cancel)
        with contextlib.suppress(asyncio.CancelledError, CancelledError):
            self.done.result(10)
        self.runner.shutdown()
        self.pool.shutdown()
        self.loop.close()


@pytest.fixture
def watch(cluster: Cluster, fakekube: FakeKube, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setattr(watching, "WRITE_SECONDS", 0.05)
    monkeypatch.setattr(watching, "SCOPE_SECONDS", 0.1)
    running = Watch(cluster, fakekube.connection())
    yield running
    running.stop()


def eventually(check: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def a_pod(name: str, kind: str = "job", id: int = 7) -> dict[str, Any]:
    asks = {"requests": {"cpu": "500m"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": standard_labels(kind, id, workspace="demo")},
        "spec": {"containers": [{"name": "job", "image": "x", "resources": asks}]},
    }


def test_a_new_node_becomes_a_row(watch: Watch, cluster: Cluster, fakekube: FakeKube) -> None:
    fakekube.node("node-z")
    eventually(lambda: cluster.nodes.filter(name="node-z").exists())


def test_what_runs_is_taken_off_what_is_free(watch: Watch, cluster: Cluster, fakekube: FakeKube, kube: KubeClient) -> None:
    kube.create(kinds.POD, a_pod("p"), "default")
    fakekube.pod_scheduled("default", "p", "node-a")
    fakekube.pod_running("default", "p")
    eventually(lambda: cluster.nodes.get(name="node-a").requested["cpu"] == 0.5)
    assert cluster.nodes.get(name="node-a").runs[0]["owner"] == "demo"


def test_a_node_that_is_lost_makes_the_cluster_degraded_and_back(watch: Watch, cluster: Cluster, fakekube: FakeKube) -> None:
    def found() -> list[str]:
        cluster.refresh_from_db()
        return [each["id"] for each in cluster.findings]

    fakekube.node_ready("node-a", False)
    eventually(lambda: "cluster-nodes-not-ready" in found())
    fakekube.node_ready("node-a", True)
    eventually(lambda: "cluster-nodes-not-ready" not in found())


def test_a_cluster_that_goes_away_is_unreachable_with_its_age_and_comes_back(watch: Watch, cluster: Cluster, fakekube: FakeKube) -> None:
    def status() -> str:
        cluster.refresh_from_db()
        return cluster.status

    fakekube.node("node-z")
    eventually(lambda: cluster.nodes.filter(name="node-z").exists())
    fakekube.fail("reset")
    fakekube.drop_watches()
    eventually(lambda: status() == "unreachable")
    assert cluster.seen_at is not None and cluster.nodes.count() == 3
    fakekube.heal()
    eventually(lambda: status() == "degraded")


def test_instance_types_made_elsewhere_are_seen(watch: Watch, cluster: Cluster, kube: KubeClient) -> None:
    spec = {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}}
    made = {"apiVersion": "mooring.dev/v1alpha1", "kind": "InstanceType", "metadata": {"name": "by-hand"}, "spec": spec}
    kube.create(kinds.INSTANCE_TYPE, made)
    eventually(lambda: cluster.instance_types.filter(name="by-hand").exists())
    kube.delete(kinds.INSTANCE_TYPE, "by-hand")
    eventually(lambda: not cluster.instance_types.filter(name="by-hand").exists())


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    seen: list[tuple[str, str, str]] = []

    def observer(cluster_id: int, kind: str, what: str, obj: dict[str, Any]) -> None:
        seen.append((kind, what, obj["metadata"]["name"]))

    monkeypatch.setattr(watching, "OBSERVERS", {"job": observer})
    monkeypatch.setattr(watching, "SNAPSHOTS", {})
    return seen


def test_an_observer_is_told_of_its_kind_only(told: list[tuple[str, str, str]], watch: Watch, fakekube: FakeKube, kube: KubeClient) -> None:
    kube.create(kinds.POD, a_pod("probe", kind="probe"), "default")
    kube.create(kinds.POD, a_pod("mine"), "default")
    eventually(lambda: any(name == "mine" for _, _, name in told))
    kube.delete(kinds.POD, "mine", "default", grace=0)
    eventually(lambda: ("Pod", "DELETED", "mine") in told)
    assert told[0] == ("Pod", "ADDED", "mine")
    assert not any(name == "probe" for _, _, name in told)


def test_what_was_deleted_while_nobody_looked_is_told_after_a_new_list(
    told: list[tuple[str, str, str]], watch: Watch, fakekube: FakeKube, kube: KubeClient
) -> None:
    kube.create(kinds.POD, a_pod("mine"), "default")
    eventually(lambda: ("Pod", "ADDED", "mine") in told)
    fakekube.fail(500, path="/pods.*watch=true")
    fakekube.drop_watches()
    kube.delete(kinds.POD, "mine", "default", grace=0)
    fakekube.expire()
    fakekube.heal()
    eventually(lambda: ("Pod", "DELETED", "mine") in told)


def test_an_identity_limited_to_its_namespaces_watches_these(
    told: list[tuple[str, str, str]], cluster: Cluster, workspace: Workspace, fakekube: FakeKube, kube: KubeClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(watching, "SCOPE_SECONDS", 0.1)
    monkeypatch.setattr(watching, "_allowed_everywhere", lambda connection: {"pods": False, "jobs": False})
    running = Watch(cluster, fakekube.connection())
    try:
        kube.create(kinds.POD, a_pod("mine"), "default")
        assert not told
        Compute.objects.create(workspace=workspace, cluster=cluster, name="c", namespace="default", status="ready")
        eventually(lambda: ("Pod", "ADDED", "mine") in told)
    finally:
        running.stop()


def test_the_quotas_of_a_computes_namespace_are_noted_and_no_others(
    cluster: Cluster, workspace: Workspace, watch: Watch, kube: KubeClient, fakekube: FakeKube
) -> None:
    fakekube.namespace("other")
    compute = Compute.objects.create(workspace=workspace, cluster=cluster, name="c", namespace="default", status="ready")
    quota = {"metadata": {"name": "team"}, "spec": {"hard": {"pods": "5"}}, "status": {"hard": {"pods": "5"}, "used": {"pods": "2"}}}
    scoped = {"metadata": {"name": "some"}, "spec": {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}}
    for name, thing in (("default", quota), ("default", scoped), ("other", quota)):
        kube.create(kinds.RESOURCE_QUOTA, thing, name)

    def noted() -> list[Any]:
        return list(Compute.objects.get(pk=compute.pk).quotas)

    eventually(lambda: noted() == [{"name": "team", "hard": {"pods": "5"}, "used": {"pods": "2"}}])
    kube.delete(kinds.RESOURCE_QUOTA, "team", "default")
    eventually(lambda: noted() == [])


def test_a_change_of_a_pod_writes_its_nodes_and_no_others(
    watch: Watch, cluster: Cluster, fakekube: FakeKube, kube: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[set[str], bool]] = []
    write = watching.write_nodes

    def noted(cluster_id: int, nodes: list[Any], pods: list[Any], there: set[str] | None) -> None:
        write(cluster_id, nodes, pods, there)
        written.append(({each["metadata"]["name"] for each in nodes}, there is None))

    monkeypatch.setattr(watching, "write_nodes", noted)
    fakekube.node("node-z")
    eventually(lambda: cluster.nodes.filter(name="node-z").exists())
    # With the first of them known, pods have been listed.
    for number, name in enumerate(("first", "p"), start=1):
        kube.create(kinds.POD, a_pod(name), "default")
        fakekube.pod_scheduled("default", name, "node-z")
        eventually(lambda number=number: cluster.nodes.get(name="node-z").pods == number)
    eventually(lambda: ({"node-z"}, False) in written)
    others, seen = list(cluster.nodes.exclude(name="node-z").values_list("name", "seen_at", "pods")), len(written)
    kube.delete(kinds.POD, "p", "default")
    eventually(lambda: cluster.nodes.get(name="node-z").pods == 1)
    eventually(lambda: ({"node-z"}, False) in written[seen:])
    assert not any(whole for _, whole in written[seen:])
    assert list(cluster.nodes.exclude(name="node-z").values_list("name", "seen_at", "pods")) == others


@pytest.fixture
def looking_again(cluster: Cluster, fakekube: FakeKube, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(watching, "AGE_SECONDS", 0.1)
    monkeypatch.setattr(watching, "TURNS", 2)
    running = Watch(cluster, fakekube.connection())
    yield
    running.stop()


def test_a_row_that_another_wrote_wrongly_is_made_right_though_nothing_changes(looking_again: None, cluster: Cluster) -> None:
    eventually(lambda: cluster.nodes.filter(name="node-a", pods=0).exists() and cluster.nodes.count() == 2)
    cluster.nodes.filter(name="node-a").update(pods=9)
    row = cluster.nodes.exclude(name="node-a").get()
    row.pk, row.name = None, "node-of-before"
    row.save()
    eventually(lambda: cluster.nodes.get(name="node-a").pods == 0 and not cluster.nodes.filter(name="node-of-before").exists())


def test_a_node_that_is_gone_loses_its_row(watch: Watch, cluster: Cluster, fakekube: FakeKube, kube: KubeClient) -> None:
    fakekube.node("node-z")
    eventually(lambda: cluster.nodes.filter(name="node-z").exists())
    kube.delete(kinds.NODE, "node-z")
    eventually(lambda: not cluster.nodes.filter(name="node-z").exists())
    assert cluster.nodes.count() == 2


def test_what_could_not_be_written_is_made_good_by_the_next_change(
    watch: Watch, cluster: Cluster, fakekube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakekube.node("node-y")
    eventually(lambda: cluster.nodes.filter(name="node-y").exists())
    write, failed = watching.write_nodes, list[str]()

    def fails_once(*given: Any) -> None:
        if not failed:
            failed.append("now")
            raise RuntimeError("the disk is full")
        write(*given)

    fails_once.__name__ = "write_nodes"
    monkeypatch.setattr(watching, "write_nodes", fails_once)
    fakekube.node_ready("node-y", False)
    eventually(lambda: bool(failed))
    fakekube.node("node-z")
    eventually(lambda: cluster.nodes.filter(name="node-y", ready=False).exists())


def test_a_pod_that_changes_more_quickly_than_it_can_be_noted_is_told_as_it_is_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str, str]] = []

    def observer(cluster_id: int, kind: str, what: str, obj: dict[str, Any]) -> None:
        told.append((kind, what, obj["metadata"]["resourceVersion"]))

    async def store(call: Callable[..., Any], *args: Any) -> Any:
        return call(*args)

    def at(version: str, kind: str = "Pod", **status: Any) -> dict[str, Any]:
        pod = a_pod("mine")
        return {**pod, "kind": kind, "metadata": {**pod["metadata"], "uid": kind, "resourceVersion": version}, "status": status}

    async def watched() -> None:
        picture = watching._Picture(1, store)
        await picture.took(kinds.POD, None, Added(at("1")))
        await picture.took(kinds.JOB, None, Added(at("2", "Job")))
        await picture.took(kinds.JOB, None, Modified(at("2a", "Job", active=1)))
        await picture.took(kinds.JOB, None, Modified(at("3", "Job", conditions=[{"type": "Complete", "status": "True"}])))
        await picture.took(kinds.POD, None, Modified(at("4")))
        await picture.took(kinds.POD, None, Deleted(at("5")))
        (lane,) = (lane for lane in picture.lanes if not lane.empty())
        while not lane.empty():
            await lane.get_nowait()()

    monkeypatch.setattr(watching, "OBSERVERS", {"job": observer})
    asyncio.run(watched())

    assert told == [("Pod", "ADDED", "4"), ("Job", "ADDED", "2"), ("Job", "MODIFIED", "3"), ("Pod", "DELETED", "5")]
