"""The only way from a person to what belongs to a workspace: a stranger is told that there is nothing."""

from typing import Any

from django.db.models import QuerySet

from studio.accounts.models import RANK, User, Workspace
from studio.core.errors import ProblemError


def workspaces_of(user: User) -> QuerySet[Workspace]:
    """Return the workspaces that `user` may see: an administrator all, others those they are members of."""
    return Workspace.objects.all() if user.is_admin else Workspace.objects.filter(memberships__user=user)


def role_in(user: User, workspace: Workspace) -> str | None:
    """Return the person's role in the workspace; an administrator counts as an owner everywhere."""
    if user.is_admin:
        return "owner"
    membership = workspace.memberships.filter(user=user).first()
    return membership.role if membership else None


def workspace_for(user: Any, name: str, role: str = "reader") -> Workspace:
    """Return the workspace if `user` has at least `role` in it; 404 for strangers, 403 for members below the role."""
    workspace = Workspace.objects.filter(name=name).first()
    held = role_in(user, workspace) if workspace and getattr(user, "is_active", False) else None
    if workspace is None or held is None:
        raise ProblemError("not-found")
    if RANK[held] < RANK[role]:
        raise ProblemError("not-allowed", needed=f"the role {role}")
    workspace.held_role = held  # type: ignore[attr-defined]
    return workspace


def require_operator(user: Any) -> None:
    """Let only IT operations and administrators pass; for others the operators' side does not exist."""
    if not (getattr(user, "is_active", False) and (user.is_operator or user.is_admin)):
        raise ProblemError("not-found")


def require_admin(user: Any) -> None:
    """Let only administrators pass."""
    if not (getattr(user, "is_active", False) and user.is_admin):
        raise ProblemError("not-found")
