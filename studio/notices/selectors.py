"""What a person was told and may still see, and what they want to be told of."""

from typing import Any

from django.db.models import Q, QuerySet

from studio.accounts.access import reaches_beyond_workspaces, workspaces_of
from studio.accounts.models import User
from studio.notices.kinds import KINDS
from studio.notices.models import Notice, Preference

COUNTED_TO = 99


def notices_of(user: User) -> QuerySet[Notice]:
    """Return what the person was told: nothing of workspaces and of roles that they no longer have, or that a token does not reach."""
    rows = Notice.objects.filter(user=user, kind__in=_kinds_for(user))
    inside = Q(workspace__in=workspaces_of(user).values("name"))
    if not reaches_beyond_workspaces(user):
        return rows.filter(inside)
    return rows if user.is_admin else rows.filter(Q(workspace="") | inside)


def unread_count(user: User) -> int:
    """Return how many of them are unread; counting stops at 100."""
    return notices_of(user).filter(read_at=None).order_by()[: COUNTED_TO + 1].count()


def preferences_of(user: User) -> list[dict[str, Any]]:
    """Return for each kind that can reach the person whether they are told of it on the page and by the browser."""
    chosen = {row.kind: row for row in Preference.objects.filter(user=user)}
    found = []
    for id in _kinds_for(user):
        kind, row = KINDS[id], chosen.get(id)
        page, browser = (row.page, row.browser) if row else (True, kind.browser)
        found.append({"kind": id, "title": kind.title, "page": page, "browser": browser})
    return found


def shown(notice: Notice) -> dict[str, Any]:
    """Return a notice as the API shows it."""
    return {
        "id": notice.pk,
        "kind": notice.kind,
        "tone": notice.what.tone,
        "title": notice.title,
        "text": notice.text,
        "url": notice.url,
        "workspace": notice.workspace or None,
        "at": notice.at,
        "read_at": notice.read_at,
    }


def _kinds_for(user: User) -> list[str]:
    operates = user.is_operator or user.is_admin
    return [kind.id for kind in KINDS.values() if operates or kind.audience == "members"]
