"""`mooring system`: how the studio itself is; for administrators."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import Output, Query, Yes, ask
from mooring.cli.output import print_result, say

system = typer.Typer(help="How the studio itself is: versions, processes, queues, disk, failed tasks.", no_args_is_help=True)
PARTS = ("versions", "children", "queues", "schedule", "failed_tasks")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(system, name="system")


@system.command("show")
def show(
    part: Annotated[str | None, typer.Option("--part", help=f"Only this: {', '.join(PARTS)}.")] = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Show how the studio is."""
    if part and part not in PARTS:
        raise typer.BadParameter(f"there is no part {part}: it is one of {', '.join(PARTS)}")
    with session.connect() as studio:
        found = studio.system.get()
    if part:
        rows = found["redis"]["queues"] if part == "queues" else found[part]
        print_result(rows, output, _COLUMNS.get(part, ()), query)
    elif output != "table" or query:
        print_result(found, output, query=query)
    else:
        print_result(_summary(found), output)


@system.command("clear-failed")
def clear_failed(yes: Yes = False) -> dict[str, Any]:
    """Forget the failed tasks, once they have been seen."""
    ask("Forget the failed tasks?", yes)
    with session.connect() as studio:
        gone = studio.system.clear_failed_tasks()
    say(f"{gone} forgotten", err=True)
    return {"forgotten": gone}


_COLUMNS = {
    "versions": ("name", "version"),
    "children": ("name", "state", "pid", "memory", "restarts", "since"),
    "queues": ("name", "waiting"),
    "schedule": ("task", "every_seconds", "sent_at", "ran_at", "late"),
    "failed_tasks": ("name", "error", "count", "first_at", "at"),
}


def _summary(found: dict) -> dict:  # type: ignore[type-arg]
    redis, disk, database = found["redis"], found["disk"], found["database"]
    gib = 1024**3
    return {
        **{one["name"]: one["version"] for one in found["versions"]},
        "processes": [f"{child['name']} {child['state']}" for child in found["children"]],
        "queues": {one["name"]: one["waiting"] for one in redis["queues"]},
        "late": [row["task"] for row in found["schedule"] if row["late"]],
        "database": f"{(database['bytes'] or 0) / 1024**2:.1f} MiB",
        "disk free": f"{disk['free'] / gib:.1f} of {disk['total'] / gib:.1f} GiB",
        "last backup": (found["backup"] or {}).get("at", "never"),
        "failed tasks": len(found["failed_tasks"]),
    }
