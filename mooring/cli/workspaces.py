"""`mooring workspace`: the workspaces, their settings and members."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import (
    Most,
    NameArgument,
    NameOption,
    Output,
    Query,
    Search,
    Since,
    Sort,
    View,
    Yes,
    ask,
    the_name,
)
from mooring.cli.output import print_result, say

workspaces = typer.Typer(help="Workspaces, their settings and members.", no_args_is_help=True)

Display = Annotated[str | None, typer.Option("--display-name", help="What people read.")]
Description = Annotated[str | None, typer.Option("--description", "-d", help="What the team works on.")]
Name = Annotated[str, typer.Argument(metavar="WORKSPACE", help="The workspace.")]
User = Annotated[str, typer.Argument(metavar="USER", help="The person's user name.")]

_SHOWN = ("name", "display_name", "role", "archived")
_DETAIL = (*_SHOWN, "description", "contents", "created_at")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(workspaces, name="workspace")


@workspaces.command("list")
def workspace_list(
    every: Annotated[bool, typer.Option("--all", help="Also those that you are no member of; for IT operations.")] = False,
    state: Annotated[str | None, typer.Option(help="used or archived; both without it.")] = None,
    since: Since = None,
    search: Search = None,
    view: View = None,
    sort: Sort = None,
    most: Most = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List your workspaces and your role in each."""
    with session.connect() as studio:
        found = studio.workspaces.list(every=every, show=state, since=since, q=search, view=view, sort=sort, most=most)
        rows = [dict(one.answer) for one in found]
    print_result(rows, output, _SHOWN, query)


@workspaces.command("show")
def show(argument: NameArgument = None, name: NameOption = None, output: Output = "table", query: Query = None) -> None:
    """Show one workspace and what lives in it."""
    with session.connect() as studio:
        found = studio.workspaces.get(the_name(argument, name))
    print_result(dict(found.answer), output, _DETAIL, query)


@workspaces.command("create")
def create(
    argument: NameArgument = None,
    name: NameOption = None,
    display_name: Display = None,
    description: Description = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Make a workspace that you own; for IT operations."""
    with session.connect() as studio:
        made = studio.workspaces.create(the_name(argument, name), display_name=display_name or "", description=description or "")
    print_result(dict(made.answer), output, _SHOWN, query)


@workspaces.command("update")
def update(
    argument: NameArgument = None,
    name: NameOption = None,
    display_name: Display = None,
    description: Description = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Change a workspace's display name or description; for owners."""
    if display_name is None and description is None:
        raise typer.BadParameter("give --display-name or --description")
    with session.connect() as studio:
        changed = studio.workspaces.update(the_name(argument, name), display_name=display_name, description=description)
    print_result(dict(changed.answer), output, _DETAIL, query)


@workspaces.command("archive")
def archive(argument: NameArgument = None, name: NameOption = None) -> dict[str, Any]:
    """Put a workspace aside: it can be looked at, nothing in it changes; for owners."""
    with session.connect() as studio:
        found = studio.workspaces.archive(the_name(argument, name))
    say(f"{found.name} archived", err=True)
    return dict(found.answer)


@workspaces.command("restore")
def restore(argument: NameArgument = None, name: NameOption = None) -> dict[str, Any]:
    """Bring an archived workspace back; for owners."""
    with session.connect() as studio:
        found = studio.workspaces.restore(the_name(argument, name))
    say(f"{found.name} restored", err=True)
    return dict(found.answer)


@workspaces.command("delete")
def delete(argument: NameArgument = None, name: NameOption = None, yes: Yes = False) -> dict[str, Any]:
    """Delete a workspace in which nothing lives any more; for owners."""
    which = the_name(argument, name)
    ask(f"Delete the workspace {which} and its memberships?", yes)
    with session.connect() as studio:
        studio.workspaces.delete(which)
    say(f"{which} deleted", err=True)
    return {"name": which, "status": "deleted"}


@workspaces.command("members")
def members(
    workspace: Name,
    role: Annotated[list[str] | None, typer.Option("--role", help="owner, contributor or reader; several times for several.")] = None,
    state: Annotated[str | None, typer.Option(help="active or inactive.")] = None,
    search: Search = None,
    view: View = None,
    sort: Sort = None,
    most: Most = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List who may do what in a workspace, owners first."""
    with session.connect() as studio:
        found = studio.workspaces.members(workspace, role=role, state=state, q=search, view=view, sort=sort, most=most)
        rows = [dict(one.answer) for one in found]
    print_result(rows, output, ("username", "full_name", "role", "active"), query)


@workspaces.command("set-member")
def set_member(
    workspace: Name,
    username: User,
    role: Annotated[str, typer.Option("--role", help="owner, contributor or reader.")] = "contributor",
) -> dict[str, Any]:
    """Add a member, or change a member's role; for owners."""
    with session.connect() as studio:
        now = studio.workspaces.set_member(workspace, username, role)
    say(f"{now.username} is {now.role} of {workspace}", err=True)
    return dict(now.answer)


@workspaces.command("remove-member")
def remove_member(workspace: Name, username: User, yes: Yes = False) -> dict[str, Any]:
    """Take a member out of a workspace; for owners."""
    ask(f"Take {username} out of {workspace}?", yes)
    with session.connect() as studio:
        studio.workspaces.remove_member(workspace, username)
    say(f"{username} is no member of {workspace} any more", err=True)
    return {"username": username, "workspace": workspace, "status": "removed"}


@workspaces.command("leave")
def leave(workspace: Name, yes: Yes = False) -> dict[str, Any]:
    """Leave a workspace."""
    ask(f"Leave {workspace}?", yes)
    with session.connect() as studio:
        studio.workspaces.remove_member(workspace, studio.me().username)
    say(f"you have left {workspace}", err=True)
    return {"name": workspace, "status": "left"}
