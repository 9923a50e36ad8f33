"""The reference, made from what it describes: the command, the API, the Python client, the catalogue of problems."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
from collections.abc import Iterator
from typing import Any


def of_command() -> str:
    """Return the reference of the `mooring` command: every verb with its options and examples."""
    import typer

    from mooring.cli.app import app

    lines = [
        "# The mooring command",
        "",
        "Made from the command itself; `mooring VERB --help` says the same. How it is used is in",
        "[its guide](../users/cli.md).",
        "",
    ]
    for path, command in _commands(typer.main.get_command(app), []):
        context = typer.Context(command, info_name=path[-1])
        usage = " ".join(["mooring", *path, *command.collect_usage_pieces(context)])
        words = inspect.cleandoc(command.help or "").replace("\b\n", "").split("\n\n")
        lines += [f"## mooring {' '.join(path)}", "", f"`{usage}`", "", words[0].replace("\n", " "), ""]
        for more in words[1:]:
            lines += ["```", inspect.cleandoc(more), "```", ""]
        rows = [one.get_help_record(context) for one in command.params if one.param_type_name != "argument"]
        told = [(row[0], row[1]) for row in rows if row]
        if told:
            lines += ["| option | |", "| --- | --- |", *(f"| `{_cell(name)}` | {_cell(text)} |" for name, text in told), ""]
    return "\n".join(lines)


def of_api() -> str:
    """Return the reference of the API from its OpenAPI description."""
    _django()
    from studio.api.root import api

    schema = api.get_openapi_schema()
    lines = [
        "# API",
        "",
        "The operations of `/api/v1`, made from its description. A studio shows the same at `/help/api/`, with examples, to",
        "who is signed in, and the description itself at `/api/v1/openapi.json`.",
        "",
    ]
    by_tag: dict[str, list[str]] = {}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            part = by_tag.setdefault((operation.get("tags") or ["other"])[0], [])
            part += [
                f"### {method.upper()} {path.replace('{', chr(92) + '{')}",
                "",
                str(operation.get("description", "")).strip(),
                "",
            ]
            rows = [_parameter(one) for one in operation.get("parameters", [])]
            if rows:
                part += ["| parameter | in | needed | |", "| --- | --- | --- | --- |", *rows, ""]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if body.get("example") is not None:
                part += ["```json", json.dumps(body["example"], indent=2, ensure_ascii=False), "```", ""]
    for tag, part in by_tag.items():
        lines += [f"## {tag.capitalize()}", "", *part]
    return "\n".join(lines)


def of_python() -> str:
    """Return the reference of the Python client: its parts with their methods, and the objects that they return."""
    import mooring.client as client
    from mooring.client import models

    lead = "`mooring.Client` holds one studio as one person sees it. [How it is used](../users/cli.md#from-python)."
    lines = ["# Python", "", lead, ""]
    with client.Client("http://127.0.0.1:8080", "token") as studio:
        for name, part in vars(studio).items():
            if name.startswith("_") or name == "transport":
                continue
            lines += [f"## studio.{name}", "", inspect.getdoc(type(part)) or "", ""]
            for verb, method in vars(type(part)).items():
                if not verb.startswith("_") and inspect.isfunction(method):
                    words = " ".join((inspect.getdoc(method) or "").split())
                    lines += [
                        f"`{verb}{str(inspect.signature(method)).replace('(self, ', '(').replace('(self)', '()')}`",
                        "",
                        words,
                        "",
                    ]
    lines += ["## Objects", "", "Each has the whole answer of the API as `answer`, too.", ""]
    for name, kind in vars(models).items():
        if dataclasses.is_dataclass(kind) and inspect.isclass(kind) and not name.startswith("_"):
            fields = ", ".join(f"`{one.name}`" for one in dataclasses.fields(kind) if one.name != "answer")
            lines += [f"### {name}", "", inspect.getdoc(kind) or "", "", f"Fields: {fields}", ""]
    return "\n".join(lines)


def of_problems() -> str:
    """Return the index of all problems."""
    _django()
    from studio.core.problems import CATALOGUE, WHO

    rows = [f"| [`{id}`]({id}.md) | {_cell(one.title)} | {one.status or '–'} | {WHO[one.who]} |" for id, one in sorted(CATALOGUE.items())]
    return "\n".join(
        [
            "# Problems",
            "",
            "Every error that can show, by its id.",
            "",
            "| id | title | status | who can do what is to be done |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _parameter(one: dict[str, Any]) -> str:
    words = one.get("description") or one.get("schema", {}).get("description", "")
    return f"| `{one['name']}` | {one['in']} | {'yes' if one.get('required') else ''} | {_cell(words)} |"


def _commands(command: Any, path: list[str]) -> Iterator[tuple[list[str], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, one in sorted(inner.items()):
        if not one.hidden:
            yield from _commands(one, [*path, name])


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    import django

    django.setup()
    import studio.urls  # noqa: F401 - every app's problems are registered by it
