"""The lists of models and of one model's versions, declared: page, CSV and API read them."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet

from studio.assets.registry.models import ModelVersion, Type
from studio.tables.declared import Choice, Column, Line, Option, Show, Since, Table, register_table, titled
from studio.tables.distinct import distinct_values


def _latest(what: str) -> Any:
    """Return how a line says something of its model's newest version; nothing where there is none."""

    def value(line: Line) -> Any:
        latest = line.extra["latest"]
        return getattr(latest, what) if latest else None

    return value


def _author(line: Line) -> str:
    return line.row.created_by.username if line.row.created_by else "the studio"


MODELS = register_table(
    Table(
        key="models",
        noun="model",
        icon="cube",
        empty="The models of this workspace will be listed here, version by version.",
        cells="models/cells.html",
        columns=(
            Column("name", "Name", cell="name", sort="name", value=lambda line: line.row.name),
            Column("type", "Type", sort="type", value=lambda line: line.row.get_type_display()),
            Column("latest", "Latest version", cell="latest", value=_latest("version")),
            Column("size", "Size in bytes", shown=False, number=True, value=_latest("size")),
            Column("versions", "Versions", number=True, value=lambda line: line.extra["count"]),
            Column("job", "From job", cell="job", value=_latest("job_name")),
            Column("created_by", "Created by", sort="created_by__username", value=_author),
            Column("created", "Created", sort="id", value=lambda line: line.row.created_at),
            Column("description", "Description", shown=False, css="wide"),
            Column("tags", "Tags", cell="tags", shown=False, value=lambda line: line.row.tags),
        ),
        sort="-created",
        shows=(
            Show("used", "In use", lambda person: Q(archived=False)),
            Show("archived", "Archived", lambda person: Q(archived=True)),
        ),
        filters=(Choice("type", "Type", Type.choices),),
        search=("name", "description", "tags"),
        placeholder="Name, description or tag",
    )
)


def _stages(rows: QuerySet[ModelVersion]) -> Sequence[Option]:
    return titled(distinct_values(rows, "stage"))


VERSIONS = register_table(
    Table(
        key="model-versions",
        noun="version",
        icon="cube",
        empty="All versions of this model were deleted.",
        cells="models/cells.html",
        columns=(
            Column("version", "Version", cell="version", value=lambda line: line.row.version),
            Column("stage", "Stage", sort="stage"),
            Column("job", "From job", cell="job", value=lambda line: line.row.job_name),
            Column("files", "Files", number=True, value=lambda line: line.row.count),
            Column("size", "Size", cell="size", sort="snapshot__size", number=True, value=lambda line: line.row.size),
            Column("created_by", "Registered by", sort="created_by__username", value=_author),
            Column("created", "Registered", sort="id", value=lambda line: line.row.created_at),
            Column("description", "Description", shown=False, css="wide"),
            Column("tags", "Tags", cell="tags", shown=False, value=lambda line: line.row.tags),
            Column("digest", "Content", shown=False, css="mono wide", value=lambda line: line.row.digest),
        ),
        sort="-created",
        shows=(
            Show("used", "In use", lambda person: Q(archived=False)),
            Show("archived", "Archived", lambda person: Q(archived=True)),
            Show("all", "All"),
        ),
        filters=(
            Choice("stage", "Stage", _stages, free=True),
            Since("since", "Registered", "created_at"),
            Choice("job", "From job", field="job_name", free=True, hidden=True),
        ),
        search=("version", "stage", "description", "tags", "job_name"),
        placeholder="Version, stage, tag or job",
    )
)
