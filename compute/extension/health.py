"""The extension after it was brought: looked at again and again, and said to be ready or not whole."""

from datetime import timedelta
from typing import Any

import structlog
from django.db.models import Q
from django.utils import timezone

from compute.connections import kube_client
from compute.extension import refusals
from compute.extension.checking import owned_elsewhere
from compute.extension.looking import Looker
from compute.extension.models import OPEN, Extension, ExtensionOperation, ExtensionStatus
from compute.extension.observe import worst
from compute.extension.release import history, last_deployed, read_release
from compute.extension.wanted import read
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import KubeError
from compute.models import ClusterStatus, StudioIdentity
from studio.core.errors import ProblemError
from studio.core.nudge import nudge
from studio.core.states import move, touch

log = structlog.get_logger(__name__)

AGAIN = timedelta(seconds=14)
WATCHED = (ExtensionStatus.READY, ExtensionStatus.DEGRADED, ExtensionStatus.FAILED)


def sweep() -> None:
    """Nudge operations that nobody works on, and looks that are due."""
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    for operation in ExtensionOperation.objects.filter(free, status__in=OPEN):
        nudge("compute.run_extension", operation.pk)
    due = Extension.objects.filter(Q(seen_at=None) | Q(seen_at__lt=now - AGAIN), status__in=WATCHED, revision__gt=0)
    for row in due.exclude(cluster__status__in=[ClusterStatus.UNREACHABLE, ClusterStatus.DETACHING]):
        nudge("compute.watch_extension", row.pk)


def watch_extension(extension_id: int) -> None:
    """Look at an extension once; what is wrong with it becomes its reason."""
    row = Extension.objects.select_related("cluster").filter(pk=extension_id, status__in=WATCHED, revision__gt=0).first()
    if row is None or row.operations.filter(status__in=OPEN).exists():
        return
    wanted, _ = read(row.settings)
    try:
        client = kube_client(row.cluster)
        last = last_deployed(history(client))
        found = read_release(client, last.revision) if last else None
        looker = Looker(client)
        seen = [each.as_row() for each in looker.look(found)]
        router = looker.router(wanted) if wanted.enable_inference else {}
        if wanted.enable_inference and found:
            router["proxies"], refusal = refusals.look(client, row.router.get("proxies") or {})
            if refusal is not None:
                seen.insert(0, refusal.as_row())
                router["problem_id"] = "extension-router-refuses"
    except (KubeError, KubeconfigRefused) as error:
        log.info("extension could not be looked at", cluster=row.cluster.name, error=str(error))
        Extension.objects.filter(pk=row.pk).update(seen_at=timezone.now())
        return
    state, text = worst(seen) if found else ("missing", "The release is not in the cluster any more.")
    other = str(found.values.get("studio") or "") if found else StudioIdentity.get()
    if other != StudioIdentity.get():
        elsewhere = owned_elsewhere(other)
        state, text, router["problem_id"] = "failed", elsewhere.text, elsewhere.problem.id
    _note(row, state, text, seen, router | {"ready": state == "ready"})


def _note(row: Extension, state: str, text: str, seen: list[dict[str, str]], router: dict[str, Any]) -> None:
    """Write down what was seen, unless an operation has begun meanwhile."""
    facts: dict[str, Any] = {"health": seen, "router": router, "seen_at": timezone.now()}
    if state == "ready":
        status, reason, problem = ExtensionStatus.READY, "", ""
    else:
        known = str(router.get("problem_id") or "extension-degraded")
        status, problem = ExtensionStatus.DEGRADED, known
        reason = ProblemError("extension-degraded", text=text).text[:500]
    if row.status != status:
        move(row, status, expect=row.status, reason=reason, problem_id=problem, **facts)
        return
    if (row.health, row.reason, _shown(row.router)) != (seen, reason, _shown(router)):
        touch(row, reason=reason, problem_id=problem, **facts)
        row.announce()
    else:
        Extension.objects.filter(pk=row.pk).update(seen_at=facts["seen_at"], router=router)


def _shown(router: dict[str, Any]) -> dict[str, Any]:
    """Return what of a router's facts people see: what its proxies count changes all the time."""
    return {key: value for key, value in router.items() if key != "proxies"}
