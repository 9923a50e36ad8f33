"""What every page's frame needs: the navigation, and only what this person may use of it."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from studio.accounts.access import workspaces_of
from studio.accounts.models import Workspace
from studio.frame.documentation import help_for
from studio.frame.places import Group, groups
from studio.notices.selectors import unread_count


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Return the side bar's groups, the person's workspaces, and when the page was made (for live resume)."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    workspaces = list(workspaces_of(user))
    workspace = getattr(request, "workspace", None) or _remembered(request, workspaces)
    _remember(request)
    nav = groups(user, workspace)
    # One second of overlap: an event that comes twice is harmless, one that is missed is not.
    made = int((timezone.now().timestamp() - 1) * 1000)
    return {
        "nav": [_shown(request, group) for group in nav],
        "workspaces": [{"row": one, "url": _same_place(request, workspace, one)} for one in workspaces],
        "workspace": workspace,
        # Asked for by the header alone: parts of a page have none.
        "notices_unread": lambda: unread_count(user),
        "live_since": f"live={made}-0",
        "help_url": help_for(request.path),
    }


def _remembered(request: HttpRequest, workspaces: list[Workspace]) -> Workspace | None:
    name = request.session.get("workspace")
    return next((workspace for workspace in workspaces if workspace.name == name), next(iter(workspaces), None))


def _remember(request: HttpRequest) -> None:
    """Keep where the person works, so that the studio's address alone brings them back there."""
    workspace = getattr(request, "workspace", None)
    face = "ops" if request.path.startswith("/ops/") else "w" if workspace else None
    now = {"face": face, "workspace": workspace.name if workspace else None}
    for key, value in now.items():
        if value and request.session.get(key) != value:
            request.session[key] = value


def _shown(request: HttpRequest, group: Group) -> dict[str, Any]:
    links = [{"title": one.title, "url": one.url, "icon": one.icon, "active": one.is_at(request.path)} for one in group.places]
    return {"title": group.title, "links": links}


def _same_place(request: HttpRequest, now: Workspace | None, other: Workspace) -> str:
    """Return where the switch leads: the same kind of page in the other workspace, or its home."""
    rest = request.path.removeprefix(f"/w/{now.name}/") if now else request.path
    if rest == request.path:
        return reverse("workspace-home", args=[other.name])
    section = rest.split("/")[0]
    return f"/w/{other.name}/{section}/" if section else f"/w/{other.name}/"
