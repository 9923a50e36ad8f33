"""All commands put together; what needs the network is imported when a command needs it."""

from __future__ import annotations

from typing import Annotated

import typer

from mooring.cli import (
    account,
    audit,
    clusters,
    completion,
    computes,
    deployments,
    doctor,
    endpoints,
    extension,
    finding,
    images,
    jobs,
    models,
    notices,
    people,
    sessions,
    studio,
    system,
    tokens,
    validating,
    views,
    workspaces,
)
from mooring.cli.verbs import furnish

app = typer.Typer(
    name="mooring",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(help="An ML studio for the Kubernetes you already have.")
def _mooring(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=account.say_version, help="Show the version of this command.")
    ] = False,
) -> None:
    """Take what stands before all verbs."""


PARTS = (
    *(jobs, models, endpoints, deployments, validating, computes, clusters, extension, images, finding, notices, audit),
    *(account, sessions),
    *(workspaces, people, tokens, doctor, completion, system, studio, views),
)
for part in PARTS:
    part.add_to(app)
furnish(app)
