"""Keep a cluster's rows true for as long as the stream leg runs: one set of watches per cluster serves every app.

Nodes, pods and instance types become rows at most once a second; a change of a pod or Job that carries the label
`mooring.dev/kind` is handed to that kind's observer. All database work goes through the leg's bounded executor.
"""

import asyncio
import contextlib
import itertools
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from compute.connections import connection_of, fingerprint
from compute.instance_types import ORIGINAL, OURS
from compute.kube import kinds, names
from compute.kube.aclient import AsyncKubeClient
from compute.kube.client import KubeClient, Rule
from compute.kube.config import Connection, KubeconfigRefused
from compute.kube.errors import Forbidden, KubeError, NotFound
from compute.kube.kinds import Kind
from compute.kube.watch import Added, Back, Change, Deleted, Lost, Modified, Pace, Snapshot, watch
from compute.models import Cluster, Compute
from compute.observe import as_counted
from compute.seeing import lost_since, seen_again, still_there, write_nodes, write_quotas, write_types

log = structlog.get_logger(__name__)

Object = dict[str, Any]
# Run a function in the leg's bounded executor and wait for it.
Store = Callable[..., Awaitable[Any]]
# kind label → observer(cluster_id, "Pod" or "Job", "ADDED" | "MODIFIED" | "DELETED", object)
OBSERVERS: dict[str, Callable[[int, str, str, Object], None]] = {}
# kind label → called after each complete list with (cluster_id, "Pod" or "Job", namespace or None for all, uids)
SNAPSHOTS: dict[str, Callable[[int, str, str | None, set[str]], None]] = {}
# app → the namespaces of a cluster in which something of it is still to be followed, also when no compute is there any more
SCOPES: dict[str, Callable[[int], set[str]]] = {}

WRITE_SECONDS = 1.0
AGE_SECONDS = 5.0
# In so many turns of `AGE_SECONDS` each node is written once, whatever was told: the probe writes the same rows from a list
# of its own. Some at each turn: a thousand at once keep what has just changed waiting.
TURNS = 12
SCOPE_SECONDS = 2.0
# Noting what is seen takes a processor, not time: more lanes would only keep others from it.
LANES = 2
TYPES: dict[Kind, str] = {kinds.INSTANCE_TYPE: OURS, kinds.AZUREML_INSTANCE_TYPE: ORIGINAL}


def watched_clusters() -> dict[int, str]:
    """Return the clusters to watch, each with a text that changes when its connection does (then watch anew)."""
    found: dict[int, str] = {}
    for cluster in Cluster.objects.all():
        # One whose credentials cannot be opened is no reason to look at none: it is told as unreachable where it is probed.
        with contextlib.suppress(KubeconfigRefused):
            found[cluster.pk] = fingerprint(cluster)
    return found


def connection_for(cluster_id: int) -> Connection:
    """Return how to reach a cluster; raises Cluster.DoesNotExist or KubeconfigRefused."""
    return connection_of(Cluster.objects.get(pk=cluster_id))


async def watch_cluster(cluster_id: int, connection: Connection, store: Store, *, pace: Pace | None = None) -> None:
    """Watch one cluster until cancelled; what the cluster or the database says wrongly is logged, and goes on."""
    async with AsyncKubeClient(connection) as client:
        picture = _Picture(cluster_id, store)
        everywhere = await store(_allowed_everywhere, connection)
        async with asyncio.TaskGroup() as group:
            for lane in picture.lanes:
                group.create_task(picture.tell(lane))
            group.create_task(picture.write())
            group.create_task(picture.age())
            group.create_task(_follow(picture, client, kinds.NODE, None, None, pace))
            for kind in TYPES:
                group.create_task(_follow(picture, client, kind, None, None, pace))
            # Only where computes are: what other namespaces may use is nobody's business here.
            group.create_task(_follow_ours(picture, client, kinds.RESOURCE_QUOTA, None, pace))
            ours: dict[str, str | None] = {names.MANAGED_BY: names.MANAGER}
            for kind, labels in ((kinds.POD, None), (kinds.JOB, ours)):
                if everywhere[kind.plural]:
                    group.create_task(_follow(picture, client, kind, None, labels, pace))
                else:
                    group.create_task(_follow_ours(picture, client, kind, labels, pace))


class _Picture:
    """Hold what is known of a cluster, and what of it has still to be written or told."""

    def __init__(self, cluster_id: int, store: Store) -> None:
        self.cluster_id = cluster_id
        self.store = store
        # (kind, namespace or None) → uid → object
        self.objects: dict[tuple[Kind, str | None], dict[str, Object]] = {}
        self.lost: set[tuple[Kind, str | None]] = set()
        self.lanes: list[asyncio.Queue[Callable[[], Awaitable[Any]]]] = [asyncio.Queue() for _ in range(LANES)]
        # uid → how a pod is by now, while an earlier change of it waits in its lane
        self.waiting: dict[str, Object] = {}
        self.dirty: set[Kind] = set()
        self.changed = asyncio.Event()
        # The nodes that something was told of since they were last written; `whole` when that may be any of them.
        self.moved: set[str] = set()
        self.whole = True

    async def took(self, kind: Kind, scope: str | None, change: Change) -> None:
        """Take one change of one watch in."""
        if isinstance(change, Lost):
            await self._lost(kind, scope, change)
        elif isinstance(change, Back):
            await self._back(kind, scope)
        elif isinstance(change, Snapshot):
            await self._snapshot(kind, scope, change.objects)
        else:
            self._changed(kind, scope, change)

    def forget(self, kind: Kind, scope: str) -> None:
        """Drop a namespace that is watched no longer."""
        self.objects.pop((kind, scope), None)
        self.lost.discard((kind, scope))
        self._mark(kind, whole=True)

    def all_of(self, kind: Kind) -> list[Object]:
        """Return all known objects of a kind."""
        return [each for (of, _), known in self.objects.items() if of == kind for each in known.values()]

    async def write(self) -> None:
        """Write what changed, at most once a second."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            dirty, self.dirty = self.dirty, set()
            began = time.monotonic()
            # Pods without nodes would say that the cluster has none.
            if dirty & {kinds.NODE, kinds.POD} and (kinds.NODE, None) in self.objects:
                await self._write_nodes()
            if kinds.RESOURCE_QUOTA in dirty:
                await self._do(write_quotas, self.cluster_id, self.all_of(kinds.RESOURCE_QUOTA))
            for kind, group in TYPES.items():
                if kind in dirty:
                    await self._do(write_types, self.cluster_id, self.all_of(kind), group)
            await asyncio.sleep(max(WRITE_SECONDS - (time.monotonic() - began), 0.05))

    async def _write_nodes(self) -> None:
        """Write the nodes that changed, or on which a pod did: thousands of others are left alone."""
        moved, self.moved = self.moved, set()
        whole, self.whole = self.whole, False
        nodes, pods = self.all_of(kinds.NODE), self.all_of(kinds.POD)
        there = None if whole else {each["metadata"]["name"] for each in nodes}
        if not whole:
            nodes = [each for each in nodes if each["metadata"]["name"] in moved]
            pods = [each for each in pods if _node_of(each) in moved]
        if (whole or moved) and not await self._do(write_nodes, self.cluster_id, nodes, pods, there):
            self.whole = True

    async def age(self) -> None:
        """Note that the cluster is still there, while every watch says so, and look at some of its nodes again."""
        for turn in itertools.count():
            await asyncio.sleep(AGE_SECONDS)
            if not self.lost and (kinds.NODE, None) in self.objects:
                await self._do(still_there, self.cluster_id)
                names = (str(each["metadata"]["name"]) for each in self.all_of(kinds.NODE))
                self.moved.update(name for name in names if zlib.crc32(name.encode()) % TURNS == turn % TURNS)
                self._mark(kinds.NODE)

    async def tell(self, lane: "asyncio.Queue[Callable[[], Awaitable[Any]]]") -> None:
        """Hand the changes of one lane to their observers, in order."""
        while True:
            await (await lane.get())()

    async def _lost(self, kind: Kind, scope: str | None, change: Lost) -> None:
        if kind != kinds.NODE and isinstance(change.error, NotFound | Forbidden):
            # The cluster answers, and has nothing for us: the original's custom resource is in few clusters, ours may
            # come later, a namespace may have gone, and missing permissions are the probe's to tell.
            self.objects[(kind, scope)] = {}
            self._mark(kind, whole=True)
            return
        self.lost.add((kind, scope))
        await self._do(lost_since, self.cluster_id, change.error, change.since)

    async def _back(self, kind: Kind, scope: str | None) -> None:
        was = bool(self.lost)
        self.lost.discard((kind, scope))
        if was and not self.lost:
            await self._do(seen_again, self.cluster_id)

    async def _snapshot(self, kind: Kind, scope: str | None, objects: list[Object]) -> None:
        before = self.objects.get((kind, scope), {})
        now = {each["metadata"]["uid"]: each for each in objects}
        self.objects[(kind, scope)] = {uid: _held(kind, each) for uid, each in now.items()}
        self._mark(kind, whole=True)
        for uid, each in now.items():
            self._tell(kind, "MODIFIED" if uid in before else "ADDED", each)
        for uid, each in before.items():
            if uid not in now:
                self._tell(kind, "DELETED", each)
        if kind in (kinds.POD, kinds.JOB):
            for label, told in SNAPSHOTS.items():
                uids = {uid for uid, each in now.items() if _kind_label(each) == label}
                await self._do(told, self.cluster_id, kind.name, scope, uids)

    def _changed(self, kind: Kind, scope: str | None, change: Added | Modified | Deleted) -> None:
        known = self.objects.setdefault((kind, scope), {})
        uid = change.object["metadata"]["uid"]
        before = known.get(uid)
        self._touch(kind, before, change)
        if isinstance(change, Deleted):
            known.pop(uid, None)
        else:
            known[uid] = _held(kind, change.object)
        self._mark(kind)
        if not (isinstance(change, Modified) and kind == kinds.JOB and before and _says(before) == _says(change.object)):
            self._tell(kind, type(change).__name__.upper(), change.object)

    def _touch(self, kind: Kind, before: Object | None, change: Added | Modified | Deleted) -> None:
        """Note which nodes a change is about: a pod's own, and the one that it had."""
        if kind == kinds.NODE:
            self.moved.add(change.object["metadata"]["name"])
        elif kind == kinds.POD:
            self.moved.update(name for each in (before, change.object) if each and (name := _node_of(each)))

    def _mark(self, kind: Kind, *, whole: bool = False) -> None:
        self.whole = self.whole or (whole and kind in (kinds.NODE, kinds.POD))
        self.dirty.add(kind)
        self.changed.set()

    def _tell(self, kind: Kind, what: str, obj: Object) -> None:
        if kind not in (kinds.POD, kinds.JOB):
            return
        label = _kind_label(obj)
        observer = OBSERVERS.get(label) if label else None
        if observer is None:
            return
        # One object's changes stay in order: they share a lane.
        lane = self.lanes[hash(_identity(obj)) % LANES]
        if kind != kinds.POD or what == "DELETED":
            lane.put_nowait(lambda: self._do(observer, self.cluster_id, kind.name, what, obj))
            return
        # Of a pod that changes more quickly than can be noted only the last is noted: it tells all that were before. Not so
        # of a Job: what it says of its end must come after what its pods said of theirs.
        uid = obj["metadata"]["uid"]
        if uid not in self.waiting:
            lane.put_nowait(lambda: self._do(observer, self.cluster_id, kind.name, what, self.waiting.pop(uid)))
        self.waiting[uid] = obj

    async def _do(self, does: Callable[..., Any], *args: Any) -> bool:
        """Have something noted; False when that failed."""
        try:
            await self.store(does, *args)
        except Exception:
            log.exception("what was seen could not be noted", cluster=self.cluster_id, step=does.__name__)
            return False
        return True


async def _follow(
    picture: _Picture,
    client: AsyncKubeClient,
    kind: Kind,
    namespace: str | None,
    labels: dict[str, str | None] | None,
    pace: Pace | None,
) -> None:
    changes = watch(client, kind, namespace=namespace, labels=labels, pace=pace)
    async with contextlib.aclosing(changes):
        async for change in changes:
            await picture.took(kind, namespace, change)


async def _follow_ours(
    picture: _Picture, client: AsyncKubeClient, kind: Kind, labels: dict[str, str | None] | None, pace: Pace | None
) -> None:
    """Watch a kind in each namespace that is a compute, or in which something left of one runs: all that we may see."""
    tasks: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            wanted = await picture.store(_namespaces, picture.cluster_id)
            for namespace in wanted - set(tasks):
                follow = _follow(picture, client, kind, namespace, labels, pace)
                tasks[namespace] = asyncio.create_task(follow)
            for namespace in [name for name, task in tasks.items() if task.done()]:
                # A watch never ends by itself: begin anew at the next turn.
                log.error("a watch ended", namespace=namespace, exc_info=tasks.pop(namespace).exception())
            for namespace in set(tasks) - wanted:
                tasks.pop(namespace).cancel()
                picture.forget(kind, namespace)
            await asyncio.sleep(SCOPE_SECONDS)
    finally:
        for task in tasks.values():
            task.cancel()


def _namespaces(cluster_id: int) -> set[str]:
    computes = set(Compute.objects.filter(cluster=cluster_id).values_list("namespace", flat=True))
    return computes.union(*(scope(cluster_id) for scope in SCOPES.values()))


def _allowed_everywhere(connection: Connection) -> dict[str, bool]:
    """Return for pods and Jobs whether we may watch them in all namespaces; yes while nobody can say."""
    rules = [Rule("watch", kinds.POD), Rule("watch", kinds.JOB)]
    try:
        with KubeClient(connection) as client:
            return {answer.rule.kind.plural: answer.allowed for answer in client.can_i(rules)}
    except KubeError:
        return {kinds.POD.plural: True, kinds.JOB.plural: True}


def _says(job: Object) -> tuple[Any, ...]:
    """Return the parts of a Job that observers read: its conditions, whether it is being deleted, and its labels.

    Its counts of pods (active, ready, succeeded) are left out: they change some four times a pod, and the pods tell the same.
    """
    metadata = job["metadata"]
    return (job.get("status") or {}).get("conditions"), metadata.get("deletionTimestamp"), metadata.get("labels")


def _held(kind: Kind, obj: Object) -> Object:
    """Return what is held of an object: of a pod that no observer asks about what counting it needs."""
    return as_counted(obj) if kind == kinds.POD and _kind_label(obj) is None else obj


def _node_of(pod: Object) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _kind_label(obj: Object) -> str | None:
    labels = obj["metadata"].get("labels") or {}
    return labels.get(names.KIND) if labels.get(names.MANAGED_BY) == names.MANAGER else None


def _identity(obj: Object) -> str:
    # A job's pods and its Job are told in the order in which they were seen: they share the row's id.
    return str((obj["metadata"].get("labels") or {}).get(names.ID) or obj["metadata"]["uid"])
