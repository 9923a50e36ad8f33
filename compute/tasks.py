"""Celery tasks of clusters and computes: fetch by id, call a service, done."""

from celery import shared_task

from compute import namespaces, probing, sweeping
from compute.extension import health, operations
from compute.services import clusters, computes


@shared_task(name="compute.probe_cluster")
def probe_cluster(cluster_id: int) -> None:
    """Look at a cluster and note what is found."""
    probing.probe_cluster(cluster_id)


@shared_task(name="compute.finish_detach")
def finish_detach(cluster_id: int) -> None:
    """Clean a cluster that is being detached, and drop it when that is done."""
    clusters.finish_detach(cluster_id)


@shared_task(name="compute.finish_attach")
def finish_attach(compute_id: int) -> None:
    """Bring a compute whose attaching was cut off to its end."""
    computes.finish_attach(compute_id)


@shared_task(name="compute.finish_detach_compute")
def finish_detach_compute(compute_id: int) -> None:
    """Clean what a compute leaves, and drop it when that is done."""
    computes.finish_detach_compute(compute_id)


@shared_task(name="compute.look_after")
def look_after(compute_id: int) -> None:
    """See that a compute's namespace is still there."""
    namespaces.look_after(compute_id)


@shared_task(name="compute.run_extension")
def run_extension(operation_id: int) -> None:
    """Work on an operation of a cluster's extension."""
    operations.run_operation(operation_id)


@shared_task(name="compute.watch_extension")
def watch_extension(extension_id: int) -> None:
    """Look at a cluster's extension."""
    health.watch_extension(extension_id)


@shared_task(name="compute.sweep")
def sweep() -> None:
    """Nudge every cluster, compute and extension that should have moved."""
    sweeping.sweep()
    health.sweep()
