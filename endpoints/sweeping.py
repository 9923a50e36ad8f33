"""The safety net: find rows that should have moved and nudge them. Any nudge may be lost; none is missed for long."""

from datetime import datetime, timedelta

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
MOST = 200


def sweep() -> None:
    """Nudge what waits for the cluster, for the router, or for its end; now and then also what stands."""
    now = timezone.now()
    moving = [EndpointStatus.CREATING, EndpointStatus.UPDATING, EndpointStatus.DELETING, EndpointStatus.FAILED]
    for lost in Endpoint.objects.filter(compute=None).exclude(status=EndpointStatus.FAILED).select_related("workspace")[:MOST]:
        if lost.status == EndpointStatus.DELETING:
            nudge("endpoints.apply", lost.pk)
        else:
            left_behind(lost)
    for endpoint in Endpoint.objects.exclude(compute=None).order_by("pk")[:MOST]:
        late = endpoint.applied_generation != endpoint.generation and endpoint.status_at < now - PATIENCE
        waits = endpoint.status in moving and endpoint.status_at < now - PATIENCE
        if late or waits or (endpoint.status == EndpointStatus.READY and _old(endpoint, now)):
            nudge("endpoints.apply", endpoint.pk)
    busy = [*ROLLING, DeploymentStatus.DELETING, DeploymentStatus.DEGRADED]
    for deployment in Deployment.objects.order_by("pk")[:MOST]:
        if deployment.status in busy or deployment.applied_generation != deployment.generation or _minute(deployment, now):
            nudge("endpoints.roll", deployment.pk)
    if now.second < 5:
        forget_logs()
    hungry = Replica.objects.filter(deployment__transport="push", state="preparing")
    for replica in hungry[:MOST]:
        if replica.fed_at is None or replica.fed_at < now - FEED:
            nudge("endpoints.feed", replica.pk)


def _old(endpoint: Endpoint, now: datetime) -> bool:
    return str(endpoint.applied.get("at") or "") < (now - LOOK).isoformat()


def _minute(deployment: Deployment, now: datetime) -> bool:
    """Tell whether it is this deployment's turn to be looked at, about once a minute."""
    return (int(now.timestamp()) // 5 + deployment.pk) % (int(LOOK.total_seconds()) // 5) == 0
