"""Celery's side of endpoints: fetch by id, call a service, done."""

from celery import shared_task

from endpoints import feeding, launch, routes, sweeping
from endpoints.figures import sampling


@shared_task(name="endpoints.apply")
def apply(endpoint_id: int) -> None:
    """Bring an endpoint's keys and routes into its cluster, or out of it."""
    routes.apply_endpoint(endpoint_id)


@shared_task(name="endpoints.roll")
def roll(deployment_id: int) -> None:
    """Bring a deployment a step further."""
    launch.roll_deployment(deployment_id)


@shared_task(name="endpoints.feed")
def feed(replica_id: int) -> None:
    """Carry its files to a pod that cannot fetch them."""
    feeding.feed_replica(replica_id)


@shared_task(name="endpoints.sweep")
def sweep() -> None:
    """Nudge rows that should have moved."""
    sweeping.sweep()


@shared_task(name="endpoints.sample_all")
def sample_all() -> None:
    """Have the router of every cluster with endpoints read."""
    sampling.nudge_samplers()


@shared_task(name="endpoints.sample")
def sample(cluster_id: int) -> None:
    """Read the router of a cluster."""
    sampling.sample_cluster(cluster_id)
