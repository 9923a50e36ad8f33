"""The places of the studio that a person may go to: the side bar and the command palette show the same ones."""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from studio.accounts.access import role_in
from studio.accounts.models import RANK, Workspace


@dataclass(frozen=True)
class Place:
    """One page that stands by itself; `words` are what people call it besides its title."""

    title: str
    url: str
    icon: str
    words: str = ""
    # Its own address alone, and nothing below it, makes it the current one.
    exact: bool = False

    def is_at(self, path: str) -> bool:
        """Tell whether the page at `path` belongs to this place."""
        return path == self.url if self.exact else path.startswith(self.url)


@dataclass(frozen=True)
class Group:
    """The places of one face of the studio."""

    title: str
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Action:
    """Something to do from anywhere: a page that does it, or `do`, which the page itself does."""

    title: str
    icon: str
    url: str = ""
    do: str = ""
    words: str = ""


def groups(user: Any, workspace: Workspace | None) -> list[Group]:
    """Return the faces of the studio that the person has, and nothing that they may not use."""
    found = []
    if workspace:
        held = getattr(workspace, "held_role", None) or role_in(user, workspace)
        found.append(Group("Data science", data_science(workspace) + (owners(workspace) if held == "owner" else ())))
    if user.is_operator or user.is_admin:
        found.append(Group("IT operations", it_operations()))
    if user.is_admin:
        found.append(Group("Administration", administration()))
    return found


def data_science(workspace: Workspace) -> tuple[Place, ...]:
    """Return the places of a workspace."""
    at = [workspace.name]
    return (
        Place("Home", reverse("workspace-home", args=at), "home", "start overview", exact=True),
        Place("Jobs", reverse("jobs:list", args=at), "player-play", "runs experiments training"),
        Place("Models", reverse("assets:models", args=at), "cube", "registry versions"),
        Place("Endpoints", reverse("endpoints:list", args=at), "plug-connected", "deployments serving inference"),
        Place("Computes", reverse("compute:browse", args=at), "cpu", "instance types capacity what fits"),
        Place("Members", reverse("people:members", args=at), "users", "people roles workspace settings owner leave"),
    )


def administration() -> tuple[Place, ...]:
    """Return the places of administrators alone."""
    return (
        Place("System", reverse("system:show"), "heartbeat", "processes queues disk versions failed tasks"),
        Place("Admin console", reverse("admin:index"), "table", "rows database django"),
    )


def owners(workspace: Workspace) -> tuple[Place, ...]:
    """Return the places of a workspace that its owners alone have."""
    return (Place("Audit", reverse("audit:workspace", args=[workspace.name]), "history", "log who did what changes"),)


def it_operations() -> tuple[Place, ...]:
    """Return the places of IT operations."""
    return (
        Place("Fleet", reverse("operators-home"), "home", "home start overview problems capacity", exact=True),
        Place("Clusters", reverse("compute:cluster-list"), "server", "kubernetes nodes extension network"),
        Place("Images", reverse("assets:image-rules"), "stack-2", "image rules registry"),
        Place("Access", reverse("people:access"), "users", "people users roles invitations workspaces tokens administrators"),
        Place("Audit", reverse("audit:list"), "history", "log who did what changes security"),
    )


def actions(user: Any, workspace: Workspace | None) -> list[Action]:
    """Return what the person may do from anywhere."""
    found = []
    if workspace and RANK.get(role_in(user, workspace) or "", -1) >= RANK["contributor"]:
        at = [workspace.name]
        jobs, models, endpoints = (reverse(name, args=at) for name in ("jobs:new", "assets:model-new", "endpoints:new"))
        found += [
            Action("Submit job", "player-play", jobs, words="run train new job"),
            Action("Submit job from YAML", "code", f"{jobs}?as=yaml", words="new job"),
            Action("Register model", "cube", models, words="new upload"),
            Action("Create endpoint", "plug-connected", endpoints, words="new deploy serve"),
        ]
    if user.is_operator or user.is_admin:
        found.append(Action("New workspace", "users", reverse("people:workspace-new"), words="add create team"))
        found.append(Action("Attach cluster", "server", reverse("compute:cluster-attach"), words="new add kubernetes kubeconfig"))
    if user.is_admin:
        found.append(Action("Invite people", "user-plus", reverse("people:invitation-new"), words="new add user person account"))
    return [
        *found,
        Action("Notifications", "bell", reverse("notices:list"), words="bell messages told"),
        Action("What you are told of", "settings", reverse("notices:settings"), words="notification preferences browser"),
        Action("Your tokens", "key", reverse("people:tokens"), words="api token program access"),
        Action("Documentation", "book", reverse("documentation"), words="help guide manual problems docs"),
        Action("API reference", "code", reverse("api-reference"), words="help rest openapi curl operations"),
        Action("Theme: light", "sun", do="theme-light", words="bright appearance"),
        Action("Theme: dark", "moon", do="theme-dark", words="night appearance"),
        Action("Theme: as the system", "device-desktop", do="theme-auto", words="auto appearance"),
        Action("Show keys", "keyboard", do="keys", words="shortcuts help"),
        Action("Sign out", "logout", reverse("account_logout"), words="log out leave"),
    ]
