"""An entry as it is shown: to people, to programs, and in a file."""

import csv
import io
import json
from typing import Any

from studio.audit.models import Entry
from studio.audit.templatetags.audit_words import kind_name
from studio.tables.sheet import safe

COLUMNS = (
    "id", "at", "person", "verb", "kind", "object", "object_id", "workspace", "result", "problem", "via", "address", "agent",
    "request_id", "token", "token_id", "difference",
)  # fmt: skip


def as_dict(entry: Entry) -> dict[str, Any]:
    """Return an entry for programs."""
    return {
        "id": entry.pk,
        "at": entry.at.isoformat(),
        "person": entry.actor_name,
        "verb": entry.verb,
        "kind": kind_name(entry.target_kind),
        "object": entry.target_name,
        "object_id": entry.target_id,
        "workspace": entry.workspace or None,
        "result": entry.result,
        "problem": entry.problem or None,
        "via": entry.via,
        "address": entry.address or None,
        "agent": entry.agent or None,
        "request_id": entry.request_id or None,
        "token": entry.token_name or None,
        "token_id": entry.token_id,
        "difference": entry.diff,
    }


def as_json_line(entry: Entry) -> bytes:
    """Return an entry as one line of JSON Lines."""
    return json.dumps(as_dict(entry), ensure_ascii=False).encode() + b"\n"


def as_csv_line(entry: Entry) -> bytes:
    """Return an entry as one line of CSV that no spreadsheet takes for a formula."""
    row = as_dict(entry)
    row["difference"] = json.dumps(entry.diff, ensure_ascii=False) if entry.diff else ""
    return csv_line([str(safe(row[name])) for name in COLUMNS])


def csv_line(cells: list[str]) -> bytes:
    """Return cells as one line of CSV (RFC 4180)."""
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def changes(diff: dict[str, Any]) -> list[dict[str, str]]:
    """Return a difference as rows of field, old and new, each written whole."""
    rows = []
    for field, change in diff.items():
        old, new = change if isinstance(change, list) and len(change) == 2 else ("", change)
        rows.append({"field": field, "old": _written(old), "new": _written(new)})
    return rows


def _written(value: Any) -> str:
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
