"""API operations on workspaces and their members."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from studio.accounts.access import require_operator, workspace_for, workspaces_of
from studio.accounts.services import create_workspace
from studio.api.bodies import RequestBody
from studio.core.errors import ProblemError
from studio.people import selectors, shown, workspaces
from studio.people.lists import MEMBERS, WORKSPACES
from studio.tables.operations import list_query, listed_rows

router = Router(tags=["people"])
WorkspacesQuery: Any = list_query(WORKSPACES)
MembersQuery: Any = list_query(MEMBERS)
_ONE = "/workspaces/{workspace}"


class WorkspaceIn(RequestBody):
    """A workspace to make."""

    name: str
    display_name: str = ""
    description: str = ""


class WorkspaceChange(RequestBody):
    """What can change of a workspace; what is not given stays."""

    display_name: str | None = None
    description: str | None = None


class RoleIn(RequestBody):
    """A role in a workspace: owner, contributor or reader."""

    role: str


@router.get("/workspaces")
def list_workspaces(request: HttpRequest, given: Query[WorkspacesQuery], every: bool = False) -> dict[str, Any]:
    """List the workspaces that the caller may see, by name; with `every`, for operators, all there are."""
    user: Any = request.user
    if every or given.view:
        # Saved views of this list are those of who sees all of it.
        require_operator(user)
    rows = selectors.workspaces_counted(None if every else workspaces_of(user))
    return listed_rows(request, WORKSPACES, rows, given, show=lambda space: shown.workspace(space, user))


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
def list_members(request: HttpRequest, workspace: str, given: Query[MembersQuery]) -> dict[str, Any]:
    """List who may do what in a workspace, owners first."""
    row = workspace_for(request.user, workspace)
    return listed_rows(request, MEMBERS, selectors.members_of(row), given, show=shown.member, workspace=row)


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
