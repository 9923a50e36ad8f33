"""`mooring search` and `mooring schema`: find anything by a part of its name, and what a YAML may say."""

from __future__ import annotations

from typing import Annotated

import typer

from mooring.cli import session
from mooring.cli.options import Output, Query
from mooring.cli.output import print_result

_SHOWN = ("kind", "name", "title", "workspace", "state", "url")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("search")(search)
    app.command("schema")(schema)


def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Words that its name must contain.")],
    kind: Annotated[
        list[str] | None, typer.Option("--kind", "-k", help="job, endpoint, model, compute, cluster or workspace; several times.")
    ] = None,
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="Only in this workspace; without it in all of yours.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=20, help="How many of each kind.")] = 6,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Find jobs, endpoints, models, computes, clusters and workspaces by a part of their name."""
    with session.connect() as studio:
        found = studio.search(text, kinds=kind or (), workspace=workspace, limit=limit)
    print_result([dict(one) for one in found], output, _SHOWN, query)


def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="command-job, model, online-endpoint or online-deployment.")],
    output: Output = "json",
    query: Query = None,
) -> None:
    """Print the JSON schema of a kind of YAML, for editors."""
    with session.connect() as studio:
        print_result(dict(studio.schema(kind)), output, (), query)
