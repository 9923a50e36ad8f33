"""Celery's side of endpoints: fetch by id, call a service, done."""

from celery import shared_task

from endpoints.figures import sampling


@shared_task(name="endpoints.sample_all")
def sample_all() -> None:
    """Have the router of every cluster with endpoints read."""
    sampling.nudge_samplers()


@shared_task(name="endpoints.sample")
def sample(cluster_id: int) -> None:
    """Read the router of a cluster."""
    sampling.sample_cluster(cluster_id)
