"""The lists of online endpoints, and of what happened to one, declared: page, CSV and API read them."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from endpoints.models import Change, Deployment, DeploymentStatus, Endpoint, EndpointStatus
from studio.core.tones import word_of
from studio.tables.declared import Choice, Column, Line, Option, Show, Since, Table, register_table, titled
from studio.tables.distinct import distinct_values

_STATES = [(value, word_of(value)) for value in EndpointStatus.values]
# Of both, each once: they share most.
_CHANGED = [(value, word_of(value)) for value in dict.fromkeys([*EndpointStatus.values, *DeploymentStatus.values])]


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


def _deployments(rows: QuerySet[Change]) -> Sequence[Option]:
    return titled(distinct_values(rows, "deployment"))


def _about(line: Line) -> str:
    return f"deployment {line.row.deployment}" if line.row.deployment else "the endpoint"


CHANGES = register_table(
    Table(
        key="endpoint-events",
        noun="event",
        icon="history",
        empty="Each change of the state of this endpoint and of its deployments will be listed here.",
        cells="endpoints/cells.html",
        columns=(
            Column("at", "When", cell="change-at", sort="id", css="text-nowrap", value=lambda line: line.row.at),
            Column("about", "What", value=_about),
            Column("status", "State", cell="change-state", css="state-cell", value=lambda line: word_of(line.row.status)),
            Column("old", "Was", shown=False, value=lambda line: word_of(line.row.old) if line.row.old else None),
            Column("reason", "Why", css="wide"),
        ),
        sort="-at",
        shows=(
            Show("all", "All"),
            Show("endpoint", "The endpoint itself", lambda person: Q(deployment="")),
            Show("deployments", "Deployments", lambda person: ~Q(deployment="")),
        ),
        filters=(
            Choice("deployment", "Deployment", _deployments, free=True),
            Choice("state", "State", _CHANGED, field="status", counted=True),
            Since("since", "Since", "at"),
        ),
        search=("reason", "deployment"),
        placeholder="Deployment or reason",
    )
)


def change_lines(changes: Sequence[Change]) -> list[Line]:
    """Return changes of an endpoint's states as lines."""
    return [Line(row=row, id=f"change-{row.pk}", title=word_of(row.status)) for row in changes]
