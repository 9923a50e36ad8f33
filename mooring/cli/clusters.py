"""`mooring cluster` and `mooring instance-type`: for IT operations."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mooring.cli import session
from mooring.cli.network import network
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
    Yes,
    ask,
    the_name,
)
from mooring.cli.output import print_document, print_result, say
from mooring.cli.progress import Story
from mooring.cli.verbs import complete_cluster
from mooring.errors import MooringError

clusters = typer.Typer(help="Attach Kubernetes clusters and see how they are.", no_args_is_help=True)
types = typer.Typer(help="Instance types: which nodes a job asks for and how much of them.", no_args_is_help=True)

Cluster_ = Annotated[str, typer.Option("--cluster", "-c", autocompletion=complete_cluster, help="The cluster.")]
_SHOWN = ("name", "status", "reason", "kubernetes_version", "distribution", "simulated", "insecure", "nodes", "cpu", "memory", "gpu")
_MORE = ("server", "context", "seen_at", "log_route", "pods_reach_studio", "computes")
_TYPES_SHOWN = ("name", "default", "size", "description", "problem")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    clusters.add_typer(network, name="network")
    app.add_typer(clusters, name="cluster")
    app.add_typer(types, name="instance-type")


@clusters.command("attach")
def attach(
    argument: NameArgument = None,
    name: NameOption = None,
    kubeconfig: Annotated[str | None, typer.Option("--kubeconfig", "-f", help="A kubeconfig file; - reads it from standard input.")] = None,
    context: Annotated[str | None, typer.Option(help="The context in it, when there are several.")] = None,
    in_cluster: Annotated[bool, typer.Option("--in-cluster", help="The cluster that the studio runs in.")] = False,
    allow_insecure: Annotated[bool, typer.Option("--allow-insecure", help="Accept insecure-skip-tls-verify; administrators only.")] = False,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Attach a cluster and wait until it is ready."""
    if in_cluster == bool(kubeconfig):
        raise typer.BadParameter("give either --kubeconfig or --in-cluster")
    with session.connect() as studio:
        cluster = studio.clusters.attach(
            the_name(argument, name),
            kubeconfig=_text(kubeconfig) if kubeconfig else None,
            context=context,
            in_cluster=in_cluster,
            allow_insecure=allow_insecure,
        )
        if not no_wait:
            cluster = studio.clusters.wait(cluster.name) or cluster
    print_result(_row(cluster.answer, output, query), output, _SHOWN, query)
    raise typer.Exit(1 if cluster.status == "unreachable" else 0)


@clusters.command("list")
def list_clusters(
    status: Status = None,
    distribution: Annotated[list[str] | None, typer.Option(help="Only of this distribution, as k3s; several times for several.")] = None,
    search: Search = None,
    view: View = None,
    sort: Sort = None,
    most: Most = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List the attached clusters."""
    with session.connect() as studio:
        found = studio.clusters.list(status=status, distribution=distribution, q=search, view=view, sort=sort, most=most)
        rows = [_row(one.answer, output, query) for one in found]
    print_result(rows, output, _SHOWN, query)


@clusters.command("fleet")
def fleet(output: Output = "table", query: Query = None) -> None:
    """Show what is wrong with any cluster; the free capacity of all with -o json."""
    with session.connect() as studio:
        answer = dict(studio.fleet())
    whole = output in ("json", "yaml") or query
    print_result(answer if whole else answer["troubles"], output, ("cluster", "where", "title", "text", "todo"), query)


@clusters.command("show")
def show(argument: NameArgument = None, name: NameOption = None, output: Output = "table", query: Query = None) -> None:
    """Show one cluster."""
    with session.connect() as studio:
        cluster = studio.clusters.get(the_name(argument, name))
    print_result(_row(cluster.answer, output, query), output, (*_SHOWN, *_MORE), query)


@clusters.command("update")
def update(
    argument: NameArgument = None,
    name: NameOption = None,
    new_name: Annotated[str | None, typer.Option("--new-name", help="What people call it from now on.")] = None,
    server: Annotated[str | None, typer.Option(help="Its address: another one takes `replace-credentials`.")] = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Rename a cluster; the cluster itself is not touched."""
    if new_name is None and server is None:
        raise typer.BadParameter("give --new-name")
    changes = {key: value for key, value in (("name", new_name), ("server", server)) if value is not None}
    with session.connect() as studio:
        cluster = studio.clusters.update(the_name(argument, name), **changes)
    print_result(_row(cluster.answer, output, query), output, _SHOWN, query)


@clusters.command("replace-credentials")
def replace_credentials(
    kubeconfig: Annotated[str, typer.Option("--kubeconfig", "-f", help="A kubeconfig file; - reads it from standard input.")],
    argument: NameArgument = None,
    name: NameOption = None,
    context: Annotated[str | None, typer.Option(help="The context in it, when there are several.")] = None,
    allow_insecure: Annotated[bool, typer.Option("--allow-insecure", help="Accept insecure-skip-tls-verify; administrators only.")] = False,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Replace the credentials of a cluster, and wait until it is ready with them; the old ones are never shown."""
    which = the_name(argument, name)
    with session.connect() as studio:
        cluster = studio.clusters.replace_credentials(which, kubeconfig=_text(kubeconfig), context=context, allow_insecure=allow_insecure)
        if not no_wait:
            cluster = studio.clusters.wait(which, seen=Story()) or cluster
    print_result(_row(cluster.answer, output, query), output, _SHOWN, query)
    raise typer.Exit(1 if cluster.status == "unreachable" else 0)


@clusters.command("probe")
def probe(
    argument: NameArgument = None,
    name: NameOption = None,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Look at a cluster again: what Mooring may do there, and how bytes travel; what was found is said."""
    with session.connect() as studio:
        cluster = studio.clusters.probe(the_name(argument, name), wait=not no_wait)
    if output == "table" and not query:
        print_result(_row(cluster.answer, output, query), output, (*_SHOWN, "log_route", "pods_reach_studio"))
        for one in cluster.answer.get("findings") or ():
            say(f"{one['title']}: {one['text']} {one.get('todo') or ''}".rstrip(), err=True)
    else:
        print_result(dict(cluster.answer), output, query=query)
    raise typer.Exit(1 if cluster.status == "unreachable" else 0)


@clusters.command("manifest")
def manifest(
    argument: NameArgument = None,
    name: NameOption = None,
    namespace: Annotated[list[str] | None, typer.Option(help="A namespace that jobs are to run in; several times.")] = None,
    extension: Annotated[bool, typer.Option("--extension", help="Also what installing the extension takes.")] = False,
) -> None:
    """Print the identity with the least rights that Mooring needs, to apply with kubectl; before attaching, without NAME."""
    which = the_name(argument, name) if argument or name else None
    with session.connect() as studio:
        print_document(studio.clusters.manifest(which, namespaces=namespace or (), extension=extension))


@clusters.command("detach")
def detach(
    argument: NameArgument = None,
    name: NameOption = None,
    forget: Annotated[bool, typer.Option("--forget", help="Drop one that does not answer, without cleaning it.")] = False,
    yes: Yes = False,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Detach a cluster, with all computes on it, and take along what Mooring put into it."""
    which = the_name(argument, name)
    ask(f"Detach the cluster {which} with all computes on it?", yes)
    with session.connect() as studio:
        answer = dict(studio.clusters.detach(which, forget=forget))
        for word in ("goes", "stays"):
            told = answer.get(word) or []
            for line in [told] if isinstance(told, str) else told:
                say(f"{word}: {line}", err=True)
        gone = not no_wait and studio.clusters.wait(which, seen=Story()) is None
    say(f"{which} {'detached' if gone else 'is being detached'}", err=True)
    return {"name": which, "status": "detached" if gone else "detaching", **answer}


@types.command("list")
def list_types(
    cluster: Cluster_,
    fits: Annotated[bool, typer.Option("--fits", help="Only those that fit on a node now.")] = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="Only those with GPUs.")] = False,
    search: Search = None,
    view: View = None,
    sort: Sort = None,
    most: Most = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List the instance types of a cluster, and how many of each fit now."""
    if fits and gpu:
        raise typer.BadParameter("give either --fits or --gpu")
    show: Literal["fit", "gpu"] | None = "fit" if fits else "gpu" if gpu else None
    with session.connect() as studio:
        found = studio.clusters.instance_types(cluster, show=show, q=search, view=view, sort=sort, most=most)
        rows = [dict(one.answer) for one in found]
    print_result(rows, output, ("name", "default", "size", "fits_now", "description", "problem"), query)


@types.command("show")
def show_type(
    cluster: Cluster_,
    argument: NameArgument = None,
    name: NameOption = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Show one instance type."""
    with session.connect() as studio:
        print_result(dict(studio.clusters.instance_type(cluster, the_name(argument, name)).answer), output, query=query)


@types.command("create")
def create_type(  # noqa: PLR0913 - each is an option of the command
    cluster: Cluster_,
    argument: NameArgument = None,
    name: NameOption = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="An InstanceType resource, or its spec alone; YAML or JSON.")] = None,
    cpu: Annotated[str | None, typer.Option(help="CPU: requested, and the limit; for example 500m.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory: requested, and the limit; for example 2Gi.")] = None,
    gpu: Annotated[int | None, typer.Option(help="Number of GPUs.")] = None,
    node_selector: Annotated[list[str] | None, typer.Option("--node-selector", help="LABEL=VALUE; may be given several times.")] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    default: Annotated[bool, typer.Option("--default", help="What jobs get that name none.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace one of this name.")] = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Make an instance type, from a file or from options."""
    named, spec = _definition(file) if file else (None, _from_options(cpu, memory, gpu, node_selector or [], description))
    which = the_name(argument, name or (named if not argument else None))
    with session.connect() as studio:
        save = studio.clusters.replace_instance_type if replace else studio.clusters.create_instance_type
        made = save(cluster, which, spec, default=default or None)
    print_result(dict(made.answer), output, (*_TYPES_SHOWN, "spec"), query)


@types.command("set-default")
def set_default_type(
    cluster: Cluster_,
    argument: NameArgument = None,
    name: NameOption = None,
    none: Annotated[bool, typer.Option("--none", help="It is the default no longer; without one the implicit type is.")] = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Make an instance type what jobs get that name none."""
    which = the_name(argument, name)
    with session.connect() as studio:
        now = studio.clusters.instance_type(cluster, which).answer
        version = now.get("resource_version") or ""
        made = studio.clusters.replace_instance_type(cluster, which, now["spec"], default=not none, version=version)
    print_result(dict(made.answer), output, _TYPES_SHOWN, query)


@types.command("delete")
def delete_type(cluster: Cluster_, argument: NameArgument = None, name: NameOption = None, yes: Yes = False) -> dict[str, Any]:
    """Delete an instance type."""
    which = the_name(argument, name)
    ask(f"Delete the instance type {which} of {cluster}?", yes)
    with session.connect() as studio:
        studio.clusters.delete_instance_type(cluster, which)
    say(f"{which} deleted", err=True)
    return {"name": which, "status": "deleted"}


def _definition(file: Path) -> tuple[str | None, dict[str, Any]]:
    """Read the name and the spec of an InstanceType resource, or the spec alone."""
    import yaml

    try:
        content = yaml.safe_load(_text(str(file)))
    except yaml.YAMLError as error:
        raise MooringError("file-unreadable", "The file cannot be read", f"{file} is not YAML: {error}", "Correct it.") from error
    if not isinstance(content, dict):
        raise MooringError("file-unreadable", "The file cannot be read", f"{file} holds no definition.", "Give one YAML mapping.")
    if "spec" not in content:
        return None, content
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else content.get("name")
    return name, content["spec"] if isinstance(content["spec"], dict) else {}


def _from_options(cpu: str | None, memory: str | None, gpu: int | None, selector: list[str], description: str) -> dict[str, Any]:
    if not (cpu and memory):
        raise typer.BadParameter("give --file, or --cpu and --memory")
    if bad := [one for one in selector if "=" not in one]:
        raise typer.BadParameter(f"--node-selector {bad[0]} is not LABEL=VALUE")
    limits: dict[str, Any] = {"cpu": cpu, "memory": memory} | ({"nvidia.com/gpu": gpu} if gpu else {})
    spec: dict[str, Any] = {"resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": limits}}
    if selector:
        spec["nodeSelector"] = dict(one.split("=", 1) for one in selector)
    if description:
        spec["description"] = description
    return spec


def _row(answer: Mapping[str, Any], output: str, query: str | None) -> dict[str, Any]:
    """Return a cluster as a table shows it: what is asked for of what there is; for programs as it came."""
    if output != "table" or query:
        return dict(answer)
    of = answer.get("capacity") or {}

    def used(name: str, unit: float = 1) -> str:
        one = of.get(name) or {}
        return f"{one.get('requested', 0) / unit:.3g} of {one.get('total', 0) / unit:.3g}"

    told = {"cpu": used("cpu"), "memory": f"{used('memory', 2**30)} GiB", "gpu": used("gpu")}
    computes = [f"{one['workspace']}/{one['name']}" for one in answer.get("computes") or ()]
    return {**answer, **told, "nodes": f"{of.get('nodes_ready', 0)} of {of.get('nodes', 0)}", "computes": computes}


def _text(place: str) -> str:
    if place == "-":
        return sys.stdin.read()
    try:
        return Path(place).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MooringError("file-unreadable", "The file cannot be read", f"{place}: {error}.", "Correct the path.") from error
