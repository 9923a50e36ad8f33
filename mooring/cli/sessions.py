"""`mooring session`, `second-factor`, `break-glass`: where one is signed in, a factor that is lost, the way in that is left."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import Output, Query, Yes, ask, typed_secret
from mooring.cli.output import print_result, say
from mooring.cli.studio import DataOption
from mooring.errors import MooringError

sessions = typer.Typer(help="Where you are signed in with a browser.", no_args_is_help=True)

factors = typer.Typer(help="Your own second factor, and those that others have lost.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(sessions, name="session")
    app.add_typer(factors, name="second-factor")
    app.command("break-glass")(break_glass)


@sessions.command("list")
def session_list(output: Output = "table", query: Query = None) -> None:
    """List your sessions, the last used first."""
    with session.connect() as studio:
        rows = [dict(one.answer) for one in studio.sessions.list()]
    print_result(rows, output, ("id", "device", "address", "signed_in_at", "last_used_at"), query)


@sessions.command("end")
def session_end(
    id: Annotated[int | None, typer.Argument(help="The session's number in `mooring session list`.")] = None,
    all: Annotated[bool, typer.Option("--all", help="End all of them.")] = False,
) -> dict[str, Any]:
    """End a session, or all: its pages and live streams end within seconds. Tokens stay as they are."""
    if (id is None) == (not all):
        raise MooringError("session-unnamed", "Which session?", "Name one, or all.", "Run `mooring session list`, then end one by its id.")
    with session.connect() as studio:
        if id is not None:
            studio.sessions.end(id)
            say(f"session {id} has ended", err=True)
            return {"id": id, "status": "ended"}
        count = studio.sessions.end_all()
    say(f"{count} ended", err=True)
    return {"ended": count}


@factors.command("show")
def factor_show(output: Output = "table", query: Query = None) -> None:
    """Show your own second factors, whether your role needs one, and how many recovery codes are left."""
    with session.connect() as studio:
        print_result(dict(studio.second_factor.get()), output, query=query)


@factors.command("add")
def factor_add(output: Output = "table", query: Query = None) -> None:
    """Set up an authenticator app: prints its secret, asks for a code, then prints recovery codes, each this once.

    Security keys and passkeys are added on the page Second factor, as only a browser can speak to them. From a pipe: the
    password, and then the code.
    """
    with session.connect() as studio:
        begun = studio.second_factor.begin_app(typed_secret("Password"))
        say(f"secret: {begun['secret']}\naddress: {begun['address']}", err=True)
        has = dict(studio.second_factor.confirm_app(begun["begun"], _code()))
    say("the app is added; each recovery code opens your account once:", err=True)
    _codes({"status": "added", "recovery_codes": has["recovery_codes"]}, output, query)


@factors.command("codes")
def factor_codes(output: Output = "table", query: Query = None) -> None:
    """Print new recovery codes, this once; the old ones open nothing any more."""
    with session.connect() as studio:
        codes = studio.second_factor.new_codes(typed_secret("Password"))
    _codes({"recovery_codes": codes}, output, query)


@factors.command("remove")
def factor_remove(
    id: Annotated[int, typer.Argument(help="The factor's number in `mooring second-factor show`.")],
    yes: Yes = False,
) -> dict[str, Any]:
    """Take away one of your own second factors; with the last one your recovery codes go."""
    ask(f"Take away your second factor {id}?", yes)
    with session.connect() as studio:
        studio.second_factor.remove(id, typed_secret("Password"))
    say(f"second factor {id} is removed", err=True)
    return {"id": id, "status": "removed"}


@factors.command("reset")
def factor_reset(
    username: Annotated[str, typer.Argument(help="Who has lost theirs.")],
    yes: Yes = False,
) -> dict[str, Any]:
    """Take away a person's second factors and end their sessions; the next sign-in takes the password alone. For administrators."""
    ask(f"Take away the second factors of {username} and end their sessions?", yes)
    with session.connect() as studio:
        studio.sessions.reset_second_factor(username)
    say(f"{username} has no second factor any more; their sessions have ended", err=True)
    return {"username": username, "status": "reset"}


def _codes(answer: dict[str, Any], output: str, query: str | None) -> None:
    """Print recovery codes, one a line, or the whole answer in the form that was asked for."""
    if output != "table" or query:
        print_result(answer, output, query=query)
        return
    for code in answer["recovery_codes"]:
        say(code)


def _code() -> str:
    """Ask for the code that the app shows; from a pipe it is the next line."""
    return str(typer.prompt("Code that the app shows", err=True)) if sys.stdin.isatty() else sys.stdin.readline().strip()


def break_glass(
    username: Annotated[str, typer.Argument(help="An administrator.")] = "admin",
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long the password is taken where passwords are switched off.")] = 60,
    reset_second_factor: Annotated[bool, typer.Option(help="Also take away the second factor, when it is lost.")] = False,
    data: DataOption = None,
) -> None:
    """On the studio's own machine: give an administrator a new password, taken also where passwords are switched off."""
    from mooring.up import commands

    words = [username, "--minutes", str(minutes), *(["--reset-second-factor"] if reset_second_factor else [])]
    raise typer.Exit(commands.manage(data, "mooring_break_glass", *words, environment=dict(os.environ)))
