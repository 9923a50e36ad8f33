"""What the verbs of endpoints and of deployments have in common: their YAML, and how they end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mooring.cli.output import marked, print_result, say

if TYPE_CHECKING:
    from mooring.client import Deployment, Endpoint

File = Annotated[Path | None, typer.Option("--file", "-f", help="The YAML file.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE over the YAML; several times.")]


def over(overrides: list[str] | None, *, name: str | None) -> list[str]:
    return [*(overrides or []), *([f"name={name}"] if name else [])]


def end(made: Endpoint | Deployment, columns: tuple[str, ...], output: str, query: str | None) -> None:
    """Print what came of it and leave with 3 when it failed."""
    print_result(with_addresses_marked(made.answer, output, query), output, columns, query)
    if made.status == "failed":
        explain(made, "table", None)
        raise typer.Exit(3)


def with_addresses_marked(answer: Mapping[str, Any], output: str, query: str | None) -> dict[str, Any]:
    """Return an answer as a table shows it: addresses that speak plain HTTP say so; other formats have `insecure`."""
    row = marked(answer, output, query)
    if output != "table" or query or not answer.get("insecure"):
        return row
    addresses = {name: f"{answer[name]} (plain HTTP)" for name in ("scoring_uri", "openapi_uri") if answer.get(name)}
    return row | addresses


def explain(made: Endpoint | Deployment, output: str, query: str | None) -> None:
    problem: Any = made.problem or {}
    if output == "table" and not query and problem:
        for part in ("title", "detail", "todo"):
            if problem.get(part):
                say(str(problem[part]), err=True)
        say(f"({problem.get('id')})", err=True)
