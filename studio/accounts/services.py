"""Make people, workspaces and memberships."""

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from studio.accounts.models import WORKSPACE_NAME, ApiToken, Membership, Role, User, Workspace
from studio.audit.services import record
from studio.core.errors import ProblemError


def first_administrator() -> tuple[User, str] | None:
    """Make the administrator of an empty studio; return the account and its password, or None when there is one."""
    with transaction.atomic():
        if User.objects.filter(is_superuser=True).exists():
            return None
        password = "-".join(secrets.token_hex(3) for _ in range(4))
        user = User.objects.create_user("admin", password=password, is_superuser=True, is_operator=True, is_staff=True)
        record(None, "created at first start", user)
    return user, password


def create_workspace(actor: Any, *, name: str, display_name: str = "") -> Workspace:
    """Make a workspace with `actor` as its owner."""
    try:
        WORKSPACE_NAME(name)
    except ValidationError as error:
        raise ProblemError("name-invalid", field="name", name=name, what="workspace", why=error.message) from error
    with transaction.atomic():
        workspace, made = Workspace.objects.get_or_create(name=name, defaults={"display_name": display_name or name})
        if not made:
            raise ProblemError("name-taken", field="name", what="workspace", name=name)
        if getattr(actor, "pk", None):
            Membership.objects.create(user=actor, workspace=workspace, role=Role.OWNER)
        record(actor, "created", workspace, workspace=name)
    return workspace


def issue_token(actor: Any, *, name: str) -> tuple[ApiToken, str]:
    """Make a token for `actor`; return the row and the secret, which is never to be had again."""
    with transaction.atomic():
        token, clear = ApiToken.issue(actor, name=name)
        record(actor, "issued", token)
    return token, clear


def revoke(actor: Any, clear: str) -> None:
    """Revoke one of the actor's tokens, given its secret; nothing happens when there is no such token."""
    token = ApiToken.of(clear)
    if token is None or token.user_id != actor.pk or token.revoked_at:
        return
    with transaction.atomic():
        if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            record(actor, "revoked", token)
