"""`mooring online-endpoint validate` and `mooring online-deployment validate`: have a YAML checked, make nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.deployments import EndpointName, deployments
from mooring.cli.endpoints import endpoints
from mooring.cli.options import Output, Query, Workspace
from mooring.cli.output import print_result, say
from mooring.cli.serving import Overrides

File = Annotated[Path, typer.Option("--file", "-f", help="The YAML file.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to their groups."""
    endpoints.command("validate")(validate_endpoint)
    deployments.command("validate")(validate_deployment)


def validate_endpoint(
    file: File, overrides: Overrides = None, workspace: Workspace = None, output: Output = "table", query: Query = None
) -> None:
    """Have an endpoint's YAML checked without making it; errors come with line and column."""
    with session.connect(workspace) as studio:
        say_checked(file, studio.endpoints.validate(file, overrides=overrides or []), output, query)


def validate_deployment(
    file: File,
    endpoint: EndpointName = None,
    overrides: Overrides = None,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Have a deployment's YAML checked, and what it names on this machine looked for, without sending or deploying anything."""
    with session.connect(workspace) as studio:
        say_checked(file, studio.deployments.validate(file, endpoint=endpoint or "", overrides=overrides or []), output, query)


def say_checked(file: Path, answer: Mapping[str, Any], output: str, query: str | None) -> None:
    """Say that a YAML is right, and what to think of."""
    for warning in answer.get("warnings", ()):
        say(f"warning: {warning['text'] if isinstance(warning, dict) else warning}", err=True)
    if output == "table" and not query:
        say(f"{file} is right")
    else:
        print_result(dict(answer), output, query=query)
