"""`mooring image-rule`: which image stands in for a name that jobs ask for."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import Most, Output, Query, Search, Sort, View, Yes, ask
from mooring.cli.output import print_result, say

images = typer.Typer(help="Which image stands in for a name that jobs ask for.", no_args_is_help=True)
_SHOWN = ("id", "position", "pattern", "image", "note")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(images, name="image-rule")


@images.command("list")
def list_rules(
    search: Search = None,
    view: View = None,
    sort: Sort = None,
    most: Most = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List the rules, in the order in which they are tried."""
    with session.connect() as studio:
        rows = [dict(one) for one in studio.image_rules.list(q=search, view=view, sort=sort, most=most)]
    print_result(rows, output, _SHOWN, query)


@images.command("set")
def set_rule(
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="The name asked for; * is any run of characters.")],
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="The image that runs in its place.")],
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    position: Annotated[int, typer.Option(min=0, help="Where it stands: the rule with the least number is tried first.")] = 100,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Make a rule, or change the one for this pattern; for operators."""
    with session.connect() as studio:
        made = dict(studio.image_rules.set(pattern, image, note=note, position=position))
    print_result(made, output, _SHOWN, query)


@images.command("delete")
def delete(
    id: Annotated[int, typer.Argument(metavar="ID", help="As `mooring image-rule list` shows it.")], yes: Yes = False
) -> dict[str, Any]:
    """Remove a rule; for operators."""
    ask(f"Remove the rule {id}? Jobs that ask for its name will pull it as it is.", yes)
    with session.connect() as studio:
        studio.image_rules.delete(id)
    say(f"rule {id} deleted", err=True)
    return {"id": id, "status": "deleted"}
