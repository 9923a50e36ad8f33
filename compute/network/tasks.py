"""Celery tasks of clusters' networks: fetch by id, call a service, done."""

from celery import shared_task

from compute.network import egress, looking


@shared_task(name="compute.settle_network")
def settle_network(cluster_id: int) -> None:
    """Bring a cluster's certificate there, and look at what is set for its pods."""
    looking.settle_network(cluster_id)


@shared_task(name="compute.try_egress")
def try_egress(check_id: int) -> None:
    """Try addresses from a pod of a cluster."""
    egress.try_egress(check_id)


@shared_task(name="compute.sweep_network")
def sweep_network() -> None:
    """Nudge every network that should be looked at again."""
    looking.sweep()
