"""People, invitations, workspaces and tokens as the API shows them: no secret is ever among it."""

from typing import Any

from studio.accounts.access import role_in
from studio.accounts.models import ApiToken, Invitation, Membership, User, Workspace
from studio.people import invitations, tokens, users


def user(row: User, *, whole: bool = False) -> dict[str, Any]:
    """Return a person; `whole` with their workspaces."""
    answer: dict[str, Any] = {
        "username": row.username,
        "full_name": row.get_full_name(),
        "email": row.email,
        "roles": {"operator": row.is_operator or row.is_superuser, "administrator": row.is_superuser},
        "state": users.state_of(row),
        "active": row.is_active,
        "deleted": row.deleted_at is not None,
        "has_password": row.has_usable_password(),
        "created_at": row.date_joined,
        "last_sign_in_at": row.last_login,
    }
    if whole:
        members = row.memberships.select_related("workspace").order_by("workspace__name")
        answer["workspaces"] = [{"name": one.workspace.name, "role": one.role} for one in members]
    return answer


def invitation(row: Invitation) -> dict[str, Any]:
    """Return an invitation, without its link."""
    return {
        "id": row.pk,
        "kind": "password" if row.user_id else "invitation",
        "for": row.name,
        "email": row.email,
        "state": invitations.state_of(row),
        "roles": {"operator": row.is_operator, "administrator": row.is_admin},
        "workspaces": [{"name": one.workspace.name, "role": one.role} for one in row.roles.all()],
        "created_by": row.created_by.username if row.created_by else None,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "mailed_at": row.mailed_at,
        "accepted_at": row.accepted_at,
        "accepted_by": row.accepted_by.username if row.accepted_by else None,
    }


def workspace(row: Workspace, person: Any) -> dict[str, Any]:
    """Return a workspace and the caller's role in it."""
    return {
        "name": row.name,
        "display_name": row.display_name,
        "description": row.description,
        "role": role_in(person, row),
        "archived": row.archived_at is not None,
        "created_at": row.created_at,
    }


def member(row: Membership) -> dict[str, Any]:
    """Return a member of a workspace."""
    return {
        "username": row.user.username,
        "full_name": row.user.get_full_name(),
        "role": row.role,
        "active": row.user.is_active,
    }


def token(row: ApiToken) -> dict[str, Any]:
    """Return a token, without its secret."""
    return {
        "id": row.pk,
        "name": row.name,
        "begins_with": f"mrg_{row.prefix}",
        "username": row.user.username,
        "scopes": row.scopes,
        "workspaces": None if row.everywhere else sorted(one.name for one in row.workspaces.all()),
        "state": tokens.state_of(row),
        "made_with": row.made_with.name if row.made_with else None,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "last_used_at": row.last_used_at,
        "last_used_from": row.last_used_from,
    }
