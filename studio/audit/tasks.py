"""The audit's task: entries whose time is over go."""

from celery import shared_task

from studio.audit import keeping


@shared_task(name="audit.delete_old")
def delete_old() -> None:
    """Delete what is older than MOORING_AUDIT_DAYS."""
    keeping.delete_old()
