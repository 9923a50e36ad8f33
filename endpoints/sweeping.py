"""The safety net: find rows that should have moved and nudge them. Any nudge may be lost; none is missed for long."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Mod
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
    for pk in _turn(hungry, _tick(now)):
        nudge("endpoints.feed", pk)


def _sweep_endpoints(now: datetime) -> None:
    lost = Endpoint.objects.filter(compute=None)
    for pk in _turn(lost.filter(status=EndpointStatus.DELETING), _tick(now)):
        nudge("endpoints.apply", pk)
    # Each is moved by this, so that the next sweep finds the others.
    left = lost.exclude(status__in=[EndpointStatus.FAILED, EndpointStatus.DELETING])
    for endpoint in left.select_related("workspace")[:MOST]:
        left_behind(endpoint)
    there = Endpoint.objects.exclude(compute=None)
    waits = there.filter(Q(status__in=MOVING) | ~Q(applied_generation=F("generation")), status_at__lt=now - PATIENCE)
    stands = _of_this_minute(there.filter(status=EndpointStatus.READY), now)
    for pk in sorted({*_turn(waits, _tick(now)), *stands}):
        nudge("endpoints.apply", pk)


def _sweep_deployments(now: datetime) -> None:
    moves = Deployment.objects.filter(Q(status__in=BUSY) | ~Q(applied_generation=F("generation")))
    for pk in sorted({*_turn(moves, _tick(now)), *_of_this_minute(Deployment.objects.all(), now)}):
        nudge("endpoints.roll", pk)


def _of_this_minute(rows: QuerySet[Any], now: datetime) -> list[int]:
    """Return those whose turn it is to be looked at, about once a minute each; the database picks them, as there may be thousands."""
    slots = int(LOOK.total_seconds()) // EVERY
    tick = _tick(now)
    # Whose sweep this is comes round each minute, so that the minute says who of them begins.
    return _turn(rows.annotate(slot=Mod(F("pk") + tick % slots, slots)).filter(slot=0), tick // slots)


def _turn(found: QuerySet[Any], turn: int) -> list[int]:
    """Return as many as one sweep takes: other ones each turn where there are more, so that none is left out for long."""
    every = list(found.order_by("pk").values_list("pk", flat=True))
    if len(every) <= MOST:
        return every
    begin = turn * MOST % len(every)
    return (every[begin:] + every[:begin])[:MOST]


def _tick(now: datetime) -> int:
    """Return the number of this sweep."""
    return int(now.timestamp()) // EVERY
