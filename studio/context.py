"""What every page's frame needs: the navigation, and only what this person may use of it."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from studio.accounts.access import workspaces_of


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Return the side bar's groups, the person's workspaces, and when the page was made (for live resume)."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    workspaces = list(workspaces_of(user))
    workspace = getattr(request, "workspace", None) or _remembered(request, workspaces)
    groups = []
    if workspace:
        links = [
            _link(request, "Jobs", reverse("jobs:list", args=[workspace.name]), "player-play"),
            _link(request, "Models", reverse("assets:models", args=[workspace.name]), "cube"),
            _link(request, "Endpoints", reverse("endpoints:list", args=[workspace.name]), "plug-connected"),
            _link(request, "Computes", reverse("compute:browse", args=[workspace.name]), "cpu"),
        ]
        groups.append({"title": "Data science", "links": links})
    if user.is_operator or user.is_admin:
        links = [
            _link(request, "Clusters", reverse("compute:cluster-list"), "server"),
            _link(request, "Images", reverse("assets:image-rules"), "stack-2"),
        ]
        groups.append({"title": "IT operations", "links": links})
    # One second of overlap: an event that comes twice is harmless, one that is missed is not.
    made = int((timezone.now().timestamp() - 1) * 1000)
    return {"nav": groups, "workspaces": workspaces, "workspace": workspace, "live_since": f"live={made}-0"}


def _remembered(request: HttpRequest, workspaces: list[Any]) -> Any:
    name = request.session.get("workspace")
    return next((workspace for workspace in workspaces if workspace.name == name), next(iter(workspaces), None))


def _link(request: HttpRequest, title: str, url: str, icon: str) -> dict[str, Any]:
    return {"title": title, "url": url, "icon": icon, "active": request.path.startswith(url)}
