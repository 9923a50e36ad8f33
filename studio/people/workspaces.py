"""Change workspaces, and who may do what in them."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from compute.models import Compute
from endpoints.models import Endpoint
from jobs.models import Job
from studio.accounts.models import RANK, Membership, Role, User, Workspace
from studio.assets.models import Model
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.core.words import check_words
from studio.people import problems  # noqa: F401 - its problems are raised from here
from studio.people.changing import change


def edit_workspace(actor: Any, workspace: Workspace, *, display_name: str | None = None, description: str | None = None) -> Workspace:
    """Change what a workspace is called and what it is for; its name stays."""
    wanted = {}
    for field, value, most in (("display_name", display_name, 100), ("description", description, 1000)):
        if value is None:
            continue
        if len(value.strip()) > most:
            raise ProblemError("request-invalid", field=field, text=f"This is longer than {most} letters.")
        wanted[field] = value.strip()
    check_words(**wanted)
    with transaction.atomic():
        if diff := change(workspace, **wanted):
            record(actor, "changed", workspace, workspace=workspace.name, diff=diff)
    return workspace


def archive_workspace(actor: Any, workspace: Workspace) -> Workspace:
    """Put a workspace aside: it can be looked at, nothing in it changes, what runs goes on."""
    with transaction.atomic():
        if Workspace.objects.filter(pk=workspace.pk, archived_at=None).update(archived_at=timezone.now()):
            record(actor, "archived", workspace, workspace=workspace.name)
    workspace.refresh_from_db()
    return workspace


def restore_workspace(actor: Any, workspace: Workspace) -> Workspace:
    """Bring an archived workspace back."""
    with transaction.atomic():
        if Workspace.objects.filter(pk=workspace.pk, archived_at__isnull=False).update(archived_at=None):
            record(actor, "restored", workspace, workspace=workspace.name)
    workspace.refresh_from_db()
    return workspace


def contents_of(workspace: Workspace) -> dict[str, int]:
    """Count what still lives in a workspace: what has to go before it can."""
    found = {
        "compute": Compute.objects.filter(workspace=workspace).count(),
        "job": Job.objects.filter(workspace=workspace).count(),
        "endpoint": Endpoint.objects.filter(workspace=workspace).count(),
        "model": Model.objects.filter(workspace=workspace).count(),
    }
    return {kind: count for kind, count in found.items() if count}


def delete_workspace(actor: Any, workspace: Workspace) -> None:
    """Delete an empty workspace with its memberships; refused while anything lives in it."""
    with transaction.atomic():
        # Held until the end: nothing can move in between.
        Workspace.objects.select_for_update().get(pk=workspace.pk)
        if left := contents_of(workspace):
            what = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in left.items())
            raise ProblemError("workspace-not-empty", workspace=workspace.name, what=what)
        record(actor, "deleted", workspace, workspace=workspace.name)
        workspace.delete()


def set_member(actor: Any, workspace: Workspace, *, username: str, role: str) -> Membership:
    """Make an active person a member, or change the role of one who is; an owner always stays."""
    if role not in RANK:
        raise ProblemError("request-invalid", field="role", text=f"{role!r} is no role: owner, contributor or reader.")
    user = User.objects.filter(username=username.strip(), is_active=True).first()
    if user is None:
        raise ProblemError("user-unknown", field="username", name=username)
    with transaction.atomic():
        held = _members_held(workspace)
        before = held.get(user.pk)
        if before != role:
            if before == Role.OWNER:
                _keep_an_owner(actor, workspace, user, held)
            row, _ = Membership.objects.update_or_create(user=user, workspace=workspace, defaults={"role": role})
            verb = "added a member to" if before is None else "changed a role in"
            record(actor, verb, workspace, workspace=workspace.name, diff={user.username: [before, role]})
            return row
    return Membership.objects.get(user=user, workspace=workspace)


def remove_member(actor: Any, workspace: Workspace, *, username: str) -> None:
    """Take a person out of a workspace, or let them leave; an owner always stays."""
    user = User.objects.filter(username=username).first()
    with transaction.atomic():
        held = _members_held(workspace)
        if user is None or user.pk not in held:
            raise ProblemError("member-unknown", name=username, workspace=workspace.name)
        if held[user.pk] == Role.OWNER:
            _keep_an_owner(actor, workspace, user, held)
        Membership.objects.filter(user=user, workspace=workspace).delete()
        verb = "left" if user.pk == getattr(actor, "pk", None) else "removed a member from"
        record(actor, verb, workspace, workspace=workspace.name, diff={user.username: [held[user.pk], None]})


def _members_held(workspace: Workspace) -> dict[int, str]:
    """Return the role of each member, all rows locked where the database can: the rule about owners is about several rows."""
    rows = Membership.objects.select_for_update().filter(workspace=workspace).order_by("pk")
    return {row.user_id: row.role for row in rows}


def _keep_an_owner(actor: Any, workspace: Workspace, user: User, held: dict[int, str]) -> None:
    """Refuse to lose the last owner; an administrator, who owns every workspace anyway, may."""
    if not getattr(actor, "is_admin", False) and sum(role == Role.OWNER for role in held.values()) == 1:
        raise ProblemError("workspace-last-owner", name=user.username, workspace=workspace.name)
