"""`mooring online-deployment`: bring models behind an endpoint, roll them out and back, read what they print."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import NameOption, NoWait, Output, Query, Workspace, Yes, ask, the_name
from mooring.cli.output import print_result, say
from mooring.cli.progress import Story
from mooring.cli.serving import File, Overrides, end, explain, over
from mooring.terminal import Log

if TYPE_CHECKING:
    from mooring.client import Client, Deployment

deployments = typer.Typer(help="Deploy models behind an endpoint.", no_args_is_help=True)

EndpointName = Annotated[str | None, typer.Option("--endpoint-name", "-e", help="The endpoint's name.")]
AllTraffic = Annotated[bool, typer.Option("--all-traffic", help="Give it all requests as soon as it is ready.")]

_DEPLOYMENTS = ("name", "status", "traffic", "ready_replicas", "instance_count", "revision", "model", "instance_type", "created_at")
_DEPLOYMENT = (
    *("name", "endpoint_name", "status", "reason", "traffic", "ready_replicas", "instance_count", "revision", "good_revision"),
    *("settings_changed", "model", "image", "scoring_script", "instance_type", "resources", "request_settings", "retry", "tags"),
    "created_at",
)
_CONTAINERS = ("pod", "container", "state", "ready", "restarts", "previous", "revision", "node")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(deployments, name="online-deployment")


@deployments.command("create")
def create(
    file: Annotated[Path, typer.Option("--file", "-f", help="The deployment's YAML file.")],
    name: NameOption = None,
    endpoint: EndpointName = None,
    all_traffic: AllTraffic = False,
    overrides: Overrides = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Deploy a model with the code and the files that its YAML names; ends with the rollout: 3 when it failed."""
    from mooring.cli.progress import Bar

    given = over(overrides, name=name)
    with session.connect(workspace) as studio:
        with Bar("sending files") as bar:
            made = studio.deployments.create(file, endpoint=endpoint or "", overrides=given, all_traffic=all_traffic, progress=bar)
        _warn(made)
        _see_through(studio, made, no_wait, output, query)


@deployments.command("update")
def update(
    name: NameOption = None,
    endpoint: EndpointName = None,
    file: File = None,
    all_traffic: AllTraffic = False,
    retry: Annotated[bool | None, typer.Option("--retry/--no-retry", help="Try a lost connection at another replica.")] = None,
    overrides: Overrides = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Bring a deployment to what its YAML says, or change single fields with --set; goes back by itself when that fails."""
    from mooring.cli.progress import Bar
    from mooring.jobfile import read_text, set_over

    given = over(overrides, name=name if file else None)
    fields: Mapping[str, Any] = set_over(read_text(file), given, source=file) if file else {}
    which, where = the_name(name, fields.get("name")), the_name(endpoint, None if endpoint else fields.get("endpoint_name"))
    with session.connect(workspace) as studio:
        if retry is not None and not (file or given or all_traffic):
            made = studio.deployments.edit(which, endpoint=where, retry=retry)
            if not no_wait:
                studio.endpoints.wait(where)
            end(made, _DEPLOYMENT, output, query)
            return
        given += [] if retry is None else [f"rollout.retry={'true' if retry else 'false'}"]
        with Bar("sending files") as bar:
            made = studio.deployments.update(which, file, endpoint=where, overrides=given, all_traffic=all_traffic, progress=bar)
        _warn(made)
        _see_through(studio, made, no_wait, output, query)


@deployments.command("list")
def list_deployments(
    endpoint: Annotated[str, typer.Option("--endpoint-name", "-e", help="The endpoint's name.")],
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List the deployments of an endpoint."""
    with session.connect(workspace) as studio:
        rows = [dict(one.answer) for one in studio.deployments.list(endpoint=endpoint)]
    print_result(rows, output, _DEPLOYMENTS, query)


@deployments.command("show")
def show(
    name: NameOption = None, endpoint: EndpointName = None, workspace: Workspace = None, output: Output = "table", query: Query = None
) -> None:
    """Show one deployment: its state and why, replicas, revision; with `-o yaml` everything."""
    with session.connect(workspace) as studio:
        found = studio.deployments.get(the_name(name, None), endpoint=the_name(endpoint, None))
    print_result(dict(found.answer), output, _DEPLOYMENT, query)
    explain(found, output, query)
    changed = found.answer.get("settings_changed") or ()
    if output == "table" and not query and changed:
        verb = f"mooring online-deployment rollout -n {found.name} -e {found.endpoint_name}"
        say(f"the cluster's settings changed since its pods were made ({', '.join(changed)}): `{verb}` takes them", err=True)


def _change(act: Callable[..., Deployment]) -> Callable[..., None]:
    """Make a verb of a change of one deployment: with its own options those by which all of them name it and see it through."""

    @functools.wraps(act)
    def verb(*, name: Any, endpoint: Any, workspace: Any, no_wait: Any, output: Any, query: Any, **own: Any) -> None:
        which, where = the_name(name, None), the_name(endpoint, None)
        with session.connect(workspace) as studio:
            _see_through(studio, act(studio.deployments, which, where, **own), no_wait, output, query)

    # Without the first three, which the verb finds by itself.
    own = list(inspect.signature(act, eval_str=True).parameters.values())[3:]
    shared = inspect.signature(_every, eval_str=True).parameters.values()
    every = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *shared)]
    verb.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    verb.__annotations__ = {one.name: one.annotation for one in every}
    return verb


def _every(
    name: NameOption = None,
    endpoint: EndpointName = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Hold the options of every such verb."""


@deployments.command("scale")
@_change
def scale(
    all: Any, name: str, endpoint: str, count: Annotated[int, typer.Option("--instance-count", "-c", min=1, help="How many instances.")]
) -> Any:
    """Run so many instances of a deployment."""
    return all.scale(name, count, endpoint=endpoint)


@deployments.command("rollback")
@_change
def rollback(
    all: Any,
    name: str,
    endpoint: str,
    revision: Annotated[int | None, typer.Option("--revision", help="Which one; else the last one before that was ready.")] = None,
) -> Any:
    """Go back to a revision that was ready."""
    return all.roll_back(name, endpoint=endpoint, revision=revision)


@deployments.command("retry")
@_change
def retry(all: Any, name: str, endpoint: str) -> Any:
    """Roll the newest revision out once more."""
    return all.retry(name, endpoint=endpoint)


@deployments.command("rollout")
@_change
def roll_out(all: Any, name: str, endpoint: str) -> Any:
    """Replace all pods, without a gap, by new ones made with the cluster's settings of now."""
    return all.roll_out(name, endpoint=endpoint)


@deployments.command("get-logs")
def get_logs(
    name: NameOption = None,
    endpoint: EndpointName = None,
    container: Annotated[str, typer.Option("--container", "-c", help="inference-server, or storage-initializer.")] = "inference-server",
    lines: Annotated[int, typer.Option("--lines", "-l", min=1, max=10_000, help="How many of the last lines.")] = 50,
    pod: Annotated[str, typer.Option("--pod", help="Of this replica.")] = "",
    previous: Annotated[bool, typer.Option("--previous", help="What it printed before it was started again.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as it prints, until the replica is gone.")] = False,
    workspace: Workspace = None,
) -> None:
    """Print what a replica last printed, and with --follow what it prints; of a failed deployment what was kept of it."""
    if previous and follow:
        raise typer.BadParameter("what was printed before a restart is whole: leave out --follow or --previous")
    which, where = the_name(name, None), the_name(endpoint, None)
    with session.connect(workspace) as studio:
        if not follow:
            pieces = iter([studio.deployments.logs(which, endpoint=where, container=container, pod=pod, lines=lines, previous=previous)])
        else:
            said = _Once()
            pieces = studio.deployments.follow(which, endpoint=where, container=container, pod=pod, lines=lines, said=said)
        with Log() as log:
            for piece in pieces:
                log.write(piece)


@deployments.command("list-containers")
def list_containers(
    name: NameOption = None, endpoint: EndpointName = None, workspace: Workspace = None, output: Output = "table", query: Query = None
) -> None:
    """List the containers of each replica: what --pod and --container of get-logs take."""
    with session.connect(workspace) as studio:
        rows = studio.deployments.containers(the_name(name, None), endpoint=the_name(endpoint, None))
    print_result([dict(one) for one in rows], output, _CONTAINERS, query)


@deployments.command("delete")
def delete(
    name: NameOption = None, endpoint: EndpointName = None, workspace: Workspace = None, yes: Yes = False, no_wait: NoWait = False
) -> dict[str, Any]:
    """Delete a deployment that gets no traffic."""
    which, where = the_name(name, None), the_name(endpoint, None)
    ask(f"Delete deployment {which} of {where}?", yes)
    with session.connect(workspace) as studio:
        studio.deployments.delete(which, endpoint=where)
        if not no_wait:
            studio.deployments.wait(which, endpoint=where, seen=Story())
    say(f"{which} {'is being deleted' if no_wait else 'deleted'}", err=True)
    return {"name": which, "status": "deleting" if no_wait else "deleted"}


def _see_through(studio: Client, made: Deployment, no_wait: bool, output: str, query: str | None) -> None:
    """Wait for the rollout, print what came of it, and leave with 3 when the revision that was asked for does not serve."""
    wanted = made.answer.get("wanted_revision")
    if not no_wait:
        made = studio.deployments.wait(made.name, endpoint=made.endpoint_name, seen=Story()) or made
    end(made, _DEPLOYMENT, output, query)
    if not no_wait and (made.revision != wanted or made.status == "degraded"):
        explain(made, output, query)
        raise typer.Exit(3)


class _Once:
    """Tell what a node says instead of lines once, on stderr."""

    def __init__(self) -> None:
        self._told = ""

    def __call__(self, text: str) -> None:
        if text != self._told:
            say(text, err=True)
        self._told = text


def _warn(made: Deployment) -> None:
    for warning in made.answer.get("warnings", ()):
        say(f"warning: {warning['text']}", err=True)
