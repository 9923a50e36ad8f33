"""The lists of the audit, declared: page, API, files and command line read them. Of the whole studio, and of a workspace."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import QuerySet

from studio.audit.models import Entry, Result, Via
from studio.audit.pages.links import links_of
from studio.audit.pages.shown import changes
from studio.audit.selectors import moment
from studio.audit.templatetags.audit_words import kind_name, kind_word, kinds_named
from studio.core.errors import ProblemError
from studio.tables.asked import NotUnderstoodError, Pairs, read
from studio.tables.declared import Choice, Column, Line, Option, Table, register_table, titled

# Choices are offered from so many of the newest entries: reading all of a large log for them would take seconds.
_LOOKED_AT = 5000
_TONES = {Result.DONE.value: "good", Result.REFUSED.value: "look", Result.FAILED.value: "wrong"}
_SPANS = (("1h", "Last hour"), ("24h", "Last 24 hours"), ("7d", "Last 7 days"), ("30d", "Last 30 days"))
FILES = (("csv", "CSV"), ("jsonl", "JSON Lines"))


def _newest(field: str) -> Callable[[QuerySet[Entry]], Sequence[Option]]:
    def options(rows: QuerySet[Entry]) -> Sequence[Option]:
        values = set(rows.order_by("-pk").values_list(field, flat=True)[:_LOOKED_AT])
        return sorted(titled(values), key=lambda option: option[1])

    return options


def _since(rows: QuerySet[Entry], values: Sequence[str]) -> QuerySet[Entry]:
    try:
        return rows.filter(at__gte=min(moment(value, field="since") for value in values))
    except ProblemError:
        # It is told by `refuse_unreadable`; until then nothing passes.
        return rows.none()


def _until(rows: QuerySet[Entry], values: Sequence[str]) -> QuerySet[Entry]:
    try:
        return rows.filter(at__lt=max(moment(value, field="until", end=True) for value in values))
    except ProblemError:
        return rows.none()


def _kinds(rows: QuerySet[Entry]) -> Sequence[Option]:
    kept = [kind for kind, _ in _newest("target_kind")(rows)]
    return sorted({(kind_name(kind), kind_word(kind)) for kind in kept}, key=lambda option: option[1])


def _of_kinds(rows: QuerySet[Entry], values: Sequence[str]) -> QuerySet[Entry]:
    return rows.filter(target_kind__in=kinds_named(values))


def _workspaces(rows: QuerySet[Entry]) -> Sequence[Option]:
    return _newest("workspace")(rows)


AUDIT = register_table(
    Table(
        key="audit",
        noun="record",
        whose="operator",
        icon="history",
        empty="Each change that somebody makes stands here from then on, with what it changed and from where it came.",
        cells="audit/cells.html",
        css="audit-list",
        columns=(
            Column("at", "When", cell="when", sort="id", css="text-nowrap", value=lambda line: line.row.at),
            Column("person", "Who", cell="who", sort="actor_name", value=lambda line: line.row.actor_name),
            Column("verb", "What", sort="verb"),
            Column("object", "Object", cell="object", value=lambda line: line.row.target_name),
            Column("kind", "Kind", shown=False, value=lambda line: kind_word(line.row.target_kind)),
            Column("workspace", "Workspace"),
            Column("result", "Result", cell="result", sort="result", css="state-cell", value=lambda line: line.row.result),
            Column("via", "From", cell="from", value=lambda line: line.row.get_via_display()),
            Column("address", "Address", shown=False, css="mono"),
            Column("agent", "Program", shown=False, css="wide"),
            Column("token", "Token", shown=False, value=lambda line: line.row.token_name),
            Column("request_id", "Request", shown=False, css="mono"),
            Column("details", "Details", cell="details", css="audit-details", value=lambda line: line.row.diff),
        ),
        sort="-at",
        filters=(
            Choice("person", "Person", _newest("actor_name"), field="actor_name", free=True),
            Choice("verb", "What", _newest("verb"), free=True),
            Choice("kind", "Kind", _kinds, free=True, narrow=_of_kinds, word=kind_word),
            Choice("result", "Result", Result.choices, counted=True),
            Choice("via", "By", Via.choices, counted=True),
            Choice("workspace", "Workspace", _workspaces, free=True),
            Choice("since", "Since", _SPANS, free=True, narrow=_since),
            Choice("until", "Until", free=True, hidden=True, narrow=_until),
            Choice("object", "Object", field="target_name", free=True, hidden=True),
        ),
        search=("actor_name", "verb", "target_name", "workspace", "address", "request_id", "problem"),
        placeholder="Name, address or request id",
        files=FILES,
    )
)

WORKSPACE_AUDIT = register_table(
    replace(
        AUDIT,
        key="workspace-audit",
        whose="owner",
        columns=tuple(one for one in AUDIT.columns if one.key != "workspace"),
        filters=tuple(one for one in AUDIT.filters if one.key != "workspace"),
    )
)

# What was done to one object: on the object's own page, for those who see the whole audit.
OBJECT_AUDIT = register_table(
    replace(
        AUDIT,
        key="object-audit",
        empty="What people do to it is recorded here.",
        columns=tuple(one for one in AUDIT.columns if one.key not in ("object", "kind", "workspace")),
        filters=tuple(one for one in AUDIT.filters if one.key not in ("object", "kind", "workspace")),
    )
)


def refuse_unreadable(table: Table, pairs: Pairs) -> None:
    """Raise the ProblemError of a filter that cannot be read: a list must not look complete when it is not."""
    try:
        asked = read(table, pairs, strict=True)
    except NotUnderstoodError as error:
        raise ProblemError("request-invalid", text=str(error)) from error
    for field in ("since", "until"):
        for value in asked.filters.get(field, ()):
            moment(value, field=field)


def entry_lines(user: Any, entries: Iterable[Entry]) -> list[Line]:
    """Return entries as lines; objects lead to their pages for who may open them."""
    rows = list(entries)
    links = links_of(user, rows)
    return [
        Line(
            row=entry,
            id=f"entry-{entry.pk}",
            title=f"{entry.actor_name} {entry.verb} {entry.target_name}",
            extra={
                "url": links.get(entry.pk, ""),
                "changes": changes(entry.diff),
                "tone": _TONES.get(entry.result, "neutral"),
                "problem_text": entry.problem.replace("-", " "),
            },
        )
        for entry in rows
    ]
