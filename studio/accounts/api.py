"""API operations on people and workspaces."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from studio.accounts.access import role_in, workspaces_of
from studio.accounts.models import Workspace
from studio.accounts.services import create_workspace, issue_token, revoke
from studio.api.paging import After, Limit, page
from studio.core.errors import ProblemError

router = Router(tags=["people"])


class WorkspaceIn(Schema):
    """A workspace to make."""

    name: str
    display_name: str = ""


class TokenIn(Schema):
    """A token to make: what it is for."""

    name: str = Field(min_length=1, max_length=60)


@router.get("/me")
def me(request: HttpRequest) -> dict[str, Any]:
    """Tell who the caller is and what they may use."""
    user: Any = request.user
    spaces = [{"name": space.name, "role": role_in(user, space)} for space in workspaces_of(user)]
    roles = {"operator": user.is_operator or user.is_admin, "administrator": user.is_admin}
    return {"username": user.username, "roles": roles, "workspaces": spaces}


@router.post("/me/tokens", response={201: dict[str, Any]})
def make_token(request: HttpRequest, given: TokenIn) -> tuple[int, dict[str, Any]]:
    """Make a token for the signed-in person and show it this once; a token cannot make another one."""
    if request.headers.get("Authorization"):
        raise ProblemError("not-allowed", needed="a person's own sign-in")
    token, clear = issue_token(request.user, name=given.name)
    return 201, {"name": token.name, "token": clear}


@router.delete("/me/token", response={204: None})
def revoke_token(request: HttpRequest) -> tuple[int, None]:
    """Revoke the token that this request came with."""
    clear = request.headers.get("Authorization", "").removeprefix("Bearer ")
    revoke(request.user, clear)
    return 204, None


@router.get("/workspaces")
def list_workspaces(request: HttpRequest, limit: Limit = 50, after: After = None) -> dict[str, Any]:
    """List the workspaces that the caller may see."""
    user: Any = request.user
    return page(workspaces_of(user), limit=limit, after=after, show=lambda space: _shown(space, user), by="name")


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
