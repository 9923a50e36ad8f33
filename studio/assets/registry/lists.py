"""The list of models, declared: page, CSV and API read it."""

from typing import Any

from django.db.models import Q

from studio.assets.registry.models import Type
from studio.tables.declared import Choice, Column, Line, Show, Table, register_table


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
