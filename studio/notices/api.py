"""API operations on notifications: the caller's own, and nobody else's."""

from typing import Any

from django.http import HttpRequest
from ninja import Body, Router, Schema
from pydantic import Field

from studio.api.paging import page
from studio.notices import services
from studio.notices.selectors import notices_of, preferences_of, shown, unread_count

router = Router(tags=["notifications"])


class ReadIn(Schema):
    """Which notifications: their ids, or all when none are given."""

    ids: list[int] | None = Field(default=None, max_length=services.KEPT)
    read: bool = True


class ChoiceIn(Schema):
    """Where one kind is told of; what is left out stays as it is."""

    page: bool | None = None
    browser: bool | None = None


@router.get("/notifications")
def list_notifications(request: HttpRequest, unread: bool = False, limit: int = 50, after: str | None = None) -> dict[str, Any]:
    """List what the caller was told, newest first, with how many are unread (to 100)."""
    rows = notices_of(request.user)  # type: ignore[arg-type]
    answer = page(rows.filter(read_at=None) if unread else rows, limit=limit, after=after, show=shown)
    return answer | {"unread": unread_count(request.user)}  # type: ignore[arg-type]


@router.post("/notifications/read")
def read_notifications(request: HttpRequest, given: ReadIn) -> dict[str, Any]:
    """Mark notifications as read, or as unread again; tell how many changed."""
    return {"changed": services.mark_read(request.user, given.ids, read=given.read)}  # type: ignore[arg-type]


@router.get("/notifications/preferences")
def notification_preferences(request: HttpRequest) -> dict[str, Any]:
    """Tell for each kind whether the caller is told of it in the studio and by the browser."""
    return {"items": preferences_of(request.user), "next": None}  # type: ignore[arg-type]


@router.patch("/notifications/preferences")
def choose_notifications(request: HttpRequest, given: Body[dict[str, ChoiceIn]]) -> dict[str, Any]:
    """Choose what the caller is told of, by kind."""
    wanted = {kind: one.dict(exclude_none=True) for kind, one in given.items()}
    return {"items": services.choose(request.user, wanted), "next": None}  # type: ignore[arg-type]
