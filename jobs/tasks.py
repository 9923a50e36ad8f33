"""Celery's side of jobs: fetch by id, call a service, done."""

from celery import shared_task

from jobs import explaining, following, launch, leg, services, strays, sweeping


@shared_task(name="jobs.start")
def start(job_id: int) -> None:
    """Bring a job into its cluster."""
    launch.start_job(job_id)


@shared_task(name="jobs.remove")
def remove(job_id: int) -> None:
    """Take a canceled or ended job's objects out of its cluster."""
    launch.remove_job(job_id)


@shared_task(name="jobs.delete")
def delete(job_id: int) -> None:
    """Erase a deleted job."""
    services.erase_job(job_id)


@shared_task(name="jobs.sweep")
def sweep() -> None:
    """Nudge rows that should have moved."""
    sweeping.sweep()


@shared_task(name="jobs.keep_streaming")
def keep_streaming() -> None:
    """Run a leg of the stream, unless somebody does."""
    leg.run()


@shared_task(name="jobs.keep_prepare_log")
def keep_prepare_log(process_id: int) -> None:
    """Keep the log of a preparation that failed."""
    following.keep_prepare_log(process_id)


@shared_task(name="jobs.explain")
def explain(job_id: int) -> None:
    """Ask the cluster's events why a job waits."""
    explaining.explain_from_events(job_id)


@shared_task(name="jobs.verify")
def verify(job_id: int) -> None:
    """Ask the cluster whether a job's object is still there."""
    launch.verify_job(job_id)


@shared_task(name="jobs.remove_strays")
def remove_strays(cluster_id: int) -> None:
    """Take out of a cluster what came back of jobs that were deleted."""
    strays.remove_strays(cluster_id)
