"""`mooring model`: register models, list them, fetch their files, put them aside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import NameArgument, NameOption, Output, Query, Since, Sort, View, Workspace, Yes, ask, the_name
from mooring.cli.output import first, print_result, say

models = typer.Typer(help="Register models, list their versions and fetch their files.", no_args_is_help=True)

Version = Annotated[str | None, typer.Option("--version", "-v", help="The version.")]
Label = Annotated[str | None, typer.Option("--label", "-l", help="Instead of a version: latest.")]
Tags = Annotated[list[str] | None, typer.Option("--tags", help="KEY=VALUE; several times.")]
Description = Annotated[str | None, typer.Option("--description", "-d", help="What it is.")]

_SHOWN = ("name", "type", "latest_version", "versions", "job", "description", "created_by", "created_at")
_VERSIONS = ("name", "version", "type", "stage", "job", "count", "size", "created_by", "created_at")
_DETAIL = (
    *("name", "version", "reference", "type", "stage", "description", "tags", "properties", "base_name", "count", "size", "digest"),
    *("job", "job_output", "job_path", "used_by", "archived", "created_by", "created_at", "url"),
)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(models, name="model")


@models.command("create")
def create(  # noqa: PLR0913 - one for each option of the original
    file: Annotated[Path | None, typer.Option("--file", "-f", help="The model's YAML file.")] = None,
    name: NameOption = None,
    version: Version = None,
    path: Annotated[
        str | None, typer.Option("--path", "-p", help="A folder or file, azureml://jobs/JOB/outputs/OUTPUT/paths/PATH or runs:/JOB/PATH.")
    ] = None,
    type: Annotated[str | None, typer.Option("--type", "-t", help="custom_model, mlflow_model or triton_model.")] = None,
    stage: Annotated[str | None, typer.Option("--stage", help="A word such as production.")] = None,
    description: Description = None,
    tags: Tags = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE over the YAML; several times.")] = None,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Register a version of a model from a folder, a file, a job's output, or as a YAML file says."""
    from mooring.cli.progress import Bar

    given = {"version": version, "type": type, "stage": stage, "description": description}
    words = {key: value for key, value in given.items() if value}
    pairs = tags_of(tags)
    with session.connect(workspace) as studio, Bar("sending files") as bar:
        if file is not None:
            set_here = {**words, **({"name": name} if name else {}), **{f"tags.{key}": value for key, value in pairs.items()}}
            # Quoted, so that what was typed stays a text whatever YAML would make of it.
            over = [*(overrides or []), *(f"{key}={json.dumps(value)}" for key, value in set_here.items())]
            made = studio.models.register_file(file, path=path, overrides=over, progress=bar)
        else:
            if not name or not path:
                raise typer.BadParameter("a model needs --name and --path, or a --file")
            if overrides:
                raise typer.BadParameter("--set goes with --file")
            made = studio.models.register(name, path, **words, tags=pairs, progress=bar)
    if output == "table" and not query:
        say(f"{made.reference}\n{made.url}")
    else:
        print_result(dict(made.answer), output, query=query)


@models.command("list")
def list_models(  # noqa: PLR0913 - each is an option of the command
    name: NameOption = None,
    search: Annotated[str | None, typer.Option("--search", "-q", help="Only those that contain this.")] = None,
    type: Annotated[str | None, typer.Option("--type", "-t", help="Only of this type.")] = None,
    stage: Annotated[list[str] | None, typer.Option("--stage", help="With --name: only of this stage; several times for several.")] = None,
    job: Annotated[list[str] | None, typer.Option("--job", help="With --name: only from this job; several times for several.")] = None,
    since: Since = None,
    view: View = None,
    sort: Sort = None,
    archived: Annotated[bool, typer.Option("--archived-only", help="Only archived ones.")] = False,
    include_archived: Annotated[bool, typer.Option("--include-archived", help="Archived ones, too.")] = False,
    most: Annotated[int, typer.Option("--max-results", "-r", min=1, help="How many at most.")] = 50,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List models, newest first; with --name the versions of one."""
    given: dict[str, Any] = {"q": search, "view": view, "sort": sort, "most": most + 1}
    of_versions: dict[str, Any] = {"stage": stage, "job": job, "since": since}
    if not name and any(of_versions.values()):
        raise typer.BadParameter("--stage, --job and --since are of the versions of one model: give its --name")
    kinds = [False, True] if include_archived and not archived else [archived]
    with session.connect(workspace) as studio:
        if name:
            found = [dict(one.answer) for kind in kinds for one in studio.models.versions(name, archived=kind, **of_versions, **given)]
        else:
            found = [dict(one.answer) for kind in kinds for one in studio.models.list(type=type, archived=kind, **given)]
    print_result(first(found, most), output, _VERSIONS if name else _SHOWN, query)


@models.command("show")
def show(
    argument: NameArgument = None,
    name: NameOption = None,
    version: Version = None,
    label: Label = None,
    web: Annotated[bool, typer.Option("--web", "-e", help="Open its page in the browser.")] = False,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Show one version of a model, the latest if none is named; with `-o yaml` everything."""
    with session.connect(workspace) as studio:
        model = studio.models.get(the_name(argument, name), _version(version, label))
    print_result(dict(model.answer), output, _DETAIL, query)
    if web:
        typer.launch(model.url)


@models.command("files")
def files(
    argument: NameArgument = None,
    name: NameOption = None,
    version: Version = None,
    label: Label = None,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List the files of a version, the latest if none is named."""
    which, wanted = the_name(argument, name), _version(version, label)
    with session.connect(workspace) as studio:
        found = studio.models.get(which, wanted)
        rows = [{key: value for key, value in one.answer.items() if key != "root"} for one in studio.models.files(which, found.version)]
    print_result(rows, output, ("path", "size", "sha256"), query)


@models.command("download")
def download(
    argument: NameArgument = None,
    name: NameOption = None,
    version: Version = None,
    label: Label = None,
    path: Annotated[Path, typer.Option("--download-path", "-p", help="The folder to put them into.")] = Path(),
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Fetch the files of a version into ./NAME; what is there already is not fetched again."""
    from mooring.cli.progress import Bar

    which = the_name(argument, name)
    with session.connect(workspace) as studio, Bar("fetching files") as bar:
        places = studio.models.download(which, _version(version, label), path, progress=bar)
    if output != "table" or query:
        print_result([str(place) for place in places], output, query=query)
        return
    for place in places:
        say(str(place))


@models.command("update")
def update(
    argument: NameArgument = None,
    name: NameOption = None,
    version: Version = None,
    description: Description = None,
    tags: Tags = None,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Change the description or replace the tags of a model, or of one version."""
    if description is None and tags is None:
        raise typer.BadParameter("give --description or --tags")
    with session.connect(workspace) as studio:
        changed = studio.models.update(
            the_name(argument, name), version, description=description, tags=None if tags is None else tags_of(tags)
        )
    print_result(dict(changed.answer), output, _DETAIL if version else _SHOWN, query)


@models.command("archive")
def archive(argument: NameArgument = None, name: NameOption = None, version: Version = None, workspace: Workspace = None) -> dict[str, Any]:
    """Put a model, or one version, aside: nothing new may name it, what uses it goes on."""
    which = the_name(argument, name)
    with session.connect(workspace) as studio:
        studio.models.archive(which, version)
    say(f"{_said(which, version)} archived", err=True)
    return {"name": which, "version": version, "status": "archived"}


@models.command("restore")
def restore(argument: NameArgument = None, name: NameOption = None, version: Version = None, workspace: Workspace = None) -> dict[str, Any]:
    """Bring an archived model, or version, back."""
    which = the_name(argument, name)
    with session.connect(workspace) as studio:
        studio.models.restore(which, version)
    say(f"{_said(which, version)} restored", err=True)
    return {"name": which, "version": version, "status": "restored"}


@models.command("delete")
def delete(
    argument: NameArgument = None, name: NameOption = None, version: Version = None, workspace: Workspace = None, yes: Yes = False
) -> dict[str, Any]:
    """Delete one version, or a model with all of them; refused while something uses it."""
    which = the_name(argument, name)
    ask(f"Delete {_said(which, version)}{'' if version else ' with all its versions'}?", yes)
    with session.connect(workspace) as studio:
        studio.models.delete(which, version)
    say(f"{_said(which, version)} deleted", err=True)
    return {"name": which, "version": version, "status": "deleted"}


def tags_of(given: list[str] | None) -> dict[str, str]:
    """Return KEY=VALUE texts as tags."""
    tags = {}
    for one in given or []:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"--tags {one} is not KEY=VALUE")
        tags[key] = value
    return tags


def _version(version: str | None, label: str | None) -> str:
    if version and label:
        raise typer.BadParameter("--version and --label were both given")
    if label and label != "latest":
        raise typer.BadParameter("the only label is latest")
    return version or "@latest"


def _said(name: str, version: str | None) -> str:
    return f"{name}:{version}" if version else name
