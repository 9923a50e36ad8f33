"""The only way from a person to what belongs to a workspace: a stranger is told that there is nothing."""

from typing import Any

from django.db.models import QuerySet

from studio.accounts import problems  # noqa: F401 - its problems are raised from here
from studio.accounts.models import RANK, ApiToken, Scope, User, Workspace
from studio.core.errors import ProblemError


def workspaces_of(user: User) -> QuerySet[Workspace]:
    """Return the workspaces that `user` may see: an administrator all, others those they are members of.

    A program sees those of its token alone.
    """
    rows = Workspace.objects.all() if user.is_admin else Workspace.objects.filter(memberships__user=user)
    token = token_of(user)
    return rows if token is None or token.everywhere else rows.filter(pk__in=token.workspaces.values("pk"))


def token_of(user: Any) -> ApiToken | None:
    """Return the token with which a program acts for `user`, or None when the person themselves asks."""
    return getattr(user, "token", None)


def as_before(user: Any) -> User | None:
    """Return the person as they are now, if they and the token that they came with still may do anything."""
    now = User.objects.filter(pk=getattr(user, "pk", None) or 0, is_active=True).first()
    came_with = token_of(user)
    if now is None or came_with is None:
        return now
    now.token = ApiToken.objects.filter(pk=came_with.pk, revoked_at=None).first()
    return None if now.token is None or now.token.is_over else now


def role_in(user: User, workspace: Workspace) -> str | None:
    """Return the person's role in the workspace; an administrator counts as an owner everywhere."""
    token = token_of(user)
    if token and not token.everywhere and not token.workspaces.filter(pk=workspace.pk).exists():
        return None
    if user.is_admin:
        return "owner"
    membership = workspace.memberships.filter(user=user).first()
    return membership.role if membership else None


def workspace_for(user: Any, name: str, role: str = "reader", *, archived: bool = False) -> Workspace:
    """Return the workspace if `user` has at least `role` in it; 404 for strangers, 403 for members below the role.

    Of an archived one only what a reader may: `archived` is for what brings it back or ends it.
    """
    workspace = Workspace.objects.filter(name=name).first()
    held = role_in(user, workspace) if workspace and getattr(user, "is_active", False) else None
    if workspace is None or held is None:
        raise ProblemError("not-found")
    if RANK[held] < RANK[role]:
        raise ProblemError("not-allowed", needed=f"the role {role}")
    if workspace.archived_at and role != "reader" and not archived:
        raise ProblemError("workspace-archived", workspace=workspace.name)
    workspace.held_role = held  # type: ignore[attr-defined]
    return workspace


def require_operator(user: Any) -> None:
    """Let only IT operations and administrators pass; for others the operators' side does not exist."""
    if not operates(user):
        raise ProblemError("not-found")


def require_admin(user: Any) -> None:
    """Let only administrators pass."""
    if not (getattr(user, "is_active", False) and user.is_admin and reaches_beyond_workspaces(user)):
        raise ProblemError("not-found")
    token = token_of(user)
    if token and Scope.ADMIN not in token.scopes:
        raise ProblemError("token-scope-needed", scope="admin")


def operates(user: Any) -> bool:
    """Tell whether the operators' side is there for `user`: for IT operations and administrators, not for a token of some workspaces."""
    return bool(getattr(user, "is_active", False) and (user.is_operator or user.is_admin) and reaches_beyond_workspaces(user))


def reaches_beyond_workspaces(user: Any) -> bool:
    """Tell whether somebody came in person, or with a token that is not for some workspaces alone."""
    token = token_of(user)
    return token is None or token.everywhere
