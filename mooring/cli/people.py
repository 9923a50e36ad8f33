"""`mooring user`: people and invitations, for administrators; one's own password, and accepting an invitation."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated, Any

import typer

from mooring.cli import session
from mooring.cli.options import Most, Output, Query, Search, Since, Sort, View, Yes, ask, typed_secret
from mooring.cli.output import first, print_result, say

users = typer.Typer(help="People and invitations, for administrators; your own password, and an invitation to you.", no_args_is_help=True)

User = Annotated[str, typer.Argument(metavar="USER", help="The user name.")]
FullName = Annotated[str | None, typer.Option("--full-name", help="What others read.")]
Email = Annotated[str | None, typer.Option("--email", help="Where links are sent, if the studio sends mail.")]
Operator = Annotated[bool | None, typer.Option("--operator/--no-operator", help="The role of IT operations.")]
Administrator = Annotated[bool | None, typer.Option("--administrator/--no-administrator", help="The role of an administrator.")]

_SHOWN = ("username", "full_name", "email", "roles", "state", "last_sign_in_at")
_DETAIL = (*_SHOWN, "has_password", "workspaces", "created_at")
_INVITED = ("id", "kind", "for", "state", "roles", "workspaces", "created_by", "expires_at", "accepted_by")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(users, name="user")


@users.command("list")
def user_list(  # noqa: PLR0913 - each is a filter of the list
    search: Search = None,
    role: Annotated[list[str] | None, typer.Option(help="administrator, operator or none; several times for several.")] = None,
    state: Annotated[str | None, typer.Option(help="active, new (not signed in yet), inactive or deleted.")] = None,
    workspace: Annotated[list[str] | None, typer.Option("--workspace", "-w", help="Only who is in this workspace; several times.")] = None,
    factor: Annotated[str | None, typer.Option(help="Second factor: set or none.")] = None,
    idle: Annotated[str | None, typer.Option(help="Not signed in for so many days: 30, 90 or 365.")] = None,
    since: Since = None,
    view: View = None,
    sort: Sort = None,
    most: Annotated[int, typer.Option("--max-results", "-r", min=1, help="How many at most.")] = 50,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List people, newest first."""
    filters = {"role": role, "show": state, "workspace": workspace, "factor": factor, "idle": idle, "since": since}
    with session.connect() as studio:
        found = studio.users.list(**filters, q=search, view=view, sort=sort, most=most + 1)  # type: ignore[arg-type]
        rows = [dict(one.answer) for one in first(found, most)]
    print_result(rows, output, _SHOWN, query)


@users.command("show")
def show(username: User, output: Output = "table", query: Query = None) -> None:
    """Show one person and their workspaces."""
    with session.connect() as studio:
        print_result(dict(studio.users.get(username).answer), output, _DETAIL, query)


@users.command("create")
def create(
    username: User,
    full_name: FullName = None,
    email: Email = None,
    operator: Operator = None,
    administrator: Administrator = None,
    password: Annotated[bool, typer.Option("--password-stdin", help="Read a password instead of getting a link.")] = False,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Make a person; prints the link over which they set a password, this once."""
    given = sys.stdin.readline().rstrip("\n") if password else ""
    with session.connect() as studio:
        made = studio.users.create(
            username,
            full_name=full_name or "",
            email=email or "",
            operator=bool(operator),
            administrator=bool(administrator),
            password=given,
        )
    _handed_over(made.answer, made.link or made.username, output, query)


@users.command("update")
def update(
    username: User,
    full_name: FullName = None,
    email: Email = None,
    operator: Operator = None,
    administrator: Administrator = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Change a person's name, address or roles in the whole studio."""
    if full_name is None and email is None and operator is None and administrator is None:
        raise typer.BadParameter("give what is to change")
    with session.connect() as studio:
        changed = studio.users.update(username, full_name=full_name, email=email, operator=operator, administrator=administrator)
    print_result(dict(changed.answer), output, _DETAIL, query)


@users.command("deactivate")
def deactivate(username: User, yes: Yes = False) -> dict[str, Any]:
    """Let a person in no more: sessions, tokens and links end at once."""
    ask(f"Deactivate {username} and end their sessions and tokens?", yes)
    with session.connect() as studio:
        studio.users.deactivate(username)
    say(f"{username} deactivated", err=True)
    return {"username": username, "status": "inactive"}


@users.command("reactivate")
def reactivate(username: User) -> dict[str, Any]:
    """Let a person in again."""
    with session.connect() as studio:
        studio.users.reactivate(username)
    say(f"{username} may sign in again", err=True)
    return {"username": username, "status": "active"}


@users.command("sign-out")
def sign_out(username: User) -> dict[str, Any]:
    """Sign a person out of every browser; tokens go on."""
    with session.connect() as studio:
        studio.users.end_sessions(username)
    say(f"{username} is signed out everywhere", err=True)
    return {"username": username, "status": "signed out"}


@users.command("delete")
def delete(username: User, yes: Yes = False) -> dict[str, Any]:
    """Delete a person for good; the user name is kept for the audit and given to nobody else."""
    ask(f"Delete {username} for good?", yes)
    with session.connect() as studio:
        studio.users.delete(username)
    say(f"{username} deleted", err=True)
    return {"username": username, "status": "deleted"}


@users.command("password-link")
def password_link(
    username: User,
    days: Annotated[int, typer.Option(help="For how many days it works.")] = 1,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Print, this once, a link over which a person sets a new password."""
    with session.connect() as studio:
        made = studio.users.password_link(username, days=days)
    _handed_over(made.answer, made.link, output, query)


@users.command("invite")
def invite(
    name: Annotated[str | None, typer.Option("--for", help="For whom, in your words.")] = None,
    email: Email = None,
    workspace_role: Annotated[list[str] | None, typer.Option("--workspace-role", help="WORKSPACE=ROLE; several times.")] = None,
    operator: Operator = None,
    administrator: Administrator = None,
    days: Annotated[int, typer.Option(help="For how many days it works, 30 at most.")] = 7,
    output: Output = "table",
    query: Query = None,
) -> None:
    """Print, this once, a link that lets one new person in with these roles."""
    roles = {}
    for one in workspace_role or []:
        workspace, equals, role = one.partition("=")
        if not equals:
            raise typer.BadParameter(f"--workspace-role {one} is not WORKSPACE=ROLE")
        roles[workspace] = role
    with session.connect() as studio:
        made = studio.invitations.create(
            name or "", email=email or "", operator=bool(operator), administrator=bool(administrator), workspaces=roles, days=days
        )
    _handed_over(made.answer, made.link, output, query)


@users.command("invitations")
def invitation_list(
    state: Annotated[str | None, typer.Option(help="open, accepted or over.")] = None,
    kind: Annotated[str | None, typer.Option(help="What they bring: roles or password.")] = None,
    by: Annotated[list[str] | None, typer.Option("--by", help="Only those that this person made; several times.")] = None,
    since: Since = None,
    search: Search = None,
    view: View = None,
    sort: Sort = None,
    most: Most = None,
    output: Output = "table",
    query: Query = None,
) -> None:
    """List invitations and password links, newest first."""
    with session.connect() as studio:
        found = studio.invitations.list(show=state, kind=kind, by=by, since=since, q=search, view=view, sort=sort, most=most)
        rows = [dict(one.answer) for one in found]
    print_result(rows, output, _INVITED, query)


@users.command("withdraw")
def withdraw(id: Annotated[int, typer.Argument(help="The number in `mooring user invitations`.")]) -> dict[str, Any]:
    """Make an invitation's link worthless."""
    with session.connect() as studio:
        studio.invitations.withdraw(id)
    say(f"invitation {id} withdrawn", err=True)
    return {"id": id, "status": "withdrawn"}


@users.command("password")
def password() -> dict[str, Any]:
    """Change your own password; all your sessions in browsers end, tokens stay as they are.

    From a pipe: the present one and the new one, a line each.
    """
    with session.connect() as studio:
        now = typed_secret("Present password")
        studio.change_password(now, typed_secret("New password", twice=True))
        name = studio.me().username
    say("your password is changed; your sessions in browsers have ended", err=True)
    return {"username": name, "status": "changed"}


@users.command("accept-invitation")
def accept_invitation(
    link: Annotated[str, typer.Argument(metavar="LINK", help="The link that you were given, or its last part; - reads it.")],
    username: Annotated[str, typer.Option("--username", help="Your user name; a password link has one.")] = "",
    full_name: FullName = None,
    url: Annotated[str | None, typer.Option(help="The studio's address, where the link is not given whole; MOORING_URL.")] = None,
) -> dict[str, Any]:
    """Take up an invitation, or set the password that a password link is for; needs no token.

    From a pipe the password is the next line.
    """
    from mooring.client.people import Invitations
    from mooring.client.transport import Transport

    given = (sys.stdin.readline() if link == "-" else link).strip()
    place, slash, _ = given.partition("/accounts/invitation/")
    address = url or (place if slash else None) or session.address()
    chosen = typed_secret("Password", twice=True)
    # Without any token: the address is the link's, which may be anybody's.
    with contextlib.closing(Transport(address, None, agent=session.AGENT)) as transport:
        secret = given.rstrip("/").rpartition("/")[2]
        done = Invitations(transport).accept(secret, chosen, username=username, full_name=full_name or "")
    say(f"sign in with: mooring login --url {address} --username {done['username']}", err=True)
    return {**done, "status": "accepted"}


def _handed_over(answer: object, first: str, output: str, query: str | None) -> None:
    if output == "table" and not query:
        say(first)
    else:
        print_result(answer, output, query=query)
