"""`mooring token`: tokens with which programs act for people."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import Most, Output, Query, Search, Since, Sort, View, Yes, ask
from mooring.cli.output import print_result, say

tokens = typer.Typer(help="Tokens with which programs act for you.", no_args_is_help=True)
_SHOWN = ("id", "name", "username", "scopes", "workspaces", "state", "last_used_at", "last_used_from", "expires_at")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(tokens, name="token")


@tokens.command("list")
def token_list(  # noqa: PLR0913 - each is a filter of the list
    everyone: Annotated[bool, typer.Option("--all", help="Everyone's; for administrators.")] = False,
    user: Annotated[list[str] | None, typer.Option(help="One person's; several times; for administrators.")] = None,
    workspace: Annotated[
        list[str] | None, typer.Option("--workspace", "-w", help="Those that reach this workspace; for administrators.")
    ] = None,
    scope: Annotated[list[str] | None, typer.Option("--scope", help="Those that may do this, as jobs; several times.")] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Those that do not work any more.")] = False,
    since: Since = None,
    search: Search = None,
    view: View = None,
    sort: Sort = None,
    most: Most = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List your tokens, newest first: what they may do, where, and when each was last used."""
    filters: dict[str, Any] = {"user": user, "workspace": workspace, "scope": scope, "show": "ended" if ended else "active", "since": since}
    with session.connect() as studio:
        found = studio.tokens.list(everyone=everyone, **filters, q=search, view=view, sort=sort, most=most)
        rows = [dict(one.answer) for one in found]
    print_result(rows, output, _SHOWN, query)


@tokens.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", help="read, jobs, models, endpoints, workspaces, operate or admin; several times. Without it all that you may."
        ),
    ] = None,
    workspace: Annotated[
        list[str] | None, typer.Option("--workspace", "-w", help="Only in this one; several times. Without it in all of yours.")
    ] = None,
    days: Annotated[int | None, typer.Option(help="For how many days it works; without it for as many as the studio has set.")] = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Make a token and print it, this once; the token you are signed in with needs the scope account."""
    with session.connect() as studio:
        made = studio.tokens.create(name, scopes=scope, workspaces=workspace or (), days=days)
    if output == "table" and not query:
        say(made.token)
        say(f"token {made.id}: may {', '.join(made.scopes)}; ends {made.answer['expires_at'] or 'never'}; shown this once", err=True)
    else:
        print_result(dict(made.answer), output, query=query)


@tokens.command("revoke")
def revoke(
    id: Annotated[int, typer.Argument(help="The token's number in `mooring token list`.")],
    anybodys: Annotated[bool, typer.Option("--any", help="Anybody's; for administrators.")] = False,
    yes: Yes = False,
) -> dict[str, Any]:
    """Revoke a token: programs that use it are refused from now on; of your own this takes the scope account."""
    ask(f"Revoke token {id}?", yes)
    with session.connect() as studio:
        studio.tokens.revoke(id, anybodys=anybodys)
    say(f"token {id} revoked", err=True)
    return {"id": id, "status": "revoked"}
