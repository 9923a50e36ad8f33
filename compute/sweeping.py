"""The safety net: nudge rows that should have moved, whatever became of their messages."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from compute import namespaces
from compute.models import Cluster, ClusterStatus, Compute, ComputeStatus, LogRoute
from studio.core.nudge import nudge

# A message takes milliseconds; what has not moved by then lost its message or its worker.
LATE = timedelta(seconds=15)
UNTRIED = timedelta(minutes=3)
# Everything that the watch does not tell (permissions, ways of bytes) is looked at again this often.
AGAIN = timedelta(hours=1)


def sweep() -> None:
    """Nudge what waits."""
    now = timezone.now()
    never = Q(status=ClusterStatus.CONNECTING, probed_at=None, status_at__lt=now - LATE)
    old = Q(status__in=[ClusterStatus.READY, ClusterStatus.DEGRADED], probed_at__lt=now - AGAIN)
    # The ways of bytes could not be tried: an image that was not there yet, a namespace on its way out.
    untried = Q(status__in=[ClusterStatus.READY, ClusterStatus.DEGRADED], log_route=LogRoute.UNKNOWN, simulated=False,
                probed_at__lt=now - UNTRIED)  # fmt: skip
    if settings.RUNNER_IMAGE:
        old |= untried
    away = Q(status=ClusterStatus.UNREACHABLE, status_at__lt=now - LATE)
    for cluster in Cluster.objects.filter(never | old | away):
        nudge("compute.probe_cluster", cluster.pk)
    for cluster in Cluster.objects.filter(status=ClusterStatus.DETACHING):
        nudge("compute.finish_detach", cluster.pk)
    for compute in Compute.objects.filter(status=ComputeStatus.ATTACHING, status_at__lt=now - LATE):
        nudge("compute.finish_attach", compute.pk)
    for id in namespaces.next_ones():
        nudge("compute.look_after", id)
    for compute in Compute.objects.filter(status=ComputeStatus.DETACHING):
        nudge("compute.finish_detach_compute", compute.pk)
