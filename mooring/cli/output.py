"""How results and errors are printed: tables for people, JSON, YAML and names for programs."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from mooring.errors import MooringError, MooringProblem
from mooring.terminal import plain

_WHO = {
    "contributor": "; a contributor or owner of the workspace can do it",
    "owner": "; an owner of the workspace can do it",
    "operator": "; IT operations can do it",
    "administrator": "; an administrator can do it",
}
# Beyond what JSON and YAML write out by themselves: controls of the second kind, and signs that turn the direction of writing.
_CONTROLS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
Row = TypeVar("Row")
FORMATS = ("table", "json", "yaml", "name")
# By what a row is called, the first that it has.
_NAMES = ("name", "username", "id", "check", "kind")


def print_error(error: MooringError) -> None:
    """Print a problem to stderr: title, what happened, where, what to do, and its id."""
    bold, normal = ("\x1b[1;31m", "\x1b[0m") if _colours(sys.stderr) else ("", "")
    lines = []
    errors = error.errors if isinstance(error, MooringProblem) else ()
    # With errors by line the first of them is the detail once more.
    if error.detail and error.detail != error.title and error.detail not in [one.text for one in errors]:
        lines.append(quoted(error.detail))
    if errors:
        for one in errors:
            place = f"line {one.line}, column {one.column}: " if one.line else ""
            path = f"{one.path}: " if one.path else ""
            lines.append(f"  {place}{path}{quoted(one.text)}")
    if error.todo:
        lines.append(quoted(error.todo))
    who = getattr(error, "who", "")
    lines.append(f"({error.id}{_WHO.get(who, '')})")
    print(f"{bold}{plain(error.title)}{normal}", plain("\n".join(lines)), sep="\n", file=sys.stderr)


def say(text: str = "", *, err: bool = False) -> None:
    """Print a sentence, which may hold what others wrote."""
    print(plain(text), file=sys.stderr if err else sys.stdout, flush=True)


def print_document(text: str) -> None:
    """Print a text that programs read: as it is, but on a terminal without what would be obeyed there."""
    print(plain(text) if sys.stdout.isatty() else text, end="")


def quoted(text: str) -> str:
    """Return a sentence of the studio with plain quotes where its pages show code."""
    return re.sub(r"`([^`\n]+)`", r"'\1'", text)


def marked(answer: Mapping[str, Any], output: str, query: str | None) -> dict[str, Any]:
    """Return a row whose compute says in a table that its nodes are invented; for programs as it came."""
    row = dict(answer)
    if output == "table" and not query and row.get("simulated"):
        row["compute"] = f"{row.get('compute', '')} (simulated)"
    return row


def print_result(result: Any, output: str = "table", columns: Sequence[str] = (), query: str | None = None) -> None:
    """Print a result in one of the formats, after a JMESPath query when one is given."""
    if query:
        result, columns = search(result, query), ()
    if output == "json":
        print(_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(result, indent=2, ensure_ascii=False)))
    elif output == "yaml":
        import yaml

        text = yaml.safe_dump(result, sort_keys=False, allow_unicode=True)
        print(yaml.safe_dump(result, sort_keys=False) if _CONTROLS.search(text) else text, end="")
    elif output == "name":
        for row in result if isinstance(result, list) else [result]:
            say(str(next((row[key] for key in _NAMES if key in row), "") if isinstance(row, Mapping) else row))
    else:
        _print_table(result, columns)


def first(rows: Iterable[Row], most: int) -> list[Row]:
    """Return the first rows of one more than that; say when there are more, as a list must not look complete when it is not."""
    found = list(rows)
    if len(found) > most:
        say(f"the first {most}; more with --max-results", err=True)
    return found[:most]


def known_format(output: str) -> str:
    """Return the name of a format; raises `output-unknown` for one that there is not."""
    if output not in FORMATS:
        raise MooringError("output-unknown", "Unknown output format", f"There is no {output!r}.", f"Use {', '.join(FORMATS)}.")
    return output


def readable_query(query: str | None) -> str | None:
    """Return a JMESPath query; raises `query-invalid` for one that cannot be read."""
    if query:
        _asked(lambda jmespath: jmespath.compile(query))
    return query


def search(result: Any, query: str) -> Any:
    """Return what a JMESPath query finds."""
    return _asked(lambda jmespath: jmespath.search(query, result))


def _asked(ask: Callable[[Any], Any]) -> Any:
    import jmespath  # type: ignore[import-untyped,unused-ignore]
    from jmespath.exceptions import JMESPathError  # type: ignore[import-untyped,unused-ignore]

    try:
        return ask(jmespath)
    except JMESPathError as error:
        raise MooringError(
            "query-invalid", "The query is not right", str(error), "See https://jmespath.org for how to write one."
        ) from error


def _print_table(result: Any, columns: Sequence[str]) -> None:
    if isinstance(result, Mapping):
        shown = {name: result[name] for name in columns if name in result} if columns else result
        width = max((len(name) for name in shown), default=0)
        for name, value in shown.items():
            print(f"{plain(name).replace('_', ' '):<{width}}  {_cell(value)}")
    elif isinstance(result, list) and all(isinstance(row, Mapping) for row in result):
        _print_rows(result, columns or list(dict.fromkeys(key for row in result for key in row)))
    else:
        for one in result if isinstance(result, list) else [result]:
            print(_cell(one))


def _print_rows(rows: list[Mapping[str, Any]], columns: Sequence[str]) -> None:
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    heads = [plain(name).replace("_", " ").upper() for name in columns]
    widths = [max(len(line[index]) for line in [heads, *cells]) for index in range(len(columns))]
    bold, normal = ("\x1b[1m", "\x1b[0m") if _colours(sys.stdout) else ("", "")
    for number, line in enumerate([heads, *cells]):
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        print(f"{bold}{text}{normal}" if number == 0 else text)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(str(key))}={_cell(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return plain(" ".join(str(value).split()))


def _colours(stream: Any) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR")
