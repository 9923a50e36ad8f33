"""The safety net: find rows that should have moved and nudge them. Any nudge may be lost; none is missed for long."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone

from endpoints.following import forget_logs
from endpoints.models import ROLLING, Deployment, DeploymentStatus, Endpoint, EndpointStatus, Replica
from endpoints.services.endpoints import left_behind
from studio.core.nudge import nudge

# Younger rows are left to the nudge that their own transaction sent.
PATIENCE = timedelta(seconds=5)
# What stands is looked at now and then, too: somebody may have changed it in the cluster.
LOOK = timedelta(seconds=60)
FEED = timedelta(seconds=15)
# How often the sweep comes, and how many of a kind it nudges each time; where more wait, they take turns.
EVERY = 5
MOST = 200
MOVING = (EndpointStatus.CREATING, EndpointStatus.UPDATING, EndpointStatus.DELETING, EndpointStatus.FAILED)
BUSY = (*ROLLING, DeploymentStatus.DELETING, DeploymentStatus.DEGRADED)


def sweep() -> None:
    """Nudge what waits for the cluster, for the router, or for its end; now and then also what stands."""
    now = timezone.now()
    _sweep_endpoints(now)
    _sweep_deployments(now)
    if now.second < EVERY:
        forget_logs()
    hungry = Replica.objects.filter(deployment__transport="push", state="preparing").filter(Q(fed_at=None) | Q(fed_at__lt=now - FEED))
    for pk in _turn(hungry.order_by("pk").values_list("pk", flat=True), now):
        nudge("endpoints.feed", pk)


def _sweep_endpoints(now: datetime) -> None:
    lost = Endpoint.objects.filter(compute=None)
    for pk in _turn(lost.filter(status=EndpointStatus.DELETING).order_by("pk").values_list("pk", flat=True), now):
        nudge("endpoints.apply", pk)
    # Each is moved by this, so that the next sweep finds the others.
    left = lost.exclude(status__in=[EndpointStatus.FAILED, EndpointStatus.DELETING])
    for endpoint in left.select_related("workspace")[:MOST]:
        left_behind(endpoint)
    there = Endpoint.objects.exclude(compute=None).order_by("pk")
    waits = there.filter(Q(status__in=MOVING) | ~Q(applied_generation=F("generation")), status_at__lt=now - PATIENCE)
    due = set(_turn(waits.values_list("pk", flat=True), now))
    stands = there.filter(status=EndpointStatus.READY).values_list("pk", "applied__at")
    due |= set(_turn([pk for pk, at in stands if str(at or "") < (now - LOOK).isoformat()], now))
    for pk in sorted(due):
        nudge("endpoints.apply", pk)


def _sweep_deployments(now: datetime) -> None:
    rows = Deployment.objects.order_by("pk").values_list("pk", "status", "applied_generation", "generation")
    moves = [pk for pk, status, applied, wanted in rows if status in BUSY or applied != wanted]
    stands = [pk for pk, _, _, _ in rows if _minute(pk, now)]
    for pk in sorted({*_turn(moves, now), *_turn(stands, now)}):
        nudge("endpoints.roll", pk)


def _turn(found: Iterable[int], now: datetime) -> list[int]:
    """Return as many as one sweep takes: other ones each time where there are more, so that none is left out for long."""
    every = list(found)
    if len(every) <= MOST:
        return every
    begin = int(now.timestamp()) // EVERY * MOST % len(every)
    return (every[begin:] + every[:begin])[:MOST]


def _minute(pk: int, now: datetime) -> bool:
    """Tell whether it is this deployment's turn to be looked at, about once a minute."""
    slots = int(LOOK.total_seconds()) // EVERY
    return (int(now.timestamp()) // EVERY + pk) % slots == 0
