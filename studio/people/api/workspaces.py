"""API operations on workspaces and their members."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from studio.accounts.access import require_operator, workspace_for, workspaces_of
from studio.accounts.models import Membership, Workspace
from studio.accounts.services import create_workspace
from studio.api.paging import After, Limit, page
from studio.core.errors import ProblemError
from studio.people import shown, workspaces

router = Router(tags=["people"])
_ONE = "/workspaces/{workspace}"


class WorkspaceIn(Schema):
    """A workspace to make."""

    name: str
    display_name: str = ""
    description: str = ""


class WorkspaceChange(Schema):
    """What can change of a workspace; what is not given stays."""

    display_name: str | None = None
    description: str | None = None


class RoleIn(Schema):
    """A role in a workspace: owner, contributor or reader."""

    role: str


@router.get("/workspaces")
def list_workspaces(request: HttpRequest, every: bool = False, limit: Limit = 50, after: After = None) -> dict[str, Any]:
    """List the workspaces that the caller may see; with `every`, for operators, all there are."""
    user: Any = request.user
    if every:
        require_operator(user)
    rows = Workspace.objects.all() if every else workspaces_of(user)
    return page(rows, limit=limit, after=after, show=lambda space: shown.workspace(space, user), by="name")


@router.post("/workspaces", response={201: dict[str, Any]})
def make_workspace(request: HttpRequest, given: WorkspaceIn) -> tuple[int, dict[str, Any]]:
    """Make a workspace; for operators and administrators."""
    user: Any = request.user
    if not (user.is_operator or user.is_admin):
        raise ProblemError("not-allowed", needed="the role operator")
    require_operator(user)
    workspace = create_workspace(user, **given.model_dump())
    return 201, shown.workspace(workspace, user)


@router.get(_ONE)
def get_workspace(request: HttpRequest, workspace: str) -> dict[str, Any]:
    """Return one workspace, and what lives in it."""
    row = workspace_for(request.user, workspace)
    return shown.workspace(row, request.user) | {"contents": workspaces.contents_of(row)}


@router.patch(_ONE)
def change_workspace(request: HttpRequest, workspace: str, given: WorkspaceChange) -> dict[str, Any]:
    """Change a workspace's display name or description; for owners."""
    row = workspace_for(request.user, workspace, "owner")
    return shown.workspace(workspaces.edit_workspace(request.user, row, **given.model_dump()), request.user)


@router.delete(_ONE, response={204: None})
def delete_workspace(request: HttpRequest, workspace: str) -> tuple[int, None]:
    """Delete a workspace in which nothing lives any more; for owners."""
    workspaces.delete_workspace(request.user, workspace_for(request.user, workspace, "owner", archived=True))
    return 204, None


@router.post(_ONE + "/archive")
def archive_workspace(request: HttpRequest, workspace: str) -> dict[str, Any]:
    """Put a workspace aside: it can be looked at, and nothing in it changes; for owners."""
    row = workspace_for(request.user, workspace, "owner", archived=True)
    return shown.workspace(workspaces.archive_workspace(request.user, row), request.user)


@router.post(_ONE + "/restore")
def restore_workspace(request: HttpRequest, workspace: str) -> dict[str, Any]:
    """Bring an archived workspace back; for owners."""
    row = workspace_for(request.user, workspace, "owner", archived=True)
    return shown.workspace(workspaces.restore_workspace(request.user, row), request.user)


@router.get(_ONE + "/members")
def list_members(request: HttpRequest, workspace: str, limit: Limit = 50, after: After = None) -> dict[str, Any]:
    """List who may do what in a workspace."""
    row = workspace_for(request.user, workspace)
    return page(Membership.objects.filter(workspace=row).select_related("user"), limit=limit, after=after, show=shown.member, by="pk")


@router.put(_ONE + "/members/{username}")
def set_member(request: HttpRequest, workspace: str, username: str, given: RoleIn) -> dict[str, Any]:
    """Make a person a member, or change a member's role; for owners."""
    row = workspace_for(request.user, workspace, "owner")
    return shown.member(workspaces.set_member(request.user, row, username=username, role=given.role))


@router.delete(_ONE + "/members/{username}", response={204: None})
def remove_member(request: HttpRequest, workspace: str, username: str) -> tuple[int, None]:
    """Take a person out of a workspace; for owners, and for members who leave."""
    leaves = username == request.user.get_username()
    row = workspace_for(request.user, workspace, "reader" if leaves else "owner")
    workspaces.remove_member(request.user, row, username=username)
    return 204, None
