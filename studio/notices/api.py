"""API operations on notifications: the caller's own, and nobody else's."""

from typing import Any

from django.http import HttpRequest
from ninja import Body, Query, Router
from pydantic import Field

from studio.api.bodies import RequestBody
from studio.notices import services
from studio.notices.lists import NOTICES
from studio.notices.selectors import notices_of, preferences_of, shown, unread_count
from studio.tables.operations import list_query, listed_rows

router = Router(tags=["notifications"])
NoticesQuery: Any = list_query(NOTICES)


class ReadIn(RequestBody):
    """Which notifications: their ids, or all when none are given."""

    ids: list[int] | None = Field(default=None, max_length=services.KEPT)
    read: bool = True


class ChoiceIn(RequestBody):
    """Where one kind is told of; what is left out stays as it is."""

    page: bool | None = None
    browser: bool | None = None


@router.get("/notifications")
def list_notifications(request: HttpRequest, given: Query[NoticesQuery], unread: bool = False) -> dict[str, Any]:
    """List what the caller was told, newest first, with how many are unread (to 100); `unread` says the same as `show=unread`."""
    rows = notices_of(request.user)  # type: ignore[arg-type]
    answer = listed_rows(request, NOTICES, rows.filter(read_at=None) if unread else rows, given, show=shown)
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
