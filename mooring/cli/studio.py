"""`mooring up`, `status`, `down`, `backup`, `restore`, `reseal`: the studio on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mooring.cli.options import Output, Query
from mooring.cli.output import say

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of everything the studio keeps; MOORING_DATA, else ~/.local/share/mooring."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("up")(up)
    app.command("status")(status)
    app.command("down")(down)
    app.command("backup")(backup)
    app.command("restore")(restore)
    app.command("reseal")(reseal)


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
        say(f"running as process {found['pid']} at {found['url']}, data in {found['data']}")
        print_result(found["children"], "table", ("name", "state", "pid", "restarts", "since", "last_exit"))
    else:
        say(f"no studio runs on {found['data']}")
    raise typer.Exit(0 if found["running"] else 1)


def down(data: DataOption = None) -> None:
    """Stop the studio that runs on this machine, and wait until it has stopped."""
    from mooring.up import commands

    stopped = commands.down(data)
    say("stopped" if stopped else f"no studio runs on {commands.folder(data)}")


def backup(
    file: Annotated[str, typer.Argument(help="File to make, packed when its name ends in .gz; - for standard output.")],
    data: DataOption = None,
    without_keys: Annotated[bool, typer.Option("--without-keys", help="Leave out the keys that open the kept secrets.")] = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Write everything that the studio on this machine keeps into one file, also while it runs."""
    from mooring.up import commands

    words = ["--without-keys"] if without_keys else []
    _show(commands.kept(data, "take", *words, "--", _absolute(file), alone=False), file, output, query)


def restore(
    file: Annotated[str, typer.Argument(help="File of `mooring backup`; - for standard input.")],
    data: DataOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Move what is there aside first.")] = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Put a backup back; the studio must not run. Everything is checked before anything is changed."""
    from mooring.up import commands

    words = ["--replace"] if replace else []
    _show(commands.kept(data, "restore", *words, "--", _absolute(file), alone=True), "", output, query)


def reseal(data: DataOption = None, output: Output = "table", query: Query = None) -> None:
    """Seal every stored secret with the newest key, also while the studio runs; 1 when some are left that no key opens."""
    from mooring.cli.output import print_result
    from mooring.up import commands

    done = commands.resealed(data)
    print_result(done, output, ("sealed", "already", "locked"), query)
    if done["locked"]:
        say("What no key opens is named by `-o yaml`. Put its key back and run this again, or replace the secret.", err=True)
        raise typer.Exit(1)


def _absolute(file: str) -> str:
    # The studio's own command runs in another folder.
    return file if file == "-" else str(Path(file).absolute())


def _show(done: dict[str, Any], file: str, output: str, query: str | None) -> None:
    """Show what was done, beside a backup that goes to standard output on standard error."""
    from mooring.cli.output import print_result

    if file == "-":
        say(f"{done['files']} files, {done['bytes']} bytes", err=True)
    else:
        print_result(done, output, query=query)
