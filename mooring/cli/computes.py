"""`mooring compute`: what a workspace's jobs can run on."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import (
    Most,
    NameArgument,
    NameOption,
    NoWait,
    Output,
    Query,
    Search,
    Sort,
    Status,
    View,
    Workspace,
    Yes,
    ask,
    the_name,
)
from mooring.cli.output import print_result, say
from mooring.cli.progress import Story

computes = typer.Typer(help="What a workspace's jobs can run on.", no_args_is_help=True)
_SHOWN = ("name", "status", "reason", "simulated", "cluster", "namespace", "default_instance_type")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(computes, name="compute")


@computes.command("list")
def list_computes(
    status: Status = None,
    cluster: Annotated[list[str] | None, typer.Option("--cluster", "-c", help="Only of this cluster; several times for several.")] = None,
    search: Search = None,
    view: View = None,
    sort: Sort = None,
    most: Most = None,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List the computes of a workspace."""
    with session.connect(workspace) as studio:
        found = studio.computes.list(status=status, cluster=cluster, q=search, view=view, sort=sort, most=most)
        rows = [dict(one.answer) for one in found]
    print_result(rows, output, _SHOWN, query)


@computes.command("show")
def show(
    argument: NameArgument = None,
    name: NameOption = None,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Show one compute."""
    with session.connect(workspace) as studio:
        print_result(dict(studio.computes.get(the_name(argument, name)).answer), output, query=query)


@computes.command("attach")
def attach(  # noqa: PLR0913 - each is an option of the command
    cluster: Annotated[str | None, typer.Option("--cluster", "-c", help="The cluster.")] = None,
    argument: NameArgument = None,
    name: NameOption = None,
    namespace: Annotated[str | None, typer.Option(help="The namespace; without it one is proposed.")] = None,
    resource_id: Annotated[
        str | None, typer.Option("--resource-id", help="The cluster as `az ml` names it: the last part is its name here.")
    ] = None,
    kind: Annotated[str, typer.Option("--type", "-t", help="kubernetes, as there is no other.")] = "kubernetes",
    create_namespace: Annotated[bool, typer.Option(help="Make the namespace when there is none.")] = True,
    instance_type: Annotated[str | None, typer.Option("--instance-type", help="The default instance type.")] = None,
    run_as_root: Annotated[bool, typer.Option("--run-as-root", help="Jobs may run as root; the namespace is less protected then.")] = False,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Attach a namespace of a cluster to a workspace, and wait until it is ready; for operators."""
    of = cluster or (resource_id or "").rstrip("/").rpartition("/")[2]
    if not of:
        raise typer.BadParameter("name the cluster with --cluster")
    if kind.lower() != "kubernetes":
        raise typer.BadParameter(f"there is no type {kind}: a compute is a namespace of a Kubernetes cluster")
    with session.connect(workspace) as studio:
        made = studio.computes.attach(
            the_name(argument, name),
            cluster=of,
            namespace=namespace or "",
            create_namespace=create_namespace,
            default_instance_type=instance_type or "",
            run_as_root=run_as_root,
            description=description,
        )
        if not no_wait:
            made = studio.computes.wait(made.name, seen=Story()) or made
    print_result(dict(made.answer), output, _SHOWN, query)


@computes.command("update")
def update(  # noqa: PLR0913 - each is an option of the command
    argument: NameArgument = None,
    name: NameOption = None,
    new_name: Annotated[str | None, typer.Option("--new-name", help="What it is called from now on.")] = None,
    namespace: Annotated[str | None, typer.Option(help="Another namespace; takes that nothing runs.")] = None,
    create_namespace: Annotated[bool, typer.Option("--create-namespace", help="Make that namespace when there is none.")] = False,
    instance_type: Annotated[str | None, typer.Option("--instance-type", help="The default; an empty text is the cluster's.")] = None,
    run_as_root: Annotated[bool | None, typer.Option("--run-as-root/--no-run-as-root", help="Whether jobs may run as root.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Change a compute in place, and wait until it is ready; what is not given stays. For operators."""
    given = {
        "name": new_name,
        "namespace": namespace,
        "default_instance_type": instance_type,
        "run_as_root": run_as_root,
        "description": description,
    }
    changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if not changes:
        raise typer.BadParameter("give what is to change")
    with session.connect(workspace) as studio:
        changed = studio.computes.update(the_name(argument, name), create_namespace=create_namespace, **changes)
        if not no_wait:
            changed = studio.computes.wait(changed.name, seen=Story()) or changed
    print_result(dict(changed.answer), output, _SHOWN, query)


@computes.command("detach")
def detach(
    argument: NameArgument = None,
    name: NameOption = None,
    running: Annotated[str, typer.Option(help="What becomes of jobs that still run: cancel or leave.")] = "cancel",
    workspace: Workspace = None,
    yes: Yes = False,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Detach a compute from its workspace; for operators."""
    if running not in ("cancel", "leave"):
        raise typer.BadParameter("--running is cancel or leave")
    which = the_name(argument, name)
    ask(f"Detach the compute {which} ({running} what runs on it)?", yes)
    with session.connect(workspace) as studio:
        studio.computes.detach(which, running="leave" if running == "leave" else "cancel")
        gone = not no_wait and studio.computes.wait(which, seen=Story()) is None
    say(f"{which} {'detached' if gone else 'is being detached'}", err=True)
    return {"name": which, "status": "detached" if gone else "detaching"}
