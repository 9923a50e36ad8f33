"""Read what the routers of clusters count, every ten seconds, into slots of time."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from compute.extension.envoy import router_pods, stats_of
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.errors import KubeError
from compute.kube.kubeconfig_parts import KubeconfigRefused
from compute.models import Cluster, ClusterStatus
from compute.selectors import kube_client
from endpoints.figures.counting import QUERY, REFUSED, Backend, Count, Mirror, backend_of, counts_in, since
from endpoints.figures.models import RouterReading, RouterSample, Sample
from endpoints.models import Deployment, Endpoint
from studio.core.nudge import nudge
from studio.live.bus import publish

log = structlog.get_logger(__name__)

# Seconds of a slot, and how long slots of it are kept.
SPANS = {10: timedelta(hours=1, minutes=5), 60: timedelta(hours=24, minutes=10), 600: timedelta(days=14, hours=1)}
# Of what came between readings further apart it is not known when it came: counting begins anew. What is younger has no past
# that could be unknown: it is counted from nothing, so that the first request to the first deployment is not lost.
LONGEST = timedelta(minutes=2)
LEASE = timedelta(seconds=30)
# Mirror → the Service that gets the copies;  (deployment, mirrored) → what it answered.
# The namespace tells endpoints of studios apart that share a router.
Owners = dict[Mirror, str]
Came = dict[tuple[int, bool], Count]
_ANSWERING = (ClusterStatus.READY, ClusterStatus.DEGRADED)


def nudge_samplers() -> None:
    """Have every cluster read whose router serves an endpoint; forget what is too old."""
    now = timezone.now()
    old = Q()
    for span, kept in SPANS.items():
        old |= Q(span=span, at__lt=now - kept)
    Sample.objects.filter(old).delete()
    RouterSample.objects.filter(old).delete()
    clusters = Cluster.objects.filter(status__in=_ANSWERING, simulated=False)
    for pk in clusters.filter(pk__in=Endpoint.objects.values("cluster_id")).values_list("pk", flat=True):
        nudge("endpoints.sample", pk)


def sample_cluster(cluster_id: int) -> None:
    """Read the router of a cluster once, unless somebody else does, and write what came since the last time."""
    cluster = Cluster.objects.filter(pk=cluster_id).first()
    if cluster is None:
        return
    with _leased(cluster) as reading:
        if reading is None:
            return
        try:
            client = kube_client(cluster)
            now_counts = read_router(client)
            # A route may have moved between the two readings; which mirror is whose is asked after the counts.
            owners = owners_of(client, cluster)
        except (KubeError, KubeconfigRefused) as error:
            RouterReading.objects.filter(pk=reading.pk).update(trouble=str(error)[:300])
            return
        keep(cluster, reading, now_counts, owners, timezone.now())


@contextlib.contextmanager
def _leased(cluster: Cluster) -> Iterator[RouterReading | None]:
    reading, _ = RouterReading.objects.get_or_create(cluster=cluster)
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    taken = RouterReading.objects.filter(free, pk=reading.pk, version=reading.version).update(lease_until=now + LEASE)
    try:
        yield reading if taken else None
    finally:
        if taken:
            RouterReading.objects.filter(pk=reading.pk).update(lease_until=None)


@dataclass
class PodCounts:
    """What one pod of a router counts since it began; None when it did not answer."""

    began: datetime | None
    counts: dict[str, Count] | None = None


def read_router(client: KubeClient) -> dict[str, PodCounts]:
    """Return what each pod of the router counts, by the pod's uid."""
    found: dict[str, PodCounts] = {}
    trouble: KubeError | None = None
    for pod in router_pods(client):
        status = pod.get("status") or {}
        if status.get("phase") != "Running":
            continue
        one = found[str(pod["metadata"]["uid"])] = PodCounts(_time(status.get("startTime")))
        try:
            text = stats_of(client, pod, QUERY)
            one.counts = counts_in(text) if text is not None else None
        except KubeError as error:
            trouble = error
    if trouble is not None and all(one.counts is None for one in found.values()):
        raise trouble
    return found


def _time(text: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    # Kubernetes always writes a zone; without one it cannot be compared.
    return at if at.tzinfo else None


def owners_of(client: KubeClient, cluster: Cluster) -> Owners:
    """Return the Service behind each mirror of the routes."""
    owners: Owners = {}
    for namespace in Endpoint.objects.filter(cluster=cluster).values_list("namespace", flat=True).distinct():
        for route in client.list(kinds.HTTP_ROUTE, namespace):
            name = str(route["metadata"]["name"])
            if name.startswith("me-") and name[3:].isdecimal():
                owners |= {Mirror(namespace, int(name[3:]), *place): owner for place, owner in mirrors_in(route).items()}
    return owners


def mirrors_in(route: Mapping[str, Any]) -> dict[tuple[int, int], str]:
    """Return the Service behind each (rule, mirror) of an HTTPRoute, as Envoy Gateway counts them."""
    found: dict[tuple[int, int], str] = {}
    for rule_index, rule in enumerate((route.get("spec") or {}).get("rules") or []):
        for index, each in enumerate(rule.get("filters") or []):
            if each.get("type") == "RequestMirror":
                found[rule_index, index] = str(((each.get("requestMirror") or {}).get("backendRef") or {}).get("name") or "")
    return found


def keep(
    cluster: Cluster,
    reading: RouterReading,
    pods: Mapping[str, PodCounts],
    owners: Owners,
    at: datetime,
) -> None:
    """Write what came since the last reading; a reading that another one overtook writes nothing."""
    since_at = reading.read_at
    follows = since_at is not None and timedelta(0) < at - since_at <= LONGEST
    deployments = {
        row.object_name: row for row in Deployment.objects.filter(endpoint__cluster=cluster).select_related("endpoint__workspace")
    }
    came, refused = _came(reading.counters if follows else None, pods, owners, deployments, at - LONGEST)
    active = {pk for (pk, _), count in came.items() if count.requests}
    kept = {}
    for uid, pod in pods.items():
        # A pod that did not answer goes on from where it was known to stand.
        known = reading.counters.get(uid)
        if pod.counts is not None or known is not None:
            kept[uid] = known if pod.counts is None else {name: count.as_dict() for name, count in pod.counts.items()}
    with transaction.atomic():
        mine = RouterReading.objects.filter(pk=reading.pk, version=reading.version)
        if not mine.update(counters=kept, read_at=at, trouble="", version=F("version") + 1):
            return
        counted = [row for row in deployments.values() if follows or (row.pk, False) in came or (row.pk, True) in came]
        begun = since_at if since_at is not None and follows else max([at - LONGEST, *(row.created_at for row in counted)])
        if begun < at:
            _write(counted, came, begun, at)
            _write_refused(cluster, refused, begun, at)
        for endpoint in {row.endpoint_id: row.endpoint for row in deployments.values() if row.pk in active}.values():
            publish(f"endpoint:{endpoint.pk}", "figures", {})
        for name in {row.endpoint.workspace.name for row in deployments.values() if row.pk in active}:
            publish(f"endpoints:{name}", "figures", {})


def _came(
    before: Mapping[str, Any] | None,
    pods: Mapping[str, PodCounts],
    owners: Owners,
    deployments: Mapping[str, Deployment],
    young: datetime,
) -> tuple[Came, float]:
    """Return what came to each deployment, and how many requests the router refused for want of a key.

    Where a pod was not read `before`, what it counts is taken as new only of a pod or a deployment that is `young`.
    """
    came: Came = defaultdict(Count)
    refused = 0.0
    for uid, pod in pods.items():
        known = None if before is None else before.get(uid)
        sure = known is not None or (pod.began is not None and pod.began >= young)
        for name, count in (pod.counts or {}).items():
            owner = _owner(name, owners, deployments)
            copies = isinstance(backend_of(name), Mirror)
            # Never read before, and older, as a route may be that now copies to a young one: it is not known when it counted these.
            if not sure and (owner is None or copies or owner.created_at < young):
                continue
            grown = since((known or {}).get(name), count)
            if name == REFUSED:
                refused += grown.requests
            elif owner is not None:
                came[owner.pk, copies].add(grown)
    return came, refused


def _owner(name: str, owners: Owners, deployments: Mapping[str, Deployment]) -> Deployment | None:
    """Return the deployment that an Envoy cluster leads to, if it is this studio's."""
    place = backend_of(name)
    if isinstance(place, Backend):
        owner = deployments.get(f"md-{place.deployment}")
        return owner if owner is not None and owner.endpoint.namespace == place.namespace else None
    if isinstance(place, Mirror):
        owner = deployments.get(owners.get(place, ""))
        return owner if owner is not None and owner.endpoint_id == place.endpoint else None
    return None


def slots_between(start: datetime, end: datetime, span: int) -> dict[datetime, float]:
    """Return the slots that lie in a time, each with the seconds of it that do."""
    found = {}
    at = datetime.fromtimestamp(start.timestamp() // span * span, UTC)
    while at < end:
        after = at + timedelta(seconds=span)
        found[at] = (min(end, after) - max(start, at)).total_seconds()
        at = after
    return found


def _write(deployments: Iterable[Deployment], came: Came, start: datetime, end: datetime) -> None:
    """Add what came to the slots of every span, in proportion to the time that lies in each."""
    rows = []
    whole = (end - start).total_seconds()
    listed = list(deployments)
    names = {row.pk: row for row in listed}
    keys = {(pk, False) for pk in names} | {key for key, count in came.items() if count}
    for span in SPANS:
        slots = slots_between(start, end, span)
        known = {
            (sample.endpoint_id, sample.deployment, sample.mirrored, sample.at): sample
            for sample in Sample.objects.filter(span=span, at__in=slots, endpoint__in={row.endpoint_id for row in listed})
        }
        for pk, mirrored in keys:
            row = names[pk]
            for at, seconds in slots.items():
                sample = known.get((row.endpoint_id, row.name, mirrored, at)) or Sample(
                    endpoint_id=row.endpoint_id, deployment=row.name, mirrored=mirrored, span=span, at=at, codes={}, times={}
                )
                rows.append(_added(sample, row, came.get((pk, mirrored)), seconds, seconds / whole))
    Sample.objects.bulk_create(
        rows,
        batch_size=200,
        update_conflicts=True,
        unique_fields=["endpoint", "span", "at", "deployment", "mirrored"],
        update_fields=["seconds", "requests", "codes", "times", "ready"],
    )


def _write_refused(cluster: Cluster, refused: float, start: datetime, end: datetime) -> None:
    """Add the refused requests to their slots, in proportion to the time that lies in each."""
    if not refused:
        return
    for span in SPANS:
        slots = slots_between(start, end, span)
        whole = sum(slots.values())
        for at, seconds in slots.items():
            sample, _ = RouterSample.objects.get_or_create(cluster=cluster, span=span, at=at)
            RouterSample.objects.filter(pk=sample.pk).update(refused=F("refused") + refused * seconds / whole)


def _added(sample: Sample, row: Deployment, count: Count | None, seconds: float, share: float) -> Sample:
    whole = Count(dict(sample.codes), dict(sample.times))
    whole.add(count or Count(), share)
    sample.seconds = round(sample.seconds + seconds, 3)
    sample.codes, sample.times, sample.requests = whole.codes, whole.times, round(whole.requests, 3)
    if not sample.mirrored:
        ready = int(row.observed.get("ready") or 0)
        sample.ready = ready if sample.ready is None else min(sample.ready, ready)
    return sample
