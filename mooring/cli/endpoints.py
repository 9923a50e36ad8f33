"""`mooring online-endpoint`: give models an HTTPS address, share its traffic, call it, watch it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
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
from mooring.cli.serving import File, Overrides, end, explain, over, with_addresses_marked
from mooring.terminal import Log

endpoints = typer.Typer(help="Serve models at an HTTPS address.", no_args_is_help=True)

_ENDPOINTS = ("name", "status", "compute", "scoring_uri", "traffic", "created_at", "created_by")
_ENDPOINT = (
    *("name", "status", "reason", "compute", "auth_mode", "scoring_uri", "openapi_uri", "address_reason", "traffic", "mirror_traffic"),
    *("description", "tags", "created_by", "created_at", "url"),
)
_METRICS = ("deployment", "requests", "requests_per_second", "p50_ms", "p95_ms", "p99_ms", "errors", "ready_replicas")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(endpoints, name="online-endpoint")


@endpoints.command("create")
def create(
    file: Annotated[Path, typer.Option("--file", "-f", help="The endpoint's YAML file.")],
    name: NameOption = None,
    overrides: Overrides = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Create an endpoint: its address and its keys."""
    with session.connect(workspace) as studio:
        endpoint = studio.endpoints.create(file, overrides=over(overrides, name=name))
        if not no_wait:
            endpoint = studio.endpoints.wait(endpoint.name, seen=Story()) or endpoint
    end(endpoint, _ENDPOINT, output, query)


@endpoints.command("update")
def update(  # noqa: PLR0913 - one for each option of the original
    argument: NameArgument = None,
    name: NameOption = None,
    file: File = None,
    traffic: Annotated[str | None, typer.Option("--traffic", "-r", help='Percents, as "blue=90 green=10".')] = None,
    mirror: Annotated[str | None, typer.Option("--mirror-traffic", help='Percent of requests to copy, as "green=10".')] = None,
    description: Annotated[str | None, typer.Option("--description", help="What it is.")] = None,
    overrides: Overrides = None,
    workspace: Workspace = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Share traffic among deployments, or bring an endpoint to what its YAML says."""
    from mooring.jobfile import read_text, set_over

    given = over(overrides, name=argument or name)
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
    end(endpoint, _ENDPOINT, output, query)


@endpoints.command("list")
def list_endpoints(
    status: Status = None,
    compute: Annotated[list[str] | None, typer.Option(help="Only on this compute; several times for several.")] = None,
    search: Search = None,
    view: View = None,
    sort: Sort = None,
    most: Most = None,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List endpoints, newest first."""
    with session.connect(workspace) as studio:
        found = studio.endpoints.list(status=status, compute=compute, q=search, view=view, sort=sort, most=most)
        rows = [dict(one.answer) for one in found]
    print_result([with_addresses_marked(row, output, query) for row in rows], output, _ENDPOINTS, query)


@endpoints.command("show")
def show(
    argument: NameArgument = None, name: NameOption = None, workspace: Workspace = None, output: Output = "table", query: Query = None
) -> None:
    """Show one endpoint: its address, state and traffic; with `-o yaml` everything."""
    with session.connect(workspace) as studio:
        endpoint = studio.endpoints.get(the_name(argument, name))
    print_result(with_addresses_marked(endpoint.answer, output, query), output, _ENDPOINT, query)
    explain(endpoint, output, query)


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
    say(f"the {key_type} key of {which} is a new one", err=True)
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
        with Log() as log:
            log.write(answer.content)
        say(f"\n{answer.status} in {answer.milliseconds:.1f} ms" + (f" ({answer.note})" if answer.note else ""), err=True)
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
        say(f"the router's figures could not be read last: {found['trouble']}", err=True)
    if found["refused_by_router"]:
        say(f"{found['refused_by_router']} refused by the router for want of a valid key, all of its endpoints together", err=True)


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
    say(f"{which} {'is being deleted' if no_wait else 'deleted'}", err=True)
    return {"name": which, "status": "deleting" if no_wait else "deleted"}


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
