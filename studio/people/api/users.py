"""API operations on people; for administrators."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from studio.accounts.access import require_admin
from studio.accounts.models import User
from studio.api.bodies import RequestBody
from studio.core.errors import ProblemError
from studio.people import invitations, links, selectors, shown, users
from studio.people.lists import USERS
from studio.tables.operations import list_query, listed_rows

router = Router(tags=["people"])
UsersQuery: Any = list_query(USERS)


class UserIn(RequestBody):
    """A person to make; without a password the answer holds a link over which they set one."""

    username: str
    full_name: str = ""
    email: str = ""
    operator: bool = False
    administrator: bool = False
    password: str = ""


class UserChange(RequestBody):
    """What can change of a person; what is not given stays."""

    full_name: str | None = None
    email: str | None = None
    operator: bool | None = None
    administrator: bool | None = None


class LinkIn(RequestBody):
    """A link over which a person sets a new password."""

    days: int = Field(1, ge=0, le=10_000)


@router.get("/users")
def list_users(request: HttpRequest, given: Query[UsersQuery]) -> dict[str, Any]:
    """List people, newest first; without `show` all but the deleted."""
    require_admin(request.user)
    return listed_rows(request, USERS, selectors.everyone(), given, show=shown.user)


@router.post("/users", response={201: dict[str, Any]})
def create_user(request: HttpRequest, given: UserIn) -> tuple[int, dict[str, Any]]:
    """Make a person."""
    require_admin(request.user)
    fields = given.model_dump(exclude={"administrator"})
    user = users.create_user(request.user, admin=given.administrator, **fields)
    if given.password:
        return 201, shown.user(user, whole=True)
    link = invitations.make_password_link(request.user, user)
    return 201, shown.user(user, whole=True) | links.handed_over(request, link)


@router.get("/users/{username}")
def get_user(request: HttpRequest, username: str) -> dict[str, Any]:
    """Return one person with their workspaces."""
    return shown.user(_user(request, username), whole=True)


@router.patch("/users/{username}")
def change_user(request: HttpRequest, username: str, given: UserChange) -> dict[str, Any]:
    """Change a person's name, address, or roles in the whole studio."""
    user = _user(request, username)
    users.edit_user(request.user, user, full_name=given.full_name, email=given.email)
    users.set_roles(request.user, user, operator=given.operator, admin=given.administrator)
    return shown.user(user, whole=True)


@router.post("/users/{username}/deactivate")
def deactivate_user(request: HttpRequest, username: str) -> dict[str, Any]:
    """Let a person in no more; their sessions and tokens end at once."""
    return shown.user(users.deactivate_user(request.user, _user(request, username)))


@router.post("/users/{username}/reactivate")
def reactivate_user(request: HttpRequest, username: str) -> dict[str, Any]:
    """Let a person in again."""
    return shown.user(users.reactivate_user(request.user, _user(request, username)))


@router.post("/users/{username}/end-sessions", response={204: None})
def end_sessions_of_user(request: HttpRequest, username: str) -> tuple[int, None]:
    """Sign a person out of every browser."""
    users.end_every_session(request.user, _user(request, username))
    return 204, None


@router.post("/users/{username}/password-link", response={201: dict[str, Any]})
def make_password_link(request: HttpRequest, username: str, given: LinkIn) -> tuple[int, dict[str, Any]]:
    """Make a link, shown this once, over which the person sets a new password."""
    link = invitations.make_password_link(request.user, _user(request, username), days=given.days)
    return 201, shown.invitation(link.invitation) | links.handed_over(request, link)


@router.delete("/users/{username}", response={204: None})
def delete_user(request: HttpRequest, username: str) -> tuple[int, None]:
    """Delete a person for good; the name is kept for the audit and given to nobody else."""
    users.delete_user(request.user, _user(request, username))
    return 204, None


def _user(request: HttpRequest, username: str) -> User:
    require_admin(request.user)
    user = User.objects.filter(username=username).first()
    if user is None:
        raise ProblemError("not-found")
    return user
