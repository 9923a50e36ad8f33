"""What every verb has: examples in its help, names completed by the shell, and the flags of `az ml` that mean nothing here."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import typer
from typer.core import TyperCommand

from mooring.cli.examples import EXAMPLES
from mooring.cli.output import say

# The group of a verb, and the names that it takes.
NAMED: dict[str, Callable[[Any], Iterable[Any]]] = {
    "job": lambda studio: studio.jobs.list(most=50),
    "compute": lambda studio: studio.computes.list(),
    "cluster": lambda studio: studio.clusters.list(),
    "extension": lambda studio: studio.clusters.list(),
    "model": lambda studio: studio.models.list(most=50),
    "online-endpoint": lambda studio: studio.endpoints.list(),
    "workspace": lambda studio: studio.workspaces.list(),
}
OPTIONS: dict[str, Callable[[Any], Iterable[Any]]] = {
    "workspace": lambda studio: studio.workspaces.list(),
    "cluster": lambda studio: studio.clusters.list(),
}
# How long a shell waits for names at most.
PATIENCE_SECONDS = 2.0
# What prints a text or bytes as they are, or runs until it is stopped: there is no result to give another form.
AS_IT_IS = {
    *("audit export", "break-glass", "cluster manifest", "completion", "down", "job stream", "job yaml", "login", "logout"),
    *("online-deployment get-logs", "up"),
}
IGNORED = {"--resource-group", "-g", "--subscription", "--identity-type", "--user-assigned-identities"}
EXIT_CODES = "Exit codes: 0 done, 1 a problem, 2 wrong usage, 3 the job or rollout failed, 130 interrupted."


class Verb(TyperCommand):
    """A command that takes the flags of `az ml` which mean nothing here, and says so."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments without those that are ignored."""
        known = {name for param in self.params for name in param.opts}
        return super().parse_args(ctx, list(_without(args, IGNORED - known)))


def furnish(app: typer.Typer, path: tuple[str, ...] = ()) -> None:
    """Give every verb of a command line its examples and what every verb has."""
    for command in app.registered_commands:
        callback = command.callback
        name = command.name or (callback.__name__.replace("_", "-") if callback else "")
        examples = EXAMPLES.get(" ".join([*path, name]))
        if examples and not command.epilog:
            # \b keeps the lines as they are.
            command.epilog = "\n\n".join(["\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples), EXIT_CODES])
        if callback and " ".join([*path, name]) not in AS_IT_IS and "output" not in inspect.signature(callback).parameters:
            command.callback = _with_result(callback)
        if command.cls is None or command.cls is TyperCommand:
            command.cls = Verb
    for group in app.registered_groups:
        if group.typer_instance is not None:
            furnish(group.typer_instance, (*path, str(group.name)))


def _with_result(act: Callable[..., Any]) -> Callable[..., None]:
    """Return a verb that does something and says so with `-o` and `--query`, which print what it returns."""
    from mooring.cli.options import Output, Query
    from mooring.cli.output import print_result

    @functools.wraps(act)
    def verb(*, output: str, query: str | None, **given: Any) -> None:
        result = act(**given)
        if result is not None and (output != "table" or query):
            print_result(result, output, query=query)

    of = inspect.signature(act, eval_str=True)
    if of.return_annotation is None:
        raise TypeError(f"{act.__module__}.{act.__name__} says nothing by -o: return what became of it, or name it in AS_IT_IS")
    more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for name, default, kind in (("output", "table", Output), ("query", None, Query))]  # fmt: skip
    verb.__signature__ = of.replace(parameters=[*of.parameters.values(), *more], return_annotation=None)  # type: ignore[attr-defined]
    verb.__annotations__ = {name: one.annotation for name, one in of.parameters.items()} | {
        "output": Output,
        "query": Query,
        "return": None,
    }
    return verb


def complete_name(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of what the verb's group is about that begin as typed."""
    group = ctx.parent.info_name if ctx.parent else None
    return _names(NAMED.get(str(group)), ctx.params.get("workspace"), incomplete)


def complete_workspace(incomplete: str) -> list[str]:
    """Return the workspaces that begin as typed."""
    return _names(OPTIONS["workspace"], None, incomplete)


def complete_cluster(incomplete: str) -> list[str]:
    """Return the clusters that begin as typed."""
    return _names(OPTIONS["cluster"], None, incomplete)


def _names(ask: Callable[[Any], Iterable[Any]] | None, workspace: str | None, incomplete: str) -> list[str]:
    """Ask the studio for names; a shell is never told of an error, it gets none."""
    if ask is None:
        return []
    with contextlib.suppress(Exception):
        from mooring.cli import session
        from mooring.client import Client

        known = session.current()
        chosen = workspace or known.workspace
        with Client(known.url, known.token, workspace=chosen, timeout_seconds=PATIENCE_SECONDS, patience_seconds=0) as studio:
            return [one.name for one in ask(studio) if one.name.startswith(incomplete)]
    return []


def _without(args: list[str], ignored: set[str]) -> Iterator[str]:
    """Yield arguments without ignored flags and their values, with a note on each."""
    rest = iter(args)
    for one in rest:
        if one == "--":
            yield one
            yield from rest
            return
        flag, equals, value = one.partition("=")
        if flag not in ignored:
            yield one
            continue
        value = value if equals else next(rest, "")
        say(f"note: {flag} {value} means nothing to a studio and is ignored", err=True)
