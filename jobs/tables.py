"""The list of jobs, declared: page, CSV and API read it."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTransform
from django.utils import timezone

from jobs.models import UNFINISHED, WORDS, Job, Status
from jobs.selectors import seconds_of
from studio.core.tones import word_of
from studio.tables.declared import Bulk, Choice, Column, Line, Option, Show, Since, Table, register_table, titled
from studio.tables.distinct import distinct_values


def _experiments(rows: QuerySet[Job]) -> Sequence[Option]:
    return titled(distinct_values(rows, "experiment"))


def _computes(rows: QuerySet[Job]) -> Sequence[Option]:
    return titled(distinct_values(rows, "compute_name"))


def _tagged(rows: QuerySet[Job], values: Sequence[str]) -> QuerySet[Job]:
    """Narrow to each `key` or `key=value` exactly; a key is compared as it is, never read as a lookup."""
    for place, tag in enumerate(values):
        name, equals, value = tag.partition("=")
        alias = f"tag_{place}"
        rows = rows.alias(**{alias: KeyTransform(name, "tags")}).filter(**{alias: value}) if equals else rows.filter(tags__has_key=name)
    return rows


def _submitter(line: Line) -> str:
    return line.row.submitted_by.username if line.row.submitted_by else "the studio"


def _failed_today(person: Any) -> Q:
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return Q(status=Status.FAILED, status_at__gte=today)


def _seconds(line: Line) -> float | None:
    return round(seconds_of(line.row), 1) if line.row.started_at else None


JOBS = register_table(
    Table(
        key="jobs",
        noun="job",
        icon="player-play",
        empty="What the members of this workspace run will be listed here, with its log and outputs.",
        cells="jobs/cells.html",
        css="jobs-list",
        columns=(
            Column("name", "Name", cell="name", sort="name", value=lambda line: line.row.name),
            Column("display_name", "Display name", shown=False),
            Column("status", "State", cell="state", sort="status", css="state-cell", value=lambda line: word_of(line.row.status)),
            Column("reason", "Reason", shown=False, css="wide"),
            Column("experiment", "Experiment", sort="experiment"),
            Column("compute", "Compute", cell="compute", sort="compute_name", value=lambda line: line.row.compute_name),
            Column("instance_type", "Instance type", shown=False),
            Column("instance_count", "Instances", shown=False, number=True),
            Column("submitted_by", "Submitted by", value=_submitter),
            Column("created", "Submitted", sort="id", shown=False, value=lambda line: line.row.created_at),
            Column("started", "Started", sort="started_at", value=lambda line: line.row.started_at),
            Column("ended", "Ended", shown=False, value=lambda line: line.row.ended_at),
            Column("duration", "Duration", cell="duration", number=True, css="bar-cell", value=_seconds),
            Column("image", "Image", shown=False, css="mono"),
            Column("tags", "Tags", cell="tags", shown=False, value=lambda line: line.row.tags),
        ),
        sort="-created",
        shows=(
            Show("all", "All"),
            Show("mine", "Mine", lambda person: Q(submitted_by=person)),
            Show("running", "Running", lambda person: Q(status__in=UNFINISHED)),
            Show("failed", "Failed today", _failed_today),
        ),
        filters=(
            Choice("state", "State", [(value, word_of(value)) for value in Status.values], field="status", counted=True, also=("status",)),
            Choice("experiment", "Experiment", _experiments, free=True),
            Choice("compute", "Compute", _computes, field="compute_name", free=True),
            Since("since", "Submitted", "created_at"),
            Choice("tag", "Tag", free=True, hidden=True, narrow=_tagged, word=lambda tag: tag.replace("=", ": ", 1)),
        ),
        search=WORDS,
        placeholder="Name, experiment or tag",
        actions=(Bulk("cancel", "Cancel"), Bulk("delete", "Delete", danger=True)),
    )
)
