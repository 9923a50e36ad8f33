"""Invite people: a link that works once, until a day, and brings the roles that the inviter chose."""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from studio.accounts.models import RANK, Invitation, InvitedRole, Membership, User, Workspace, digest_of
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.core.words import check_words
from studio.people import problems  # noqa: F401 - its problems are raised from here
from studio.people.selectors import still_open
from studio.people.users import check_username, checked_email, create_user, end_every_session
from studio.signin.limits import count_wrong
from studio.signin.passwords import check_password

log = structlog.get_logger(__name__)
USUAL_DAYS = 7
MOST_DAYS = 30
# For so long who asks again gets the same answer.
ASKED_AGAIN = timedelta(minutes=10)
_PREFIX = "mri_"


@dataclass(frozen=True)
class Link:
    """An invitation with its secret, which is never to be had again."""

    invitation: Invitation
    secret: str


def invite(
    actor: Any,
    *,
    name: str = "",
    email: str = "",
    operator: bool = False,
    admin: bool = False,
    roles: Mapping[str, str] | None = None,
    days: int = USUAL_DAYS,
) -> Link:
    """Make an invitation for a new person, with roles by workspace name; only the answer holds the secret."""
    email = checked_email(email)
    name = " ".join(name.split())[:150] or email
    if not name:
        raise ProblemError("request-invalid", field="name", text="Say whom the invitation is for: a name or an address.")
    check_words(name=name)
    spaces = [(_workspace(one), _role(role)) for one, role in (roles or {}).items()]
    fields = {"name": name, "email": email, "is_operator": operator, "is_admin": admin}
    with transaction.atomic():
        link = _make(actor, days, **fields)
        InvitedRole.objects.bulk_create(InvitedRole(invitation=link.invitation, workspace=space, role=role) for space, role in spaces)
        told = {"operator": operator, "administrator": admin, **{space.name: role for space, role in spaces}}
        record(actor, "invited", link.invitation, diff={what: [None, value] for what, value in told.items() if value})
    return link


def make_password_link(actor: Any, user: User, *, days: int = 1) -> Link:
    """Make a link over which a person sets a new password; earlier ones stop working."""
    if not user.is_active:
        raise ProblemError("user-inactive", name=user.username)
    with transaction.atomic():
        open_ones(Invitation.objects.filter(user=user)).update(revoked_at=timezone.now())
        link = _make(actor, days, user=user, name=user.username, email=user.email)
        record(actor, "made a password link for", user)
    return link


def withdraw(actor: Any, invitation: Invitation) -> Invitation:
    """Make an invitation's link worthless."""
    with transaction.atomic():
        if not open_ones(Invitation.objects.filter(pk=invitation.pk)).update(revoked_at=timezone.now()):
            raise ProblemError("invitation-not-open")
        record(actor, "withdrew the invitation", invitation)
    invitation.refresh_from_db()
    return invitation


def open_invitation(secret: str) -> Invitation:
    """Return the invitation whose secret this is; raises `invitation-over` for one that cannot be accepted any more."""
    prefix = secret[4:12] if secret.startswith(_PREFIX) else ""
    row = open_ones(Invitation.objects.select_related("user", "created_by").filter(prefix=prefix)).first()
    # Compared even when there is no such row, so that the time taken tells nothing.
    if not hmac.compare_digest(row.digest if row else "-" * 64, digest_of(secret)) or row is None:
        raise ProblemError("invitation-over")
    return row


def opened_by(request: HttpRequest, secret: str) -> Invitation:
    """Return the invitation whose secret somebody brings, counting by address those who bring none that works."""
    try:
        return open_invitation(secret)
    except ProblemError:
        count_wrong(request, "link")
        raise


def accept(secret: str, *, username: str = "", full_name: str = "", password: str) -> User:
    """Take an invitation up, once: make the person with its roles, or set the password of the one it is for."""
    invitation = open_invitation(secret)
    with transaction.atomic():
        if invitation.user:
            user = _set_password(invitation.user, password)
        else:
            check_username(username.strip())
            user = create_user(
                invitation.created_by,
                username=username,
                full_name=full_name,
                email=invitation.email,
                operator=invitation.is_operator,
                admin=invitation.is_admin,
                password=password,
            )
            roles = invitation.roles.select_related("workspace")
            Membership.objects.bulk_create(Membership(user=user, workspace=one.workspace, role=one.role) for one in roles)
        taken = open_ones(Invitation.objects.filter(pk=invitation.pk)).update(accepted_at=timezone.now(), accepted_by=user)
        if not taken:
            raise ProblemError("invitation-over")
        record(user, "accepted the invitation", invitation)
    return user


def taken_up(request: HttpRequest, secret: str, *, username: str, password: str) -> Invitation | None:
    """Return the invitation that just this person took up a moment ago, with this password: their answer was lost, and they ask again.

    Each time is counted by address like a link that opens nothing, so that who holds the link does not try passwords with it.
    """
    prefix = secret[4:12] if secret.startswith(_PREFIX) else ""
    rows = Invitation.objects.select_related("user", "accepted_by").filter(accepted_at__gt=timezone.now() - ASKED_AGAIN)
    row = rows.filter(prefix=prefix).first()
    if row is None or not hmac.compare_digest(row.digest, digest_of(secret)):
        return None
    user = row.accepted_by
    if user is None or not user.is_active or not (row.user_id or user.username == username.strip()):
        return None
    count_wrong(request, "link")
    return row if user.check_password(password) else None


def mail_link(link: Link, url: str) -> bool:
    """Send the link where mail is set up and an address is known; return whether it went out. Never inside a transaction."""
    invitation = link.invitation
    if not (settings.EMAIL_HOST and invitation.email):
        return False
    what = "set a new password for" if invitation.user else "join"
    text = f"With this link you can {what} Mooring, once, until {invitation.expires_at:%Y-%m-%d %H:%M} UTC:\n\n{url}\n"
    try:
        send_mail(f"Your link to {what} Mooring", text, settings.DEFAULT_FROM_EMAIL, [invitation.email])
    except OSError as error:
        log.warning("an invitation could not be mailed", invitation=invitation.pk, error=type(error).__name__)
        return False
    Invitation.objects.filter(pk=invitation.pk).update(mailed_at=timezone.now())
    return True


def open_ones(rows: QuerySet[Invitation]) -> QuerySet[Invitation]:
    """Return those that can still be accepted."""
    return rows.filter(still_open())


def state_of(invitation: Invitation) -> str:
    """Return how an invitation stands: open, accepted, withdrawn or ended."""
    if invitation.accepted_at:
        return "accepted"
    if invitation.revoked_at:
        return "withdrawn"
    return "open" if invitation.expires_at > timezone.now() else "ended"


def _make(actor: Any, days: int, **fields: Any) -> Link:
    if not 1 <= days <= MOST_DAYS:
        raise ProblemError("invitation-days-invalid", field="days", most=MOST_DAYS)
    prefix = secrets.token_hex(4)
    secret = f"{_PREFIX}{prefix}_{secrets.token_urlsafe(32)}"
    ends = timezone.now() + timedelta(days=days)
    by = actor if getattr(actor, "pk", None) else None
    row = Invitation.objects.create(prefix=prefix, digest=digest_of(secret), expires_at=ends, created_by=by, **fields)
    return Link(row, secret)


def _set_password(user: User, password: str) -> User:
    if not user.is_active:
        raise ProblemError("invitation-over")
    check_password(password, user)
    user.set_password(password)
    User.objects.filter(pk=user.pk, is_active=True).update(password=user.password)
    end_every_session(user, user, why="a new password")
    record(user, "set the password of", user)
    return user


def _workspace(name: str) -> Workspace:
    workspace = Workspace.objects.filter(name=name, archived_at=None).first()
    if workspace is None:
        raise ProblemError("request-invalid", field="workspaces", text=f"There is no workspace named {name!r}.")
    return workspace


def _role(role: str) -> str:
    if role not in RANK:
        raise ProblemError("request-invalid", field="workspaces", text=f"{role!r} is no role: owner, contributor or reader.")
    return role
