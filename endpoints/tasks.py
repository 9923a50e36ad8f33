"""Celery's side of endpoints: fetch by id, call a service, done."""
