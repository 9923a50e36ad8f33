"""API operations on people and workspaces."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from studio.accounts.access import role_in, workspaces_of
from studio.accounts.models import Workspace
from studio.accounts.services import create_workspace
from studio.core.errors import ProblemError

router = Router(tags=["people"])


class WorkspaceIn(Schema):
    """A workspace to make."""

    name: str
    display_name: str = ""


@router.get("/me")
def me(request: HttpRequest) -> dict[str, Any]:
    """Tell who the caller is and what they may use."""
    user: Any = request.user
    spaces = [{"name": space.name, "role": role_in(user, space)} for space in workspaces_of(user)]
    roles = {"operator": user.is_operator or user.is_admin, "administrator": user.is_admin}
    return {"username": user.username, "roles": roles, "workspaces": spaces}


@router.get("/workspaces")
def list_workspaces(request: HttpRequest) -> dict[str, Any]:
    """List the workspaces that the caller may see."""
    return {"items": [_shown(space, request.user) for space in workspaces_of(request.user)], "next": None}  # type: ignore[arg-type]


@router.post("/workspaces", response={201: dict[str, Any]})
def make_workspace(request: HttpRequest, given: WorkspaceIn) -> tuple[int, dict[str, Any]]:
    """Make a workspace; for operators and administrators."""
    user: Any = request.user
    if not (user.is_operator or user.is_admin):
        raise ProblemError("not-allowed", needed="the role operator")
    workspace = create_workspace(user, name=given.name, display_name=given.display_name)
    return 201, _shown(workspace, user)


def _shown(workspace: Workspace, user: Any) -> dict[str, Any]:
    return {"name": workspace.name, "display_name": workspace.display_name, "role": role_in(user, workspace)}
