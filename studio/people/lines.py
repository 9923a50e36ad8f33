"""Rows of the lists of people as lines: where each leads, what may be done with it, and what its cells need."""

from collections.abc import Collection, Sequence
from typing import Any

from django.urls import reverse

from studio.accounts.models import ApiToken, Invitation, Membership, User, Workspace
from studio.core.templatetags.mooring import confirm
from studio.people import invitations, tokens, users
from studio.tables.declared import Line

WITHDRAWN = "The link stops working at once."
REVOKED = "Programs that use this token are refused from now on. It cannot be brought back."


def user_lines(rows: Sequence[User]) -> list[Line]:
    """Return people as lines."""
    return [
        Line(
            row=row,
            id=f"user-{row.pk}",
            title=row.username,
            href=reverse("people:user", args=[row.username]),
            choose="" if row.deleted_at else str(row.pk),
            extra={"state": users.state_of(row)},
        )
        for row in rows
    ]


def invitation_lines(rows: Sequence[Invitation]) -> list[Line]:
    """Return invitations as lines; one that is open can be withdrawn."""
    found = []
    for row in rows:
        state = invitations.state_of(row)
        is_open = state == "open"
        asks = confirm(title=f"Withdraw the invitation for {row.name}", text=WITHDRAWN, verb="Withdraw")
        post = reverse("people:invitation-withdraw", args=[row.pk])
        links = [{"title": "Withdraw", "icon": "trash", "post": post, "danger": True, "confirm": asks}] if is_open else []
        choose = str(row.pk) if is_open else ""
        found.append(Line(row=row, id=f"invitation-{row.pk}", title=row.name, choose=choose, links=links, extra={"state": state}))
    return found


def token_lines(revoke: str, rows: Sequence[ApiToken]) -> list[Line]:
    """Return tokens as lines; one that works can be revoked at the address named `revoke`."""
    found = []
    for row in rows:
        state = tokens.state_of(row)
        works = state == "active"
        asks = confirm(title=f"Revoke {row.name}", text=REVOKED, verb="Revoke token")
        post = reverse(revoke, args=[row.pk])
        links = [{"title": "Revoke", "icon": "trash", "post": post, "danger": True, "confirm": asks}] if works else []
        choose = str(row.pk) if works else ""
        found.append(Line(row=row, id=f"token-{row.pk}", title=row.name, choose=choose, links=links, extra={"state": state}))
    return found


def workspace_lines(inside: Collection[int] | None, rows: Sequence[Workspace]) -> list[Line]:
    """Return workspaces as lines; those of the ids `inside` lead to their members, for None all do."""
    found = []
    for row in rows:
        href = reverse("people:members", args=[row.name]) if inside is None or row.pk in inside else ""
        found.append(Line(row=row, id=f"workspace-{row.pk}", title=row.name, href=href))
    return found


def member_lines(workspace: Workspace, person: Any, owns: bool, rows: Sequence[Membership]) -> list[Line]:
    """Return members as lines; who owns the workspace changes roles and takes people out."""
    found = []
    for row in rows:
        name = row.user.username
        links = []
        if owns:
            text = "They see nothing of it any more. What they made stays."
            asks = confirm(title=f"Take {name} out of {workspace.name}", text=text, verb="Take out")
            post = reverse("people:member-remove", args=[workspace.name])
            fields = {"username": name}
            links = [{"title": "Take out", "icon": "trash", "post": post, "fields": fields, "danger": True, "confirm": asks}]
        extra = {"owns": owns, "is_me": row.user_id == person.pk}
        found.append(Line(row=row, id=f"member-{row.pk}", title=name, links=links, extra=extra))
    return found
