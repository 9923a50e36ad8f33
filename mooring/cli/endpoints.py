"""`mooring online-endpoint` and `mooring online-deployment`: serve models, share traffic, call, watch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import NameArgument, NameOption, NoWait, Output, Query, Workspace, Yes, ask, the_name
from mooring.cli.output import marked, print_result
from mooring.cli.progress import Story

if TYPE_CHECKING:
    from mooring.client import Deployment, Endpoint

endpoints = typer.Typer(help="Serve models at an HTTPS address.", no_args_is_help=True)
deployments = typer.Typer(help="Deploy models behind an endpoint.", no_args_is_help=True)

File = Annotated[Path | None, typer.Option("--file", "-f", help="The YAML file.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE over the YAML; several times.")]
EndpointName = Annotated[str | None, typer.Option("--endpoint-name", "-e", help="The endpoint's name.")]
AllTraffic = Annotated[bool, typer.Option("--all-traffic", help="Give it all requests as soon as it is ready.")]

_ENDPOINTS = ("name", "status", "compute", "scoring_uri", "traffic", "created_at", "created_by")
_ENDPOINT = (
    *("name", "status", "reason", "compute", "auth_mode", "scoring_uri", "openapi_uri", "address_reason", "traffic", "mirror_traffic"),
    *("description", "tags", "created_by", "created_at", "url"),
)
_DEPLOYMENTS = ("name", "status", "traffic", "ready_replicas", "instance_count", "revision", "model", "instance_type", "created_at")
_DEPLOYMENT = (
    *("name", "endpoint_name", "status", "reason", "traffic", "ready_replicas", "instance_count", "revision", "good_revision"),
    *("settings_changed", "model", "image", "scoring_script", "instance_type", "resources", "request_settings", "retry", "tags"),
    "created_at",
)
_METRICS = ("deployment", "requests", "requests_per_second", "p50_ms", "p95_ms", "p99_ms", "errors", "ready_replicas")
_CONTAINERS = ("pod", "container", "state", "ready", "restarts", "previous", "revision", "node")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(endpoints, name="online-endpoint")
    app.add_typer(deployments, name="online-deployment")


@endpoints.command("create")
def create(
    file: Annotated[Path, typer.Option("--file", "-f", help="The endpoint's YAML file.")],
    name: NameOption = None,
    overrides: Set = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Create an endpoint: its address and its keys."""
    with session.connect(workspace) as studio:
        endpoint = studio.endpoints.create(file, overrides=_over(overrides, name=name))
        if not no_wait:
            endpoint = studio.endpoints.wait(endpoint.name, seen=Story()) or endpoint
    _end(endpoint, _ENDPOINT, output, query)


@endpoints.command("update")
def update(  # noqa: PLR0913 - one for each option of the original
    argument: NameArgument = None,
    name: NameOption = None,
    file: File = None,
    traffic: Annotated[str | None, typer.Option("--traffic", "-r", help='Percents, as "blue=90 green=10".')] = None,
    mirror: Annotated[str | None, typer.Option("--mirror-traffic", help='Percent of requests to copy, as "green=10".')] = None,
    description: Annotated[str | None, typer.Option("--description", help="What it is.")] = None,
    overrides: Set = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Share traffic among deployments, or bring an endpoint to what its YAML says."""
    from mooring.jobfile import read_text, set_over

    given = _over(overrides, name=argument or name)
    which = the_name(argument, name or (str(set_over(read_text(file), given, source=file).get("name") or "") if file else None))
    with session.connect(workspace) as studio:
        endpoint = studio.endpoints.update(which, file, overrides=given) if file else studio.endpoints.get(which)
        if traffic is not None or mirror is not None:
            shares = _shares(traffic) if traffic is not None else None
            endpoint = studio.endpoints.set_traffic(which, shares, mirror=_shares(mirror) if mirror is not None else None)
        if description is not None:
            endpoint = studio.endpoints.edit(which, description=description)
        if not no_wait:
            endpoint = studio.endpoints.wait(which, seen=Story()) or endpoint
    _end(endpoint, _ENDPOINT, output, query)


@endpoints.command("list")
def list_endpoints(workspace: Workspace = None, output: Output = "table", query: Query = None) -> None:
    """List endpoints, newest first."""
    with session.connect(workspace) as studio:
        rows = [dict(one.answer) for one in studio.endpoints.list()]
    print_result([_marked(row, output, query) for row in rows], output, _ENDPOINTS, query)


@endpoints.command("show")
def show(
    argument: NameArgument = None, name: NameOption = None, workspace: Workspace = None, output: Output = "table", query: Query = None
) -> None:
    """Show one endpoint: its address, state and traffic; with `-o yaml` everything."""
    with session.connect(workspace) as studio:
        endpoint = studio.endpoints.get(the_name(argument, name))
    print_result(_marked(endpoint.answer, output, query), output, _ENDPOINT, query)
    _explain(endpoint, output, query)


@endpoints.command("get-credentials")
def get_credentials(
    argument: NameArgument = None, name: NameOption = None, workspace: Workspace = None, output: Output = "table", query: Query = None
) -> None:
    """Show both keys of an endpoint; the studio writes down who saw them."""
    with session.connect(workspace) as studio:
        keys = studio.endpoints.keys(the_name(argument, name))
    print_result(dict(keys), output, query=query)


@endpoints.command("regenerate-keys")
def regenerate_keys(
    argument: NameArgument = None,
    name: NameOption = None,
    key_type: Annotated[str, typer.Option("--key-type", help="primary or secondary.")] = "primary",
    workspace: Workspace = None,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Replace one key by a new one; the other goes on opening the endpoint."""
    which = the_name(argument, name)
    with session.connect(workspace) as studio:
        studio.endpoints.regenerate_key(which, key_type)
        if not no_wait:
            studio.endpoints.wait(which)
    typer.echo(f"the {key_type} key of {which} is a new one", err=True)
    return {"name": which, "key": key_type, "status": "regenerated"}


@endpoints.command("invoke")
def invoke(
    argument: NameArgument = None,
    name: NameOption = None,
    request_file: Annotated[Path | None, typer.Option("--request-file", "-r", help="The body to send; - is standard input.")] = None,
    deployment: Annotated[str | None, typer.Option("--deployment-name", "-d", help="Only this deployment, whatever the traffic.")] = None,
    content_type: Annotated[str, typer.Option("--content-type", help="What the body is.")] = "application/json",
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Send one request through the studio and print what was answered; 1 unless that was a 2xx."""
    if request_file is None:
        body = b"{}"
    else:
        body = sys.stdin.buffer.read() if str(request_file) == "-" else request_file.read_bytes()
    with session.connect(workspace) as studio:
        answer = studio.endpoints.invoke(the_name(argument, name), body, deployment=deployment or "", content_type=content_type)
    if output == "table" and not query:
        sys.stdout.buffer.write(answer.content)
        sys.stdout.buffer.flush()
        typer.echo(f"\n{answer.status} in {answer.milliseconds:.1f} ms" + (f" ({answer.note})" if answer.note else ""), err=True)
    else:
        print_result(dict(answer.answer), output, query=query)
    if not 200 <= answer.status < 300:
        raise typer.Exit(1)


@endpoints.command("metrics")
def metrics(
    argument: NameArgument = None,
    name: NameOption = None,
    over: Annotated[str, typer.Option("--range", help="15m, 1h, 6h, 24h or 14d.")] = "15m",
    points: Annotated[bool, typer.Option("--points", help="Over time, too; for -o json and yaml.")] = False,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Show requests/s, times in ms and errors by code of each deployment, as the router counted them."""
    with session.connect(workspace) as studio:
        found = studio.endpoints.metrics(the_name(argument, name), over=over, points=points)
    if output != "table" or query:
        print_result(dict(found), output, query=query)
        return
    print_result([*map(_figures, found["deployments"]), _figures({"name": "all"} | found["all"])], output, _METRICS, None)
    if found["trouble"]:
        typer.echo(f"the router's figures could not be read last: {found['trouble']}", err=True)
    if found["refused_by_router"]:
        typer.echo(f"{found['refused_by_router']} refused by the router for want of a valid key, all of its endpoints together", err=True)


@endpoints.command("delete")
def delete(
    argument: NameArgument = None, name: NameOption = None, workspace: Workspace = None, yes: Yes = False, no_wait: NoWait = False
) -> dict[str, Any]:
    """Delete an endpoint with all its deployments."""
    which = the_name(argument, name)
    ask(f"Delete {which} with all its deployments?", yes)
    with session.connect(workspace) as studio:
        studio.endpoints.delete(which)
        if not no_wait:
            studio.endpoints.wait(which, seen=Story())
    typer.echo(f"{which} {'is being deleted' if no_wait else 'deleted'}", err=True)
    return {"name": which, "status": "deleting" if no_wait else "deleted"}


@deployments.command("create")
def create_deployment(
    file: Annotated[Path, typer.Option("--file", "-f", help="The deployment's YAML file.")],
    name: NameOption = None,
    endpoint: EndpointName = None,
    all_traffic: AllTraffic = False,
    overrides: Set = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Deploy a model with the code and the files that its YAML names; ends with the rollout: 3 when it failed."""
    from mooring.cli.progress import Bar

    given = _over(overrides, name=name)
    with session.connect(workspace) as studio:
        with Bar("sending files") as bar:
            made = studio.deployments.create(file, endpoint=endpoint or "", overrides=given, all_traffic=all_traffic, progress=bar)
        _warn(made)
        if not no_wait:
            made = studio.deployments.wait(made.name, endpoint=made.endpoint_name, seen=Story()) or made
    _end(made, _DEPLOYMENT, output, query)


@deployments.command("update")
def update_deployment(
    name: NameOption = None,
    endpoint: EndpointName = None,
    file: File = None,
    all_traffic: AllTraffic = False,
    overrides: Set = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Bring a deployment to what its YAML says, or change single fields with --set; goes back by itself when that fails."""
    from mooring.cli.progress import Bar
    from mooring.jobfile import read_text, set_over

    given = _over(overrides, name=name if file else None)
    fields: Mapping[str, Any] = set_over(read_text(file), given, source=file) if file else {}
    which, where = the_name(name, fields.get("name")), the_name(endpoint, None if endpoint else fields.get("endpoint_name"))
    with session.connect(workspace) as studio:
        with Bar("sending files") as bar:
            made = studio.deployments.update(which, file, endpoint=where, overrides=given, all_traffic=all_traffic, progress=bar)
        _warn(made)
        wanted = made.answer.get("wanted_revision")
        if not no_wait:
            made = studio.deployments.wait(which, endpoint=where, seen=Story()) or made
    _end(made, _DEPLOYMENT, output, query)
    if not no_wait and made.revision != wanted:
        raise typer.Exit(3)


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
def show_deployment(
    name: NameOption = None, endpoint: EndpointName = None, workspace: Workspace = None, output: Output = "table", query: Query = None
) -> None:
    """Show one deployment: its state and why, replicas, revision; with `-o yaml` everything."""
    with session.connect(workspace) as studio:
        found = studio.deployments.get(the_name(name, None), endpoint=the_name(endpoint, None))
    print_result(dict(found.answer), output, _DEPLOYMENT, query)
    _explain(found, output, query)
    changed = found.answer.get("settings_changed") or ()
    if output == "table" and not query and changed:
        verb = f"mooring online-deployment rollout -n {found.name} -e {found.endpoint_name}"
        typer.echo(f"the cluster's settings changed since its pods were made ({', '.join(changed)}): `{verb}` takes them", err=True)


@deployments.command("scale")
def scale(
    count: Annotated[int, typer.Option("--instance-count", "-c", min=1, help="How many instances.")],
    name: NameOption = None,
    endpoint: EndpointName = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Run so many instances of a deployment."""
    which, where = the_name(name, None), the_name(endpoint, None)
    with session.connect(workspace) as studio:
        made = studio.deployments.scale(which, count, endpoint=where)
        if not no_wait:
            made = studio.deployments.wait(which, endpoint=where, seen=Story()) or made
    _end(made, _DEPLOYMENT, output, query)


@deployments.command("rollback")
def rollback(
    name: NameOption = None,
    endpoint: EndpointName = None,
    revision: Annotated[int | None, typer.Option("--revision", help="Which one; else the last one before that was ready.")] = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Go back to a revision that was ready."""
    which, where = the_name(name, None), the_name(endpoint, None)
    with session.connect(workspace) as studio:
        made = studio.deployments.roll_back(which, endpoint=where, revision=revision)
        if not no_wait:
            made = studio.deployments.wait(which, endpoint=where, seen=Story()) or made
    _end(made, _DEPLOYMENT, output, query)


@deployments.command("retry")
def retry(
    name: NameOption = None,
    endpoint: EndpointName = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Roll the newest revision out once more."""
    which, where = the_name(name, None), the_name(endpoint, None)
    with session.connect(workspace) as studio:
        made = studio.deployments.retry(which, endpoint=where)
        if not no_wait:
            made = studio.deployments.wait(which, endpoint=where, seen=Story()) or made
    _end(made, _DEPLOYMENT, output, query)


@deployments.command("rollout")
def roll_out(
    name: NameOption = None,
    endpoint: EndpointName = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Replace all pods, without a gap, by new ones made with the cluster's settings of now."""
    which, where = the_name(name, None), the_name(endpoint, None)
    with session.connect(workspace) as studio:
        made = studio.deployments.roll_out(which, endpoint=where)
        if not no_wait:
            made = studio.deployments.wait(which, endpoint=where, seen=Story()) or made
    _end(made, _DEPLOYMENT, output, query)


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
        for piece in pieces:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()


@deployments.command("list-containers")
def list_containers(
    name: NameOption = None, endpoint: EndpointName = None, workspace: Workspace = None, output: Output = "table", query: Query = None
) -> None:
    """List the containers of each replica: what --pod and --container of get-logs take."""
    with session.connect(workspace) as studio:
        rows = studio.deployments.containers(the_name(name, None), endpoint=the_name(endpoint, None))
    print_result([dict(one) for one in rows], output, _CONTAINERS, query)


@deployments.command("delete")
def delete_deployment(
    name: NameOption = None, endpoint: EndpointName = None, workspace: Workspace = None, yes: Yes = False, no_wait: NoWait = False
) -> dict[str, Any]:
    """Delete a deployment that gets no traffic."""
    which, where = the_name(name, None), the_name(endpoint, None)
    ask(f"Delete deployment {which} of {where}?", yes)
    with session.connect(workspace) as studio:
        studio.deployments.delete(which, endpoint=where)
        if not no_wait:
            studio.deployments.wait(which, endpoint=where, seen=Story())
    typer.echo(f"{which} {'is being deleted' if no_wait else 'deleted'}", err=True)
    return {"name": which, "status": "deleting" if no_wait else "deleted"}


def _over(overrides: list[str] | None, *, name: str | None) -> list[str]:
    return [*(overrides or []), *([f"name={name}"] if name else [])]


def _shares(text: str) -> dict[str, int]:
    """Read `blue=90 green=10`, with blanks or commas between."""
    shares = {}
    for word in text.replace(",", " ").split():
        name, equals, percent = word.partition("=")
        if not equals or not name or not percent.strip("% ").isdecimal():
            raise typer.BadParameter(f'{word} is not NAME=PERCENT, as in "blue=90 green=10"')
        shares[name] = int(percent.strip("% "))
    return shares


def _figures(row: Mapping[str, Any]) -> dict[str, Any]:
    errors = ", ".join(f"{code}: {count}" for code, count in row["errors"].items())
    return {**row, "deployment": f"{row['name']} (copies)" if row.get("copies") else row["name"], "errors": errors or "none"}


class _Once:
    """Tell what a node says instead of lines once, on stderr."""

    def __init__(self) -> None:
        self._told = ""

    def __call__(self, text: str) -> None:
        if text != self._told:
            typer.echo(text, err=True)
        self._told = text


def _warn(made: Deployment) -> None:
    for warning in made.answer.get("warnings", ()):
        typer.echo(f"warning: {warning['text']}", err=True)


def _end(made: Endpoint | Deployment, columns: tuple[str, ...], output: str, query: str | None) -> None:
    """Print what came of it and leave with 3 when it failed."""
    print_result(_marked(made.answer, output, query), output, columns, query)
    if made.status == "failed":
        _explain(made, "table", None)
        raise typer.Exit(3)


def _marked(answer: Mapping[str, Any], output: str, query: str | None) -> dict[str, Any]:
    """Return an answer as a table shows it: addresses that speak plain HTTP say so; other formats have `insecure`."""
    row = marked(answer, output, query)
    if output != "table" or query or not answer.get("insecure"):
        return row
    addresses = {name: f"{answer[name]} (plain HTTP)" for name in ("scoring_uri", "openapi_uri") if answer.get(name)}
    return row | addresses


def _explain(made: Endpoint | Deployment, output: str, query: str | None) -> None:
    problem: Any = made.problem or {}
    if output == "table" and not query and problem:
        for part in ("title", "detail", "todo"):
            if problem.get(part):
                typer.echo(str(problem[part]), err=True)
        typer.echo(f"({problem.get('id')})", err=True)
