"""The list of what a person was told, declared: page, CSV and API read it."""

from collections.abc import Sequence

from django.db.models import Q, QuerySet
from django.urls import reverse

from studio.notices.kinds import KINDS
from studio.notices.models import Notice
from studio.tables.declared import Bulk, Choice, Column, Line, Option, Show, Since, Table, register_table, titled


def _kinds(rows: QuerySet[Notice]) -> Sequence[Option]:
    told = set(rows.order_by().values_list("kind", flat=True).distinct())
    return [(kind.id, kind.title) for kind in KINDS.values() if kind.id in told]


def _workspaces(rows: QuerySet[Notice]) -> Sequence[Option]:
    return titled(rows.order_by("workspace").values_list("workspace", flat=True).distinct())


NOTICES = register_table(
    Table(
        key="notifications",
        noun="notification",
        whose="everyone",
        icon="bell",
        cells="notices/cells.html",
        css="notice-list",
        empty="What happens while you do something else is said here.",
        columns=(
            Column("title", "What happened", cell="title", css="wide", value=lambda line: line.row.title),
            Column("text", "More", shown=False, css="wide"),
            Column("kind", "Kind", cell="kind", sort="kind", shown=False, value=lambda line: line.row.what.title),
            Column("workspace", "Workspace", sort="workspace"),
            Column("at", "When", sort="id", css="text-nowrap", value=lambda line: line.row.at),
            Column("read_at", "Read", sort="read_at", shown=False),
        ),
        sort="-at",
        shows=(Show("all", "All"), Show("unread", "Unread", lambda person: Q(read_at=None))),
        filters=(
            Choice("kind", "Kind", _kinds, counted=True, free=True, word=lambda kind: KINDS[kind].title if kind in KINDS else kind),
            Choice("workspace", "Workspace", _workspaces, counted=True, free=True),
            Since("since", "Since", "at"),
        ),
        search=("title", "text", "workspace"),
        placeholder="Words of what was told",
        actions=(Bulk("read", "Mark as read"), Bulk("unread", "Mark as unread")),
    )
)


def notice_lines(rows: Sequence[Notice]) -> list[Line]:
    """Return notices as lines; each leads to what it is about, and can be marked."""
    read = reverse("notices:read")
    found = []
    for row in rows:
        fields = {"id": row.pk} | ({"as": "unread"} if row.read_at else {})
        title, icon = ("Mark as unread", "rotate") if row.read_at else ("Mark as read", "check")
        links = [{"title": title, "icon": icon, "post": read, "fields": fields}]
        href = reverse("notices:open", args=[row.pk])
        found.append(Line(row=row, id=f"notice-{row.pk}", title=row.title, href=href, choose=str(row.pk), links=links))
    return found
