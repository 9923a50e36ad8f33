"""Celery's side of content: call a service, done."""

from celery import shared_task

from studio.assets import collecting


@shared_task(name="assets.collect")
def collect() -> None:
    """Remove content that nothing refers to any more."""
    collecting.collect()
