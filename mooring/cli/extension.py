"""`mooring extension`: what makes models answer over HTTPS, installed into a cluster; for IT operations."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import Most, NoWait, Output, Query, Yes, ask
from mooring.cli.output import print_result, say

if TYPE_CHECKING:
    from mooring.client import Client

extension = typer.Typer(help="The extension of a cluster: router, TLS, what runs there.", no_args_is_help=True)

ClusterArgument = Annotated[str, typer.Argument(metavar="CLUSTER", help="The cluster.")]
Config = Annotated[
    list[str] | None,
    typer.Option("--config", "-s", metavar="KEY=VALUE", help="A setting, e.g. enableInference=True; more may follow it."),
]
# `--config a=1 b=2` as `az k8s-extension` has it: what follows the first is an argument to the parser.
More = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="More settings.")]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Make the extension that another studio installed this one's; it goes on answering.")
]
_SHOWN = ("cluster", "status", "reason", "revision", "router", "settings")
_REVISIONS_SHOWN = ("number", "current", "kind", "by", "made_at", "charts", "kept")
_OPERATIONS_SHOWN = ("id", "kind", "status", "by", "started_at", "ended_at", "reason")
_MARKS = {"done": "✓", "ready": "✓", "moving": "…", "failed": "✗", "skipped": "-", "pending": "·", "missing": "·"}


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(extension, name="extension")


@extension.command("show")
def show(cluster: ClusterArgument, output: Output = "table", query: Query = None) -> None:
    """Show the extension of a cluster: state, settings, where the router answers."""
    with session.connect() as studio:
        answer = studio.extensions.get(cluster)
    if output == "table" and not query:
        operation = answer.get("operation") or {}
        answer["router"] = _address(answer["router"])
        answer["settings"] = {key: value for key, value in answer["settings"].items() if value not in ("", {}, [])}
        print_result(answer, "table", _SHOWN)
        _print_rows(answer["objects"] if operation.get("status") not in ("waiting", "running") else operation["objects"])
        return
    print_result(answer, output, (), query)


@extension.command("install")
def install(
    cluster: ClusterArgument,
    more: More = None,
    config: Config = None,
    take_over: TakeOver = False,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Install the extension and follow it until it is ready."""
    with session.connect() as studio:
        operation = studio.extensions.install(cluster, _settings(config, more), take_over=take_over)
        _follow(studio, cluster, operation, no_wait, output, query)


@extension.command("change")
def change(
    cluster: ClusterArgument,
    more: More = None,
    config: Config = None,
    take_over: TakeOver = False,
    yes: Yes = False,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Change settings; those that are not given stay, an empty value (KEY=) takes one out."""
    settings = _settings(config, more)
    with session.connect() as studio:
        difference = studio.extensions.check(cluster, settings, take_over=take_over)["difference"]
        for key, (old, new) in difference.items():
            say(f"{key}: {_value(old)} → {_value(new)}", err=True)
        if not difference:
            say("Nothing changes; the objects are applied again.", err=True)
        ask(f"Apply this to the extension of {cluster}?", yes)
        _follow(studio, cluster, studio.extensions.change(cluster, settings, take_over=take_over), no_wait, output, query)


@extension.command("check")
def check(
    cluster: ClusterArgument,
    more: More = None,
    config: Config = None,
    take_over: TakeOver = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Check settings against the cluster and say what they would change; nothing is touched."""
    with session.connect() as studio:
        answer = studio.extensions.check(cluster, _settings(config, more), take_over=take_over)
    if output != "table" or query:
        print_result(answer, output, query=query)
        return
    for key, (old, new) in answer["difference"].items():
        say(f"{key}: {_value(old)} → {_value(new)}")
    if not answer["difference"]:
        say("These settings can be used; nothing would change.")


@extension.command("rollback")
def rollback(
    cluster: ClusterArgument,
    revision: Annotated[int, typer.Argument(help="The revision to bring back.")],
    yes: Yes = False,
    no_wait: NoWait = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Bring an earlier revision back, exactly as it was."""
    with session.connect() as studio:
        difference = studio.extensions.difference(cluster, studio.extensions.get(cluster)["revision"] or revision, revision)
        say(difference or "The objects of both revisions are the same.", err=True)
        ask(f"Bring revision {revision} back on {cluster}?", yes)
        _follow(studio, cluster, studio.extensions.rollback(cluster, revision), no_wait, output, query)


@extension.command("remove")
def remove(
    cluster: ClusterArgument,
    force: Annotated[bool, typer.Option("--force", help="Also while endpoints need it: they stop answering.")] = False,
    yes: Yes = False,
    no_wait: NoWait = False,
    output: Output = "name",
    query: Query = None,
) -> None:
    """Remove the extension; the definitions of the Gateway API stay."""
    ask(f"Remove the extension from {cluster}? The router and its address go; definitions and the namespace stay.", yes)
    with session.connect() as studio:
        _follow(studio, cluster, studio.extensions.remove(cluster, force=force), no_wait, output, query)


@extension.command("revisions")
def revisions(
    cluster: ClusterArgument,
    compare: Annotated[str | None, typer.Option(metavar="OLD[:NEW]", help="Show how the objects of two revisions differ.")] = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List the revisions of the extension, or compare two of them."""
    with session.connect() as studio:
        if compare:
            old, _, new = compare.partition(":")
            if not old.isdecimal() or (new and not new.isdecimal()):
                raise typer.BadParameter("--compare takes OLD or OLD:NEW, each the number of a revision")
            say(studio.extensions.difference(cluster, int(old), int(new) if new else None))
            return
        rows = studio.extensions.revisions(cluster)
    print_result(rows, output, _REVISIONS_SHOWN, query)


@extension.command("revision")
def revision(
    cluster: ClusterArgument,
    number: Annotated[int, typer.Argument(help="Its number in `mooring extension revisions`.")],
    output: Output = "table",
    query: Query = None,
) -> None:
    """Show one revision of the extension; with `-o yaml` its objects, too."""
    with session.connect() as studio:
        print_result(studio.extensions.revision(cluster, number), output, (*_REVISIONS_SHOWN, "settings"), query)


@extension.command("operations")
def operations(
    cluster: ClusterArgument,
    id: Annotated[int | None, typer.Option("--id", help="Only this one, with its steps and objects.")] = None,
    most: Most = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List what was done to the extension, the newest first; with --id how one went."""
    with session.connect() as studio:
        if id is None:
            print_result(studio.extensions.operations(cluster, most=most), output, _OPERATIONS_SHOWN, query)
            return
        one = studio.extensions.operation(cluster, id)
    if output != "table" or query:
        print_result(one, output, query=query)
        return
    print_result(one, output, _OPERATIONS_SHOWN)
    for row in one["steps"]:
        say(_line(row["title"], row))
    _print_rows(one["objects"])


def _settings(config: list[str] | None, more: list[str] | None) -> dict[str, str]:
    """Return the settings of all options and arguments as one mapping."""
    given: dict[str, str] = {}
    for pair in " ".join([*(config or ()), *(more or ())]).split():
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"a setting is KEY=VALUE, not {pair!r}")
        given[key] = value
    return given


def _follow(studio: Client, cluster: str, operation: Mapping[str, Any], no_wait: bool, output: str, query: str | None) -> None:
    if no_wait:
        print_result(dict(operation), output, ("id", "kind", "status"), query)
        return
    with Progress() as progress:
        studio.extensions.wait(cluster, operation["id"], each=progress.show)
    answer = studio.extensions.get(cluster)
    if output == "table" and not query:
        router = _address(answer["router"])
        answer = {"cluster": cluster, "status": answer["status"], "revision": answer["revision"], "router": router}
    print_result(answer, output, query=query)


def _address(router: Mapping[str, Any]) -> str:
    """Return where the router answers, marked where it speaks plain HTTP, or why it does not."""
    mark = " (plain HTTP)" if router["insecure"] else " (plain HTTP, too)" if router.get("plain_http") else ""
    return f"{router['base_url']}{mark}" if router["base_url"] else str(router["reason"])


class Progress:
    """Show an operation on stderr: redrawn in place on a terminal, line by line elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._drawn = 0
        self._said: dict[str, str] = {}

    def show(self, operation: Mapping[str, Any]) -> None:
        """Show how it is now."""
        objects = [row for row in operation["objects"] if row["state"] != "ready"] if operation["status"] == "running" else []
        if self._terminal:
            lines = [_line(row["title"], row) for row in operation["steps"]]
            lines += [_line(f"  {row['kind']} {row['name']}", row) for row in objects]
            self._redraw(lines)
            return
        for row in operation["steps"]:
            text = _line(row["title"], row)
            if row["state"] != "pending" and self._said.get(row["key"]) != text:
                self._said[row["key"]] = text
                sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def _redraw(self, lines: list[str]) -> None:
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        sys.stderr.write(up + "".join(f"\r\x1b[2K{line}\n" for line in lines))
        gone = self._drawn - len(lines)
        if gone > 0:
            sys.stderr.write("\x1b[2K\n" * gone + f"\x1b[{gone}A")
        sys.stderr.flush()
        self._drawn = len(lines)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stderr.flush()


def _line(title: str, row: Mapping[str, Any]) -> str:
    text = " ".join(str(row.get("text") or "").split())
    return f"{_MARKS.get(row['state'], ' ')} {title}" + (f": {text[:150]}" if text else "")


def _print_rows(rows: list[Mapping[str, Any]]) -> None:
    for row in rows:
        say(_line(f"{row['kind']} {row['name']}", row))


def _value(value: Any) -> str:
    return "(none)" if value in ("", None, {}, []) else str(value)
