"""`mooring job`: submit, watch and fetch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import (
    NameArgument,
    NameOption,
    NoWait,
    Output,
    Query,
    Since,
    Workspace,
    Yes,
    ask,
    the_name,
)
from mooring.cli.output import first, marked, print_document, print_result, say
from mooring.terminal import Log

if TYPE_CHECKING:
    from mooring.client import Client, Job

jobs = typer.Typer(help="Submit training jobs, watch them and fetch their outputs.", no_args_is_help=True)

File = Annotated[Path, typer.Option("--file", "-f", help="The job's YAML file.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE over the YAML, as compute=local; several times.")]
Retries = Annotated[int | None, typer.Option("--retries", min=0, max=20, help="How many further attempts when it fails; 0 is none.")]
Process = Annotated[int, typer.Option("--process", help="Which process, when there are several.")]
Stream = Annotated[bool, typer.Option("--stream", "-s", help="Show the log and end with the job: 3 when it failed.")]
Timestamps = Annotated[bool, typer.Option("--timestamps", help="Begin each line with the time at which the studio received it.")]
Web = Annotated[bool, typer.Option("--web", "-e", help="Open the job's page in the browser.")]

_SHOWN = ("name", "display_name", "experiment", "status", "compute", "created_at", "submitted_by")
_DETAIL = (
    *(
        "name",
        "display_name",
        "experiment",
        "type",
        "status",
        "reason",
        "next_step",
        "compute",
        "instance_type",
        "submitted_by",
    ),
    *("created_at", "started_at", "ended_at", "retries", "retries_used", "tags", "inputs", "outputs", "url"),
)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(jobs, name="job")


@jobs.command("create")
def create(  # noqa: PLR0913 - each is an option of the command
    file: File,
    overrides: Set = None,
    name: NameOption = None,
    retries: Retries = None,
    workspace: Workspace = None,
    stream: Stream = False,
    timestamps: Timestamps = False,
    web: Web = False,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Submit a job with the code folder and the local inputs that its YAML names."""
    from mooring.cli.progress import Bar

    _timestamps_of_a_stream(stream, timestamps)
    given = [*(overrides or []), *([f"name={name}"] if name else [])]
    given += [] if retries is None else [f"retry_settings.max_retries={retries}"]
    with session.connect(workspace) as studio:
        with Bar("sending files") as bar:
            job = studio.jobs.create(file, overrides=given, progress=bar)
        _announce(job, output, query, quiet=stream)
        _follow_up(studio, job, stream=stream, timestamps=timestamps, web=web)


@jobs.command("validate")
def validate(file: File, overrides: Set = None, workspace: Workspace = None, output: Output = "table", query: Query = None) -> None:
    """Have a YAML file checked without submitting it; errors come with line and column."""
    with session.connect(workspace) as studio:
        answer = dict(studio.jobs.validate(file, overrides=overrides or []))
    for warning in answer.get("warnings", ()):
        say(f"warning: {warning['text'] if isinstance(warning, dict) else warning}", err=True)
    if output == "table" and not query:
        say(f"{file} is right")
    else:
        print_result(answer, output, query=query)


@jobs.command("list")
def list_jobs(  # noqa: PLR0913 - each is a filter of the list
    status: Annotated[list[str] | None, typer.Option(help="Only of this status, as Running; several times for several.")] = None,
    experiment: Annotated[list[str] | None, typer.Option(help="Only of this experiment; several times.")] = None,
    compute: Annotated[list[str] | None, typer.Option(help="Only on this compute; several times.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only with this tag: KEY or KEY=VALUE; several times, all must hold.")] = None,
    since: Since = None,
    search: Annotated[str | None, typer.Option("--search", "-q", help="Only those that contain this.")] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only your own.")] = False,
    view: Annotated[str | None, typer.Option("--view", help="A saved view; other options stand in the view's stead.")] = None,
    sort: Annotated[str | None, typer.Option("--sort", help="A column, as started; -started turns it round.")] = None,
    most: Annotated[int, typer.Option("--max-results", "-r", min=1, help="How many at most.")] = 50,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List jobs, newest first."""
    with session.connect(workspace) as studio:
        filters: dict[str, Any] = {"status": status, "experiment": experiment, "compute": compute, "tag": tag, "since": since}
        found = studio.jobs.list(**filters, q=search, mine=mine, view=view, sort=sort, most=most + 1)
        rows = [marked(one.answer, output, query) for one in first(found, most)]
    print_result(rows, output, _SHOWN, query)


@jobs.command("show")
def show(
    argument: NameArgument = None,
    name: NameOption = None,
    web: Web = False,
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Show one job: its state and why, times, inputs and outputs; with `-o yaml` everything."""
    with session.connect(workspace) as studio:
        job = studio.jobs.get(the_name(argument, name))
    print_result(marked(job.answer, output, query), output, _DETAIL, query)
    if output == "table" and not query and job.problem:
        _explain(job)
    if web:
        typer.launch(job.url)


@jobs.command("cancel")
def cancel(argument: NameArgument = None, name: NameOption = None, workspace: Workspace = None, no_wait: NoWait = False) -> dict[str, Any]:
    """Cancel a job and wait until it has ended; its log and outputs so far are kept."""
    which = the_name(argument, name)
    with session.connect(workspace) as studio:
        studio.jobs.cancel(which)
        if no_wait:
            say(f"{which} is being canceled", err=True)
            return dict(studio.jobs.get(which).answer)
        job = studio.jobs.wait(which, seen=_Story())
    say(f"{which}: {job.status}", err=True)
    return dict(job.answer)


@jobs.command("delete")
def delete(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="The names.")] = None,
    name: NameOption = None,
    workspace: Workspace = None,
    yes: Yes = False,
) -> list[dict[str, Any]]:
    """Delete jobs that have ended, with their logs and outputs."""
    which = [*(names or []), *([name] if name else [])]
    if not which:
        raise typer.BadParameter("a name is needed")
    ask(f"Delete {', '.join(which)} with log and outputs?", yes)
    with session.connect(workspace) as studio:
        for one in which:
            studio.jobs.delete(one)
            say(f"{one} deleted", err=True)
    return [{"name": one, "status": "deleted"} for one in which]


@jobs.command("resubmit")
def resubmit(
    argument: NameArgument = None,
    name: NameOption = None,
    workspace: Workspace = None,
    stream: Stream = False,
    timestamps: Timestamps = False,
    web: Web = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Submit the same job once more."""
    _timestamps_of_a_stream(stream, timestamps)
    with session.connect(workspace) as studio:
        job = studio.jobs.resubmit(the_name(argument, name))
        _announce(job, output, query, quiet=stream)
        _follow_up(studio, job, stream=stream, timestamps=timestamps, web=web)


@jobs.command("stream")
def stream_log(
    argument: NameArgument = None,
    name: NameOption = None,
    process: Process = 0,
    timestamps: Timestamps = False,
    workspace: Workspace = None,
) -> None:
    """Show a job's log from its beginning, and as it grows; ends with the job: 0 Completed, 3 otherwise."""
    with session.connect(workspace) as studio:
        _stream(studio, the_name(argument, name), process, timestamps=timestamps)


@jobs.command("yaml")
def yaml_of(argument: NameArgument = None, name: NameOption = None, workspace: Workspace = None) -> None:
    """Print the YAML that a job was submitted with."""
    with session.connect(workspace) as studio:
        print_document(studio.jobs.yaml(the_name(argument, name)))


@jobs.command("logs")
def logs(
    argument: NameArgument = None, name: NameOption = None, workspace: Workspace = None, output: Output = "table", query: Query = None
) -> None:
    """List the logs of a job: one a process and attempt, with how much the studio has of each."""
    with session.connect(workspace) as studio:
        rows = [dict(one.answer) for one in studio.jobs.logs(the_name(argument, name))]
    print_result(rows, output, ("process", "attempt", "file", "bytes", "final"), query)


@jobs.command("outputs")
def outputs(
    argument: NameArgument = None, name: NameOption = None, workspace: Workspace = None, output: Output = "table", query: Query = None
) -> None:
    """List the files that a job left; `mooring job download` fetches them."""
    with session.connect(workspace) as studio:
        rows = [dict(one.answer) for one in studio.jobs.outputs(the_name(argument, name))]
    print_result(rows, output, ("root", "path", "size", "sha256"), query)


@jobs.command("download")
def download(
    argument: NameArgument = None,
    name: NameOption = None,
    output_name: Annotated[str | None, typer.Option("--output-name", help="Only this output; artifacts is the default one.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All outputs; so it is without --output-name.")] = False,
    path: Annotated[Path, typer.Option("--download-path", "-p", help="The folder to put them into.")] = Path(),
    workspace: Workspace = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Fetch a job's outputs into ./artifacts and ./named-outputs/NAME; what is there already is not fetched again."""
    from mooring.cli.progress import Bar

    which = the_name(argument, name)
    with session.connect(workspace) as studio, Bar("fetching outputs") as bar:
        places = studio.jobs.download(which, path, root=None if everything else output_name, progress=bar)
    if output != "table" or query:
        print_result([str(place) for place in places], output, query=query)
        return
    for place in places:
        say(str(place))
    if not places:
        say(f"{which} has no outputs", err=True)


def _announce(job: Job, output: str, query: str | None, *, quiet: bool) -> None:
    """Print what was submitted; beside a streamed log only to stderr, so that stdout is the log."""
    if output == "table" and not query:
        say(f"{job.name}\n{job.url}" if job.url else job.name, err=quiet)
    else:
        print_result(dict(job.answer), output, query=query)


def _timestamps_of_a_stream(stream: bool, timestamps: bool) -> None:
    """Refuse times without a log to put them before, ahead of anything that is submitted."""
    if timestamps and not stream:
        raise typer.BadParameter("--timestamps goes with --stream")


def _follow_up(studio: Client, job: Job, *, stream: bool, timestamps: bool, web: bool) -> None:
    if web:
        typer.launch(job.url)
    if stream:
        _stream(studio, job.name, 0, timestamps=timestamps)


def _stream(studio: Client, name: str, process: int, *, timestamps: bool = False) -> None:
    """Copy the log to stdout until the job has ended, and leave with what became of it."""
    story = _Story()
    try:
        with Log() as log:
            for chunk in studio.jobs.stream(name, process=process, timestamps=timestamps, seen=story):
                log.write(chunk)
    except KeyboardInterrupt:
        say(f"\n{name} goes on without you: `mooring job stream {name}` shows it again", err=True)
        raise
    job = studio.jobs.get(name)
    say(f"{name}: {job.status}", err=True)
    if job.status != "Completed":
        _explain(job)
        raise typer.Exit(3)


def _explain(job: Job) -> None:
    """Say why a job ended as it did and what to do."""
    problem: Any = job.problem or {}
    for part in ("title", "detail", "text", "todo"):
        if problem.get(part):
            say(str(problem[part]), err=True)
    if problem.get("id"):
        say(f"({problem['id']})", err=True)
    elif job.reason:
        say(job.reason, err=True)


class _Story:
    """Tell each change of a job's state once, on stderr."""

    def __init__(self) -> None:
        self._told: tuple[str, str] | None = None

    def __call__(self, job: Job) -> None:
        now = (job.status, job.reason)
        if now != self._told and not job.is_final:
            say(f"{job.name}: {': '.join(filter(None, now))}", err=True)
            if job.next_step:
                say(f"  {job.next_step}", err=True)
        self._told = now
