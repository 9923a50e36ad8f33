"""Keep what people choose of lists: columns, density, views."""

from typing import Any
from urllib.parse import urlencode

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.tables.asked import kept, pairs_of
from studio.tables.declared import TABLES, Table
from studio.tables.models import SavedView, TableChoice

LONGEST_NAME = 60


def table_named(key: str) -> Table:
    """Return a list by its key."""
    if key not in TABLES:
        raise ProblemError("table-unknown", field="table", name=key[:60], names=", ".join(sorted(TABLES)))
    return TABLES[key]


def choice_of(person: Any, table: Table) -> TableChoice:
    """Return how a person wants to see a list, as a new row when they never said."""
    return TableChoice.objects.filter(person=person, table=table.key).first() or TableChoice(person=person, table=table.key)


def choose_columns(person: Any, table: Table, *, columns: list[str], dense: bool) -> TableChoice:
    """Keep which columns a person wants to see of a list, and whether closely set; what the list declares is not kept."""
    known = [column.key for column in table.columns if column.key in columns]
    usual = [column.key for column in table.columns if column.shown]
    values = {"columns": [] if known == usual else known, "dense": dense}
    return TableChoice.objects.update_or_create(person=person, table=table.key, defaults=values)[0]


def views_of(person: Any, table: Table | None, workspace: Any = None) -> QuerySet[SavedView]:
    """Return the views that a person has of a list (or of all lists): their own and the shared ones; `opens` tells the default."""
    rows = SavedView.objects.filter(Q(owner=person) | Q(shared=True), workspace=workspace)
    if table is not None:
        rows = rows.filter(table=table.key)
    through = SavedView.opens_for.through.objects.filter(savedview_id=OuterRef("pk"), user_id=person.pk)
    return rows.select_related("owner").annotate(opens=Exists(through))


def view_named(person: Any, table: Table, workspace: Any, name: str) -> SavedView:
    """Return a view by name: the person's own before a shared one."""
    found = sorted(views_of(person, table, workspace).filter(name=name), key=lambda view: view.owner_id != person.pk)
    if not found:
        raise ProblemError("view-unknown", field="view", name=name[:LONGEST_NAME])
    return found[0]


def save_view(
    actor: Any, table: Table, *, name: str, query: str, workspace: Any = None, shared: bool = False, opens: bool = False
) -> SavedView:
    """Keep what a query asks of a list under a name, in place of the actor's view of that name.

    Sharing takes the role contributor in the workspace; `opens` makes it the view with which the actor's list begins.
    """
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ProblemError("field-invalid", field="name", text=f"A view has a name of 1 to {LONGEST_NAME} signs.")
    if shared:
        _require_sharing(workspace)
    given = urlencode(kept(table, pairs_of(query.removeprefix("?"))))
    with transaction.atomic():
        if shared and SavedView.objects.filter(table=table.key, workspace=workspace, name=name, shared=True).exclude(owner=actor).exists():
            raise ProblemError("view-name-taken", field="name", name=name)
        old = SavedView.objects.filter(table=table.key, workspace=workspace, owner=actor, name=name).first()
        try:
            with transaction.atomic():
                values = {"query": given, "shared": shared}
                key = {"table": table.key, "workspace": workspace, "owner": actor, "name": name}
                view = SavedView.objects.update_or_create(**key, defaults=values)[0]
        except IntegrityError as error:
            raise ProblemError("view-name-taken", field="name", name=name) from error
        if opens:
            _open_with(actor, view)
        diff = {"table": [None, table.key], "query": [old.query if old else None, given], "shared": [old.shared if old else None, shared]}
        record(actor, "changed" if old else "saved", view, workspace=workspace.name if workspace else "", diff=diff)
    return view


def share_view(actor: Any, view: SavedView, *, shared: bool, workspace: Any = None) -> None:
    """Share a view of one's own with the workspace, or take it back."""
    if view.owner_id != actor.pk:
        raise ProblemError("not-allowed", needed="to be the view's owner")
    if shared:
        _require_sharing(workspace)
    try:
        with transaction.atomic():
            if SavedView.objects.filter(pk=view.pk, shared=not shared).update(shared=shared):
                record(actor, "changed", view, workspace=_name(view), diff={"shared": [not shared, shared]})
    except IntegrityError as error:
        raise ProblemError("view-name-taken", field="name", name=view.name) from error
    view.shared = shared


def open_with(actor: Any, view: SavedView, *, opens: bool) -> None:
    """Begin the actor's list with a view, or with all rows again."""
    with transaction.atomic():
        if opens:
            _open_with(actor, view)
        else:
            view.opens_for.remove(actor)


def delete_view(actor: Any, view: SavedView, *, workspace: Any = None) -> None:
    """Delete a view: its owner may, and of a shared one an owner of the workspace, or an administrator."""
    rules = getattr(workspace, "held_role", "") == "owner" or actor.is_admin
    if view.owner_id != actor.pk and not (view.shared and rules):
        raise ProblemError("not-allowed", needed="to be the view's owner or an owner of the workspace")
    with transaction.atomic():
        record(actor, "deleted", view, workspace=_name(view), diff={"table": [view.table, None], "query": [view.query, None]})
        view.delete()


def may_delete(actor: Any, view: SavedView, workspace: Any = None) -> bool:
    """Tell whether `delete_view` would do it."""
    rules = getattr(workspace, "held_role", "") == "owner" or actor.is_admin
    return view.owner_id == actor.pk or (view.shared and rules)


def may_share(workspace: Any) -> bool:
    """Tell whether the person may share views here: outside workspaces, whoever sees the list."""
    return workspace is None or getattr(workspace, "held_role", "reader") in ("contributor", "owner")


def _open_with(actor: Any, view: SavedView) -> None:
    for other in SavedView.objects.filter(table=view.table, workspace=view.workspace, opens_for=actor):
        other.opens_for.remove(actor)
    view.opens_for.add(actor)


def _require_sharing(workspace: Any) -> None:
    if not may_share(workspace):
        raise ProblemError("not-allowed", needed="the role contributor")


def _name(view: SavedView) -> str:
    return view.workspace.name if view.workspace else ""
