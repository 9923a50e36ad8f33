"""Celery's side of the API: call a service, done."""

from celery import shared_task

from studio.api import idempotency


@shared_task(name="api.forget_answers")
def forget_answers() -> None:
    """Remove answers that were kept for a day."""
    idempotency.forget_old()
