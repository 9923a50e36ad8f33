"""`mooring notification`: what you were told, and what you want to be told of."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import Output, Query, Search, Since, Sort, View
from mooring.cli.output import first, print_result, say

notices = typer.Typer(help="What you were told: jobs that ended, deployments that failed, clusters that were lost.", no_args_is_help=True)
_SHOWN = ("id", "at", "title", "text", "workspace", "read_at")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(notices, name="notification")


@notices.command("list")
def list_notices(
    unread: Annotated[bool, typer.Option("--unread", help="Only what you have not seen.")] = False,
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind, as job-failed; several times for several.")] = None,
    workspace: Annotated[list[str] | None, typer.Option("--workspace", "-w", help="Only of this workspace; several times.")] = None,
    since: Since = None,
    search: Search = None,
    view: View = None,
    sort: Sort = None,
    most: Annotated[int, typer.Option("--max-results", "-r", min=1, help="How many at most.")] = 50,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List your notifications, the newest first."""
    filters: dict[str, Any] = {"unread": unread, "kind": kind, "workspace": workspace, "since": since}
    with session.connect() as studio:
        found = studio.notifications.list(**filters, q=search, view=view, sort=sort, most=most + 1)
        rows = [dict(one) for one in first(found, most)]
    print_result(rows, output, _SHOWN, query)


@notices.command("read")
def read(
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID", help="Their ids; several.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    unread: Annotated[bool, typer.Option("--unread", help="Mark them as unread again.")] = False,
) -> dict[str, Any]:
    """Mark notifications as read."""
    if bool(ids) == everything:
        raise typer.BadParameter("give ids, or --all")
    with session.connect() as studio:
        changed = studio.notifications.read(None if everything else ids, read=not unread)
    say(f"{changed} marked as {'unread' if unread else 'read'}", err=True)
    return {"changed": changed, "read": not unread}


@notices.command("kinds")
def kinds(output: Output = "table", query: Query = None) -> None:
    """List the kinds of notifications, and where you are told of each."""
    with session.connect() as studio:
        rows = [dict(one) for one in studio.notifications.preferences()]
    print_result(rows, output, ("kind", "title", "page", "browser"), query)


@notices.command("choose")
def choose(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="As `mooring notification kinds` names it.")],
    page: Annotated[bool | None, typer.Option("--page/--no-page", help="Told in the studio.")] = None,
    browser: Annotated[bool | None, typer.Option("--browser/--no-browser", help="Told by your browsers.")] = None,
) -> dict[str, Any]:
    """Choose where you are told of one kind."""
    with session.connect() as studio:
        studio.notifications.choose(kind, page=page, browser=browser)
        return next((dict(one) for one in studio.notifications.preferences() if one["kind"] == kind), {"kind": kind})
