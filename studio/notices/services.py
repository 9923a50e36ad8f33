"""Tell people that something happened, keep what they were told bounded, and let them say what they want to be told of."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from studio.accounts.models import User
from studio.core.errors import ProblemError
from studio.live.bus import publish
from studio.notices.kinds import KINDS
from studio.notices.models import Notice, Preference
from studio.notices.selectors import notices_of, preferences_of

# What a person keeps at most, and for how long.
KEPT = 200
KEPT_FOR = timedelta(days=90)


def tell(users: Iterable[User | None], kind: str, *, title: str, url: str, about: str, text: str = "", workspace: str = "") -> None:
    """Tell each of `users` once of `about`, unless they do not want this kind; call it in the transaction that made it so."""
    people = {user.pk: user for user in users if user is not None and user.is_active}
    if not people:
        return
    with transaction.atomic():
        chosen = {row.user_id: row for row in Preference.objects.filter(user__in=people, kind=kind)}
        told = set(Notice.objects.filter(user__in=people, about=about).values_list("user_id", flat=True))
        wanting = [pk for pk in people if pk not in told and (pk not in chosen or chosen[pk].page)]
        values = {"kind": kind, "title": title[:300], "text": text[:500], "url": url, "workspace": workspace, "about": about[:200]}
        Notice.objects.bulk_create([Notice(user_id=pk, **values) for pk in wanting], ignore_conflicts=True)
        for pk in wanting:
            _forget_old(pk)
            by_browser = chosen[pk].browser if pk in chosen else KINDS[kind].browser
            payload = {"title": title, "text": text, "url": url, "tone": KINDS[kind].tone, "browser": by_browser, "about": about}
            publish(f"notices:{pk}", "told", payload)


def tell_operators(kind: str, *, title: str, url: str, about: str, text: str = "") -> None:
    """Tell everyone of IT operations, and administrators."""
    people = User.objects.filter(Q(is_operator=True) | Q(is_superuser=True), is_active=True)
    tell(people, kind, title=title, url=url, about=about, text=text)


def mark_read(user: User, ids: Iterable[int] | None = None, *, read: bool = True) -> int:
    """Mark the person's notices of these ids, or all of them, as read (or unread again); return how many changed."""
    rows = Notice.objects.filter(user=user, read_at__isnull=read)
    if ids is not None:
        rows = rows.filter(pk__in=list(ids)[:KEPT])
    with transaction.atomic():
        changed = rows.update(read_at=timezone.now() if read else None)
        if changed:
            publish(f"notices:{user.pk}", "changed", {})
    return changed


def open_notice(user: User, id: int) -> Notice:
    """Return one of the person's notices, read from now on."""
    found = notices_of(user).filter(pk=id).first()
    if found is None:
        raise ProblemError("not-found")
    mark_read(user, [id])
    return found


def choose(user: User, wanted: Mapping[str, Mapping[str, bool]]) -> list[dict[str, Any]]:
    """Keep what the person wants to be told of: for each kind `page` and `browser`; return what counts now."""
    unknown = wanted.keys() - KINDS.keys()
    if unknown:
        raise ProblemError("request-invalid", text=f"There is no kind of notice named {', '.join(sorted(unknown))}.")
    now = {one["kind"]: one for one in preferences_of(user)}
    with transaction.atomic():
        for kind, values in wanted.items():
            page = values.get("page", now[kind]["page"] if kind in now else True)
            browser = values.get("browser", now[kind]["browser"] if kind in now else True)
            Preference.objects.update_or_create(user=user, kind=kind, defaults={"page": page, "browser": browser})
    return preferences_of(user)


def _forget_old(user_id: int) -> None:
    rows = Notice.objects.filter(user=user_id)
    beyond = rows.order_by("-pk").values_list("pk", flat=True)[KEPT : KEPT + 1].first()
    old = Q(at__lt=timezone.now() - KEPT_FOR)
    rows.filter(old | Q(pk__lte=beyond) if beyond else old).delete()
