"""`mooring view`: saved views of lists."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import Output, Query, Workspace, Yes, ask
from mooring.cli.output import print_result, say

views = typer.Typer(help="Saved views of lists; use one with --view, as in `mooring job list --view NAME`.", no_args_is_help=True)

Table = Annotated[str, typer.Option("--table", "-t", help="Which list: jobs, models, endpoints, …; with --studio clusters, users, …")]
Studio = Annotated[bool, typer.Option("--studio", help="Of a list outside workspaces: clusters, users, audit, …")]
_SHOWN = ("table", "name", "query", "shared", "owner", "opens")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(views, name="view")


@views.command("list")
def list_views(
    table: Annotated[str | None, typer.Option("--table", "-t", help="Only of this list: jobs, models, clusters, …")] = None,
    studio: Studio = False,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List your views and those that are shared with you."""
    with session.connect(workspace) as connected:
        print_result([dict(one) for one in connected.views.list(table, studio=studio)], output, _SHOWN, query)


@views.command("save")
def save(
    name: Annotated[str, typer.Argument(help="The view's name.")],
    keeps: Annotated[str, typer.Option("--keeps", help="What it keeps, as in the page's address: state=Failed&sort=-started")] = "",
    table: Table = "jobs",
    shared: Annotated[bool, typer.Option("--shared", help="Share it with all who see the list.")] = False,
    studio: Studio = False,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Save a view, in place of your own of that name."""
    with session.connect(workspace) as connected:
        print_result(dict(connected.views.save(table, name, keeps, shared=shared, studio=studio)), output, _SHOWN, query)


@views.command("open")
def open_with(
    name: Annotated[str, typer.Argument(help="The view's name.")],
    table: Table = "jobs",
    no_more: Annotated[bool, typer.Option("--no-more", help="Begin the list with all rows again.")] = False,
    studio: Studio = False,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Begin the list's page with a view, your own or a shared one."""
    with session.connect(workspace) as connected:
        print_result(dict(connected.views.open_with(table, name, opens=not no_more, studio=studio)), output, _SHOWN, query)


@views.command("delete")
def delete(
    name: Annotated[str, typer.Argument(help="The view's name.")],
    table: Table = "jobs",
    studio: Studio = False,
    workspace: Workspace = None,
    yes: Yes = False,
) -> dict[str, Any]:
    """Delete a view: your own, or a shared one as an owner of the workspace, outside workspaces as an administrator."""
    ask(f"Delete the view {name} of {table}?", yes)
    with session.connect(workspace) as connected:
        connected.views.delete(table, name, studio=studio)
    say(f"view {name} deleted", err=True)
    return {"name": name, "table": table, "status": "deleted"}
