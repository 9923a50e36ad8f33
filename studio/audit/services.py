"""Write the audit log."""

from typing import Any

import structlog
from django.db import models

from studio.audit.models import Entry


def record(actor: Any, verb: str, target: models.Model, *, workspace: str = "", diff: dict[str, Any] | None = None) -> Entry:
    """Write that `actor` did `verb` (past tense) to `target`; call it inside the transaction that does it.

    `diff` maps a field to [old, new]; never put a secret in it. How the person came in (page, API) is taken from the
    request being answered.
    """
    request = structlog.contextvars.get_contextvars()
    return Entry.objects.create(
        actor=actor if getattr(actor, "pk", None) else None,
        actor_name=getattr(actor, "username", None) or "studio",
        via=str(request.get("via", "studio")),
        verb=verb,
        target_kind=target._meta.model_name or "",
        target_id=str(target.pk),
        target_name=str(getattr(target, "name", target)),
        workspace=workspace,
        diff=diff or {},
    )
