from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    name = "studio.audit"
    label = "audit"

    def ready(self) -> None:
        post_migrate.connect(_guard, sender=self)


def _guard(using: str, **_: Any) -> None:
    from django.db import connections

    from studio.audit.guards import TABLE, put_up

    # A migration backwards to before there was a log leaves nothing to guard.
    if TABLE in connections[using].introspection.table_names():
        put_up(using)
