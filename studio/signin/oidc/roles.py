"""Roles that follow the groups: given at each sign-in as the mapping says, and of these alone taken away again."""

from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from studio.accounts.models import Membership, User, Workspace
from studio.accounts.services import administrators_held, withdraw_invitations_of
from studio.audit.services import record
from studio.signin.models import MappedRole
from studio.signin.oidc.mapping import RANK, wanted

log = structlog.get_logger(__name__)

_FLAGS = {"admin": "is_superuser", "operator": "is_operator"}


def follow_groups(user: User, groups: frozenset[str]) -> None:
    """Bring the person's roles in step with their groups; roles that were given by hand stay."""
    site, spaces = wanted(settings.OIDC_ROLES, groups)
    with transaction.atomic():
        diff = _site_roles(user, site) | _workspace_roles(user, spaces)
        if diff:
            record(None, "took the roles of their groups for", user, diff=diff)


def _site_roles(user: User, site: frozenset[str]) -> dict[str, Any]:
    diff: dict[str, Any] = {}
    mapped = {row.role: row for row in MappedRole.objects.filter(user=user, workspace=None)}
    for role, flag in _FLAGS.items():
        has = getattr(user, flag)
        if role in site and not has:
            MappedRole.objects.get_or_create(user=user, workspace=None, role=role)
            diff[role] = _set(user, flag, True)
        elif role not in site and role in mapped:
            if has and role == "admin" and administrators_held() == {user.pk}:
                log.warning("the last administrator stays one", user=user.username)
                continue
            mapped[role].delete()
            if has:
                diff[role] = _set(user, flag, False)
                if role == "admin":
                    withdraw_invitations_of(None, user)
    return diff


def _workspace_roles(user: User, spaces: dict[str, str]) -> dict[str, Any]:
    diff: dict[str, Any] = {}
    mapped = {row.workspace_id: row for row in MappedRole.objects.filter(user=user).exclude(workspace=None)}
    held = {row.workspace_id: row for row in Membership.objects.filter(user=user).select_related("workspace")}
    found = {space.name: space for space in Workspace.objects.filter(name__in=spaces)}
    for name in spaces.keys() - found.keys():
        log.warning("the mapping names a workspace that is not there", workspace=name)
    for name, space in found.items():
        change = _give(user, space, spaces[name], mapped.pop(space.pk, None), held.get(space.pk))
        if change:
            diff[name] = change
    for row in mapped.values():
        membership = held.get(row.workspace_id or 0)
        # Changed by hand since: it is not the mapping's any more.
        if membership and membership.role == row.role:
            diff[membership.workspace.name] = [row.role, row.before or None]
            if row.before:
                Membership.objects.filter(pk=membership.pk).update(role=row.before)
            else:
                membership.delete()
        row.delete()
    return diff


def _give(user: User, space: Workspace, role: str, row: MappedRole | None, membership: Membership | None) -> list[str | None] | None:
    now = membership.role if membership else ""
    if row is not None and now == row.role:
        # The mapping's own: it follows, up and down, but never below what was given by hand.
        role = max(role, row.before or role, key=RANK.__getitem__)
    else:
        if row is not None:
            row.delete()
        if now and RANK[now] >= RANK[role]:
            return None
        row = MappedRole(user=user, workspace=space, before=now)
    if now == role:
        return None
    row.role = role
    row.save()
    Membership.objects.update_or_create(user=user, workspace=space, defaults={"role": role})
    return [now or None, role]


def _set(user: User, flag: str, value: bool) -> list[bool]:
    setattr(user, flag, value)
    user.save(update_fields=[flag])
    return [not value, value]
