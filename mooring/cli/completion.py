"""`mooring completion`: the script by which a shell completes commands, options and names."""

from __future__ import annotations

from typing import Annotated

import typer

SHELLS = ("bash", "zsh", "fish")


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("completion")(completion)


def completion(shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish")]) -> None:
    """Print the script by which a shell completes commands, options, and names of jobs, computes, clusters and workspaces."""
    from typer._completion_shared import get_completion_script

    if shell not in SHELLS:
        raise typer.BadParameter(f"the shell is one of {', '.join(SHELLS)}")
    typer.echo(get_completion_script(prog_name="mooring", complete_var="_MOORING_COMPLETE", shell=shell))
