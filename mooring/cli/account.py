"""`mooring login`, `logout`, `whoami`, `profile`, `version`: who one is, and where."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import mooring
from mooring.cli import session
from mooring.cli.options import Output, Query
from mooring.cli.output import print_result, say
from mooring.errors import MooringError


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("login")(login)
    app.command("logout")(logout)
    app.command("whoami")(whoami)
    app.command("profile")(profile)
    app.command("version")(version)


def login(
    url: Annotated[str | None, typer.Option(help="The studio's address; MOORING_URL.")] = None,
    token: Annotated[str | None, typer.Option(help="A token made on your page in the studio; - reads it.")] = None,
    username: Annotated[str | None, typer.Option(help="Sign in with a password instead of a token.")] = None,
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="The workspace to use when none is named.")] = None,
) -> None:
    """Sign in to a studio and store a token for it, readable by you alone."""
    from mooring.client import Client
    from mooring.client.sign_in import token_for

    address = (url or os.environ.get("MOORING_URL") or typer.prompt("Address", default="http://127.0.0.1:8080")).rstrip("/")
    if token == "-":  # noqa: S105 standard input
        token = sys.stdin.readline().strip()
    if token is None:
        name = username or typer.prompt("User name")
        password = typer.prompt("Password", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        token = token_for(address, name, password, _code)
    with Client(address, token, agent=session.AGENT) as studio:
        me = studio.me()
    known = [str(one["name"]) for one in me.workspaces]
    if workspace and workspace not in known:
        raise MooringError("workspace-unknown", "No such workspace", f"You are not a member of {workspace}.", f"You have: {known}.")
    path = session.store(session.Session(address, token, workspace or (known[0] if len(known) == 1 else None)))
    say(f"signed in to {address} as {me.username}; the token is in {path}")


def _code() -> str:
    """Ask for a code of the second factor; from a pipe it is the line after the password."""
    if sys.stdin.isatty():
        return str(typer.prompt("Code of your authenticator app, or a recovery code"))
    return sys.stdin.readline().strip()


def logout() -> None:
    """Forget the stored token, and revoke it at the studio when it can be reached."""
    from mooring.client import Client

    was = session.forget()
    if was is None:
        say("nothing was stored")
        return
    try:
        with Client(was.url, was.token, patience_seconds=0, agent=session.AGENT) as studio:
            studio.transport.send("DELETE", "me/token")
        say(f"signed out of {was.url}")
    except MooringError as error:
        say(f"the token for {was.url} was forgotten here, but not revoked there: {error.detail or error.title}")


def whoami(output: Output = "table", query: Query = None) -> None:
    """Show who the token belongs to, and the roles and workspaces that come with it."""
    with session.connect() as studio:
        me = studio.me()
        shown = {"studio": studio.url, **me.answer}
    if output == "table" and not query:
        shown["roles"] = [role for role, has in me.roles.items() if has]
        shown["workspaces"] = [f"{one['name']} ({one['role']})" for one in me.workspaces]
    print_result(shown, output, query=query)


def profile(
    full_name: Annotated[str | None, typer.Option("--full-name", help="What others read.")] = None,
    time_zone: Annotated[str | None, typer.Option("--time-zone", help="As Europe/Berlin; an empty text is the browser's.")] = None,
    theme: Annotated[str | None, typer.Option(help="auto, light or dark.")] = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Show how you are called and how pages look to you, or change it; changing takes a token with the scope account."""
    with session.connect() as studio:
        changes = full_name is not None or time_zone is not None or theme is not None
        answer = (studio.change_me(full_name=full_name, time_zone=time_zone, theme=theme) if changes else studio.me()).answer
    print_result(dict(answer), output, ("username", "full_name", "time_zone", "theme"), query)


def say_version(wanted: bool) -> None:
    """Print the version of this command and end, if that is wanted."""
    if wanted:
        say(mooring.__version__)
        raise typer.Exit()


def version(output: Output = "table", query: Query = None) -> None:
    """Show the version of this command."""
    if output in ("table", "name") and not query:
        say(mooring.__version__)
    else:
        print_result({"version": mooring.__version__}, output, query=query)
