"""`mooring up`, `status`, `down`: the studio on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mooring.cli.options import Output, Query

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of everything the studio keeps; MOORING_DATA, else ~/.local/share/mooring."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("up")(up)
    app.command("status")(status)
    app.command("down")(down)


def up(
    data: DataOption = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(help="HOST:PORT to listen on; may be given several times. Default 127.0.0.1:8080."),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the studio in the browser once it is ready.")] = True,
) -> None:
    """Run the studio in the foreground: web, worker, beat and, without REDIS_URL, Redis."""
    from mooring.up import commands

    raise typer.Exit(commands.up(data, tuple(listen or ()), browser=browser))


def status(
    data: DataOption = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Show whether a studio runs on this machine, where, and how its parts are; exit code 1 when none runs."""
    from mooring.cli.output import print_result
    from mooring.up import commands

    found = commands.status(data)
    if output != "table" or query:
        print_result(found, output, query=query)
    elif found["running"]:
        typer.echo(f"running as process {found['pid']} at {found['url']}, data in {found['data']}")
        print_result(found["children"], "table", ("name", "state", "pid", "restarts", "since", "last_exit"))
    else:
        typer.echo(f"no studio runs on {found['data']}")
    raise typer.Exit(0 if found["running"] else 1)


def down(data: DataOption = None) -> None:
    """Stop the studio that runs on this machine, and wait until it has stopped."""
    from mooring.up import commands

    stopped = commands.down(data)
    typer.echo("stopped" if stopped else f"no studio runs on {commands.folder(data)}")
