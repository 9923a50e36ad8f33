"""API operations on invitations; for administrators, and accepting one for whoever holds its secret."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from studio.accounts.access import require_admin
from studio.accounts.models import Invitation
from studio.api.bodies import RequestBody
from studio.core.errors import ProblemError
from studio.people import invitations, links, selectors, shown
from studio.people.lists import INVITATIONS
from studio.tables.operations import list_query, listed_rows

router = Router(tags=["people"])
InvitationsQuery: Any = list_query(INVITATIONS)


class InvitationIn(RequestBody):
    """An invitation to make: for whom, with which roles, and for how many days."""

    name: str = ""
    email: str = ""
    operator: bool = False
    administrator: bool = False
    workspaces: dict[str, str] = {}
    days: int = Field(invitations.USUAL_DAYS, ge=0, le=10_000)


class AcceptIn(RequestBody):
    """The secret of a link (its last part), a password, and for a new person a user name."""

    secret: str = Field(max_length=200)
    password: str = Field(max_length=4096)
    username: str = Field("", max_length=150)
    full_name: str = Field("", max_length=300)


@router.get("/invitations")
def list_invitations(request: HttpRequest, given: Query[InvitationsQuery]) -> dict[str, Any]:
    """List invitations and password links, newest first."""
    require_admin(request.user)
    return listed_rows(request, INVITATIONS, selectors.invitations_shown(), given, show=shown.invitation)


@router.post("/invitations", response={201: dict[str, Any]})
def invite(request: HttpRequest, given: InvitationIn) -> tuple[int, dict[str, Any]]:
    """Invite a person; the link is in this answer and nowhere else."""
    require_admin(request.user)
    fields = given.model_dump(exclude={"administrator", "workspaces"})
    link = invitations.invite(request.user, admin=given.administrator, roles=given.workspaces, **fields)
    return 201, shown.invitation(link.invitation) | links.handed_over(request, link)


@router.put("/invitations/accepted", auth=None)
def accept_invitation(request: HttpRequest, given: AcceptIn) -> dict[str, Any]:
    """Take an invitation up, once, or set the password that a password link is for; for whoever holds the link's secret.

    Who asks again within ten minutes with the same words, as the answer was lost, gets it once more.
    """
    row = invitations.taken_up(request, given.secret, username=given.username, password=given.password)
    # Of who asks again, as the answer was lost, the account is there.
    user = row.accepted_by if row else None
    if row is None or user is None:
        row = invitations.opened_by(request, given.secret)
        user = invitations.accept(**given.model_dump())
    return {"username": user.username, "kind": "password" if row.user_id else "invitation"}


@router.delete("/invitations/{invitation_id}", response={204: None})
def withdraw(request: HttpRequest, invitation_id: int) -> tuple[int, None]:
    """Make an invitation's link worthless."""
    require_admin(request.user)
    row = Invitation.objects.filter(pk=invitation_id).first()
    if row is None:
        raise ProblemError("not-found")
    invitations.withdraw(request.user, row)
    return 204, None
