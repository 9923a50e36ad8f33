"""Make people, workspaces and memberships."""

import secrets
from collections.abc import Callable
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from studio.accounts.models import WORKSPACE_NAME, Invitation, Membership, Role, User, Workspace
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.core.words import check_words


def first_administrator(*, password: Callable[[], str] = str) -> tuple[User, str] | None:
    """Make the administrator of an empty studio; return the account and the password made for it, or None when there is one.

    Only then is `password` asked for one; where it gives one, that is taken and none is returned.
    """
    with transaction.atomic():
        if User.objects.filter(is_superuser=True).exists():
            return None
        given = password()
        made = "" if given else "-".join(secrets.token_hex(3) for _ in range(4))
        user = User.objects.create_user("admin", password=given or made, is_superuser=True, is_operator=True, is_staff=True)
        record(None, "created at first start", user)
    return user, made


def create_workspace(actor: Any, *, name: str, display_name: str = "", description: str = "") -> Workspace:
    """Make a workspace with `actor` as its owner."""
    try:
        WORKSPACE_NAME(name)
    except ValidationError as error:
        raise ProblemError("name-invalid", field="name", name=name, what="workspace", why=error.message) from error
    for field, value, most in (("display_name", display_name, 100), ("description", description, 1000)):
        if len(value) > most:
            raise ProblemError("request-invalid", field=field, text=f"This is longer than {most} letters.")
    check_words(display_name=display_name, description=description)
    with transaction.atomic():
        fields = {"display_name": display_name.strip() or name, "description": description.strip()}
        workspace, made = Workspace.objects.get_or_create(name=name, defaults=fields)
        if not made:
            raise ProblemError("name-taken", field="name", what="workspace", name=name)
        if getattr(actor, "pk", None):
            Membership.objects.create(user=actor, workspace=workspace, role=Role.OWNER)
        record(actor, "created", workspace, workspace=name)
    return workspace


def administrators_held() -> set[int]:
    """Return the ids of the active administrators who can sign in, all of them held until the transaction ends: one always stays.

    Who was made over a link and has set no password yet, nor come from the company's accounts, counts only where nobody else does.

    The rows are locked, which no compare-and-set can stand in for: the rule is about several rows, and two people who demote
    each other change different ones. (SQLite needs no lock: its transactions that write come one after another.)
    """
    held = list(User.objects.select_for_update().filter(is_superuser=True, is_active=True).order_by("pk"))
    known = set(SocialAccount.objects.filter(user__in=held).values_list("user_id", flat=True))
    return {one.pk for one in held if one.has_usable_password() or one.pk in known} or {one.pk for one in held}


def withdraw_invitations_of(actor: Any, user: User) -> None:
    """Withdraw what a person who may no longer invite has handed out."""
    for invitation in Invitation.objects.filter(created_by=user, accepted_at=None, revoked_at=None):
        if Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None).update(revoked_at=timezone.now()):
            record(actor, "withdrew the invitation", invitation)
