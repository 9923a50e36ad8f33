"""Write the audit log."""

import re
from typing import Any

from django.db import models

from studio.audit.models import Entry, Result
from studio.core.caller import caller, note_recorded
from studio.core.scrub import HIDDEN, scrubbed
from studio.live.bus import publish

# Fields of a difference whose values are never written down, and what looks like a secret wherever it stands.
_SECRET_NAMES = re.compile(r"(?i)(password|passphrase|secret|credential|kubeconfig|private|(^|[_ ])(token|key|keys)$|api_?key)")
# The name of a Secret in a cluster is none itself.
_NAMES_OF_SECRETS = frozenset({"secret name", "sslSecret"})
LONGEST_VALUE = 8000


def record(actor: Any, verb: str, target: models.Model, *, workspace: str = "", diff: dict[str, Any] | None = None,
           result: str = Result.DONE, problem: str = "") -> Entry:  # fmt: skip
    """Write that `actor` did `verb` (past tense) to `target`; call it inside the transaction that does it.

    `diff` maps a field to [old, new]; never put a secret in it: what looks like one is hidden all the same. By what means
    and from where the person came in is taken from the request being answered.
    """
    kind = target._meta.model_name or ""
    name = str(getattr(target, "name", target))
    return write(actor, verb, (kind, str(target.pk), name), workspace=workspace, diff=diff, result=result, problem=problem)


def write(actor: Any, verb: str, target: tuple[str, str, str], *, workspace: str = "", diff: dict[str, Any] | None = None,
          result: str = Result.DONE, problem: str = "") -> Entry:  # fmt: skip
    """Write an entry about a kind, id and name: of what has no row, or may not be looked at."""
    asked = caller()
    kind, id, name = target
    note_recorded()
    entry = Entry.objects.create(
        actor=actor if getattr(actor, "pk", None) else None,
        actor_name=getattr(actor, "username", None) or "studio",
        via=asked.via,
        address=asked.address,
        agent=asked.agent,
        request_id=asked.request_id,
        token_id=asked.token_id,
        token_name=asked.token_name,
        verb=verb[:60],
        target_kind=kind[:60],
        target_id=id[:60],
        target_name=name[:255],
        workspace=workspace[:63],
        diff={field: _told(field, change) for field, change in (diff or {}).items()},
        result=result,
        problem=problem,
    )
    for topic in ["audit", *([f"audit:{entry.workspace}"] if entry.workspace else [])]:
        publish(topic, "changed", {"entry": entry.pk})
    return entry


def _told(field: str, value: Any) -> Any:
    """Return a difference's value as it may be kept: no secret in it, and no longer than can be read."""
    if isinstance(value, dict):
        return {key: _told(str(key), one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_told(field, one) for one in value]
    if value in (None, "") or isinstance(value, bool):
        return value
    if field not in _NAMES_OF_SECRETS and _SECRET_NAMES.search(field):
        return HIDDEN
    if not isinstance(value, str):
        return value
    text = scrubbed(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}… ({len(text):,} characters)"
