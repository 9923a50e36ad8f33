"""The list of online endpoints, declared: page, CSV and API read it."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from endpoints.models import Deployment, Endpoint, EndpointStatus
from studio.core.tones import word_of
from studio.tables.declared import Choice, Column, Line, Option, Table, register_table, titled
from studio.tables.distinct import distinct_values

_STATES = [(value, word_of(value)) for value in EndpointStatus.values]


def _computes(rows: QuerySet[Endpoint]) -> Sequence[Option]:
    return titled(distinct_values(rows.prefetch_related(None), "compute_name"))


def _searched(rows: QuerySet[Endpoint], text: str) -> QuerySet[Endpoint]:
    """Narrow to those whose name, description or deployments hold every word."""
    for word in text.split()[:8]:
        deployed = Deployment.objects.filter(endpoint=OuterRef("pk"), name__icontains=word)
        rows = rows.filter(Q(name__icontains=word) | Q(description__icontains=word) | Q(Exists(deployed)))
    return rows


def _recent(what: str) -> Any:
    """Return how a line says one of its figures of the last minutes; nothing where there are none."""

    def value(line: Line) -> float | None:
        found = line.extra["recent"]
        return getattr(found, what) if found.known else None

    return value


def _author(line: Line) -> str:
    return line.row.created_by.username if line.row.created_by else "the studio"


ENDPOINTS = register_table(
    Table(
        key="endpoints",
        noun="endpoint",
        icon="plug-connected",
        empty="The HTTPS addresses of this workspace's models will be listed here.",
        cells="endpoints/cells.html",
        css="endpoints-list",
        columns=(
            Column("name", "Name", cell="name", sort="name", value=lambda line: line.row.name),
            Column("status", "State", cell="state", sort="status", css="state-cell", value=lambda line: word_of(line.row.status)),
            Column("address", "Address", cell="address", value=lambda line: line.extra["address"]),
            Column("compute", "Compute", cell="compute", sort="compute_name", value=lambda line: line.row.compute_name),
            Column("deployments", "Deployments", cell="deployments", css="share-cell", value=lambda line: line.extra["bar"].words),
            Column("rate", "Requests/s", cell="rate", number=True, value=_recent("rate")),
            Column("p95", "p95", cell="p95", number=True, value=_recent("p95")),
            Column("created", "Created", sort="id", value=lambda line: line.row.created_at),
            Column("created_by", "Created by", shown=False, value=_author),
            Column("description", "Description", shown=False, css="wide"),
        ),
        sort="-created",
        filters=(
            Choice("state", "State", _STATES, field="status", counted=True, also=("status",)),
            Choice("compute", "Compute", _computes, field="compute_name", free=True),
        ),
        search=_searched,
        placeholder="Endpoint or deployment",
    )
)
