from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class JobsConfig(AppConfig):
    name = "jobs"

    def ready(self) -> None:
        from jobs import audited, problems, tables, wiring  # noqa: F401 - registers once models are there

        wiring.connect()
        audited.register()
        post_migrate.connect(_make_words, sender=self)


def _make_words(using: str, **kwargs: Any) -> None:
    """Make the index of words after each migration: one that makes the table anew takes its triggers with it."""
    from jobs.models import WORDS

    WORDS.make(using)
