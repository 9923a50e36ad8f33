"""`mooring audit`: who did what to what, from where, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import Output, Query, Sort, View
from mooring.cli.output import first, print_result, say
from mooring.errors import MooringError
from mooring.terminal import Log

audit = typer.Typer(
    help="Who did what, from where: for operators; with -w for the workspace's owners. Filters take several values.",
    no_args_is_help=True,
)

Workspace = Annotated[str | None, typer.Option("--workspace", "-w", help="Only what was done in this workspace.")]
Person = Annotated[list[str] | None, typer.Option("--person", help="Who did it: a user name.")]
Verb = Annotated[list[str] | None, typer.Option("--verb", help="What was done, as the list shows it.")]
Kind = Annotated[list[str] | None, typer.Option("--kind", help="Kind of object: cluster, job, model, endpoint, token, user, image-rule, …")]
Object = Annotated[list[str] | None, typer.Option("--object", help="The object's name.")]
Result = Annotated[list[str] | None, typer.Option("--result", help="done, refused or failed")]
Via = Annotated[list[str] | None, typer.Option("--via", help="page, api, cli or system")]
Since = Annotated[str | None, typer.Option("--since", help="From this day or time on, or how long ago: 30m, 24h, 7d.")]
Until = Annotated[str | None, typer.Option("--until", help="Before this time; a day counts whole.")]
Search = Annotated[str | None, typer.Option("--search", "-q", help="Words anywhere: name, address, request id, problem.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(audit, name="audit")


@audit.command("list")
def list_entries(  # noqa: PLR0913 - each option is one
    workspace: Workspace = None, person: Person = None, verb: Verb = None, kind: Kind = None, object: Object = None,
    result: Result = None, via: Via = None, since: Since = None, until: Until = None, search: Search = None,
    view: View = None, sort: Sort = None,
    most: Annotated[int, typer.Option("--max-results", "-r", min=1, help="How many, the newest first.")] = 50,
    output: Output = "table", query: Query = None,
) -> None:  # fmt: skip
    """List entries, newest first."""
    filters: dict[str, Any] = {"person": person, "verb": verb, "kind": kind, "object": object, "result": result, "via": via, "since": since,
               "until": until, "q": search, "view": view}  # fmt: skip
    with session.connect() as studio:
        rows = [dict(one) for one in first(studio.audit.list(workspace=workspace, sort=sort, most=most + 1, **filters), most)]
    print_result(rows, output, ("at", "person", "verb", "kind", "object", "workspace", "result", "via", "address"), query)


@audit.command("export")
def export_entries(  # noqa: PLR0913 - each option is one
    workspace: Workspace = None, person: Person = None, verb: Verb = None, kind: Kind = None, object: Object = None,
    result: Result = None, via: Via = None, since: Since = None, until: Until = None, search: Search = None,
    format: Annotated[str, typer.Option("--format", help="csv or jsonl (one JSON object a line).")] = "csv",
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Write here instead of printing; what is there is kept.")] = None,
) -> None:  # fmt: skip
    """Write all entries that pass the filters as CSV or JSON Lines."""
    filters: dict[str, Any] = {"person": person, "verb": verb, "kind": kind, "object": object, "result": result, "via": via, "since": since,
               "until": until, "q": search}  # fmt: skip
    with session.connect() as studio:
        pieces = studio.audit.export(format=format, workspace=workspace, **filters)
        if file is None:
            with Log() as log:
                for piece in pieces:
                    log.write(piece)
            return
        # The first piece before the file: a refusal leaves none behind.
        first = next(pieces, b"")
        try:
            with file.open("xb") as target:
                target.write(first)
                target.writelines(pieces)
        except OSError as error:
            raise MooringError(
                "file-not-written", "The file cannot be written", f"{file}: {error.strerror}.", "Name another file with --file."
            ) from error
    say(f"written to {file}", err=True)
