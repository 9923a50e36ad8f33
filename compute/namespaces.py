"""See that the namespace of each compute is still there: nobody tells the studio when somebody deletes it."""

from typing import Any

import structlog

from compute.connections import kube_client
from compute.kube import kinds
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import Forbidden, KubeError
from compute.models import NO_NAMESPACE, ClusterStatus, Compute, ComputeStatus
from compute.observe import is_terminating
from studio.core.errors import ProblemError
from studio.core.states import move

log = structlog.get_logger(__name__)

# So many are looked at in a turn of the sweep: each of a few every few seconds, a hundred within some minutes.
AT_A_TURN = 4
LOOKED_AFTER = (ComputeStatus.READY, ComputeStatus.DEGRADED)
_last = 0


def next_ones() -> list[int]:
    """Return the computes whose turn it is, from where the last turn ended."""
    global _last
    there = [ClusterStatus.READY, ClusterStatus.DEGRADED]
    rows = Compute.objects.filter(status__in=LOOKED_AFTER, cluster__status__in=there).order_by("pk").values_list("pk", flat=True)
    found = list(rows.filter(pk__gt=_last)[:AT_A_TURN])
    if len(found) < AT_A_TURN:
        found += list(rows.filter(pk__lte=_last)[: AT_A_TURN - len(found)])
    _last = found[-1] if found else 0
    return found


def look_after(compute_id: int) -> None:
    """Say of a compute that its namespace is gone or on its way out, and that it is back."""
    compute = Compute.objects.select_related("cluster", "workspace").filter(pk=compute_id, status__in=LOOKED_AFTER).first()
    if compute is None:
        return
    try:
        found = kube_client(compute.cluster).find(kinds.NAMESPACE, compute.namespace)
    except Forbidden:
        return  # the least-privilege identity of a namespace may not see it; its jobs tell
    except (KubeError, KubeconfigRefused) as error:
        log.info("namespace could not be looked at", compute=compute.name, error=str(error))
        return
    id = _what_is_wrong(found)
    if id and compute.problem_id != id:
        text = ProblemError(id, namespace=compute.namespace, cluster=compute.cluster.name).text
        move(compute, ComputeStatus.DEGRADED, expect=LOOKED_AFTER, reason=text[:500], problem_id=id)
    elif not id and compute.problem_id in NO_NAMESPACE:
        move(compute, ComputeStatus.READY, expect=ComputeStatus.DEGRADED, problem_id="")


def _what_is_wrong(found: dict[str, Any] | None) -> str:
    if found is None:
        return "compute-namespace-missing"
    return "compute-namespace-terminating" if is_terminating(found) else ""
