"""Options that several commands share, named as users of `az ml` know them."""

from __future__ import annotations

from typing import Annotated

import typer

from mooring.cli.output import known_format, readable_query
from mooring.cli.verbs import complete_name, complete_workspace

Workspace = Annotated[
    str | None,
    typer.Option(
        "--workspace",
        "--workspace-name",
        "-w",
        autocompletion=complete_workspace,
        help="The workspace; MOORING_WORKSPACE, else the only one you have.",
    ),
]
# Looked at before anything is done: what cannot be printed afterwards is not begun.
Output = Annotated[str, typer.Option("--output", "-o", callback=known_format, help="table, json, yaml or name")]
Query = Annotated[str | None, typer.Option("--query", callback=readable_query, help="JMESPath query on the result.")]
Search = Annotated[str | None, typer.Option("--search", "-q", help="Only those that contain these words.")]
Status = Annotated[list[str] | None, typer.Option("--status", help="Only of this status, as ready; several times for several.")]
Most = Annotated[int | None, typer.Option("--max-results", "-r", min=1, help="How many at most; all without it.")]
View = Annotated[str | None, typer.Option("--view", help="A saved view; other options stand in the view's stead.")]
Sort = Annotated[str | None, typer.Option("--sort", help="A column of the list, as name; -name turns it round.")]
Since = Annotated[str | None, typer.Option("--since", help="Only from then on: a day (2026-11-25), or how long ago, as 24h or 7d.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return at once instead of waiting until it is done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
NameArgument = Annotated[
    str | None, typer.Argument(metavar="NAME", autocompletion=complete_name, help="The name; --name says the same.")
]
NameOption = Annotated[str | None, typer.Option("--name", "-n", autocompletion=complete_name, help="The name.")]


def the_name(argument: str | None, option: str | None) -> str:
    """Return the name that was given in either way."""
    if argument and option and argument != option:
        raise typer.BadParameter(f"two names were given: {argument} and {option}")
    name = argument or option
    if not name:
        raise typer.BadParameter("a name is needed: give it as an argument or with --name")
    return name


def ask(question: str, yes: bool) -> None:
    """Ask before something is taken away; without a terminal `--yes` is needed."""
    if yes:
        return
    import sys

    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} Say so with --yes: there is no terminal to ask on.")
    typer.confirm(question, abort=True)


def typed_secret(prompt: str, *, twice: bool = False) -> str:
    """Ask for a secret without showing it; from a pipe it is the next line."""
    import sys

    if sys.stdin.isatty():
        return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True))
    return sys.stdin.readline().rstrip("\r\n")
