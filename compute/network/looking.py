"""Keep the network of clusters true: what the tasks and the sweep of this part do."""

import ipaddress
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from compute import probing
from compute.connections import kube_client
from compute.extension.models import Extension
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import KubeError
from compute.kube.kinds import Kind
from compute.models import Cluster, ClusterStatus
from compute.network.applying import settle_certificate
from compute.network.certificates import SOON_DAYS
from compute.network.models import CertificateStatus, EgressCheck, PodNetworkSettings, RouterCertificate
from compute.network.selectors import settings_of, warnings_of
from studio.core.nudge import nudge
from studio.notices.services import tell_operators

log = structlog.get_logger(__name__)

# A message takes milliseconds; what has not moved by then lost its message or its worker.
LATE = timedelta(seconds=15)
# The Secret is looked at this often: changed by somebody else, renewed where it is followed, about to end.
LOOK = timedelta(minutes=5)
RANGES = timedelta(days=1)
MAX_RANGES = 60
ENDING = {"certificate-ends-soon", "certificate-ends-very-soon", "certificate-expired"}
SERVICE_CIDR = Kind("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR")


def settle_network(cluster_id: int) -> None:
    """Bring a cluster's certificate there, learn its ranges, and say on the cluster what is wrong."""
    cluster = Cluster.objects.filter(pk=cluster_id).exclude(status=ClusterStatus.DETACHING).first()
    if cluster is None:
        return
    settle_certificate(cluster)
    _learn_ranges(cluster)
    probing.settle_sources(cluster)


def sweep() -> None:
    """Nudge the networks that were not looked at for a while, and checks that lost their message or their worker."""
    now = timezone.now()
    _tell_of_ends(now)
    answering = [ClusterStatus.READY, ClusterStatus.DEGRADED]
    late = Q(status__in=[CertificateStatus.WAITING, CertificateStatus.REMOVING], status_at__lt=now - LATE) & (
        Q(checked_at=None) | Q(checked_at__lt=now - LATE)
    )
    due = Q(checked_at=None, status_at__lt=now - LATE) | Q(checked_at__lt=now - LOOK) | Q(overwrite=True, checked_at__lt=now - LATE)
    rows = RouterCertificate.objects.filter(late | due, cluster__status__in=answering)
    wanted = set(rows.values_list("cluster_id", flat=True))
    old = Q(ranges_at=None) | Q(ranges_at__lt=now - RANGES)
    proxied = PodNetworkSettings.objects.filter(old, cluster__status__in=answering).exclude(http_proxy="", https_proxy="")
    wanted |= set(proxied.values_list("cluster_id", flat=True))
    # A Secret that the extension's setting names, and that nobody looks after yet.
    named = Extension.objects.exclude(settings__sslSecret=None).exclude(settings__sslSecret="").filter(revision__gt=0)
    wanted |= set(named.filter(cluster__certificate=None, cluster__status__in=answering).values_list("cluster_id", flat=True))
    for cluster_id in wanted:
        nudge("compute.settle_network", cluster_id)
    free = Q(taken_until=None, asked_at__lt=now - LATE) | Q(taken_until__lt=now)
    for check_id in EgressCheck.objects.filter(free, cleaned=False).values_list("pk", flat=True):
        nudge("compute.try_egress", check_id)


def _tell_of_ends(now: datetime) -> None:
    """Tell operators of certificates that end soon, very soon, or have ended: each once for each certificate."""
    near = RouterCertificate.objects.select_related("cluster").filter(Q(ends_at__lt=now + timedelta(days=SOON_DAYS)) | ~Q(direct={}))
    for row in near.exclude(status=CertificateStatus.REMOVING).exclude(cluster__status=ClusterStatus.DETACHING):
        for problem in warnings_of(row, now):
            if problem.problem.id in ENDING:
                url = reverse("compute:network", args=[row.cluster.name])
                about = f"certificate:{row.cluster_id}:{row.router_facts.get('fingerprint') or row.wanted}:{problem.problem.id}"
                tell_operators("certificate-ends", title=f"{row.cluster.name}: {problem.title}", text=problem.text, url=url, about=about)


def _learn_ranges(cluster: Cluster) -> None:
    """Note which addresses are the cluster's own: they are reached without a proxy."""
    row = settings_of(cluster)
    if row is None or not (row.proxy("http_proxy") or row.proxy("https_proxy")):
        return
    if row.ranges_at and row.ranges_at > timezone.now() - RANGES:
        return
    try:
        ranges = ranges_of(kube_client(cluster))
    except (KubeError, KubeconfigRefused) as error:
        log.info("ranges not learned", cluster=cluster.name, error=str(error))
        return
    changed = ranges != row.ranges
    PodNetworkSettings.objects.filter(pk=row.pk).update(ranges=ranges, ranges_at=timezone.now(), version=F("version") + 1)
    if changed:
        cluster.announce()


def ranges_of(client: KubeClient) -> list[str]:
    """Return the ranges of pods and Services that a cluster tells; what it does not tell is left out."""
    ranges: list[str] = []
    for node in client.list(kinds.NODE):
        spec = node.get("spec") or {}
        ranges += spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    for each in _if_told(lambda: client.list(SERVICE_CIDR), []):
        ranges += (each.get("spec") or {}).get("cidrs") or []
    own = _if_told(lambda: client.find(kinds.SERVICE, "kubernetes", "default"), None)
    ranges += ((own or {}).get("spec") or {}).get("clusterIPs") or []
    return joined(ranges)


def joined(ranges: list[str]) -> list[str]:
    """Return ranges with neighbours put together: a thousand nodes have a thousand ranges, side by side."""
    networks = [ipaddress.ip_network(each, strict=False) for each in dict.fromkeys(ranges)]
    four = ipaddress.collapse_addresses(each for each in networks if isinstance(each, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(each for each in networks if isinstance(each, ipaddress.IPv6Network))
    return [str(each) for each in (*four, *six)][:MAX_RANGES]


def _if_told(ask: Any, otherwise: Any) -> Any:
    """Return an answer, or `otherwise` where the identity may not ask or an older cluster has no such thing."""
    try:
        return ask()
    except KubeError as error:
        if error.retryable:
            raise
        return otherwise
