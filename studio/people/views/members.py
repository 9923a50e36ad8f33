"""Pages of one workspace: its members, and its settings."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from studio.accounts.http import workspace_view
from studio.accounts.models import Membership, Role, User, Workspace
from studio.core.errors import MooringError, ProblemError
from studio.core.forms import show_problems
from studio.people import selectors, workspaces
from studio.people.forms import SettingsForm
from studio.people.lines import member_lines
from studio.people.lists import MEMBERS
from studio.tables.page import list_page

# As many names are offered while an owner types.
OFFERED = 500


@require_GET
@workspace_view("reader")
def members(request: HttpRequest, workspace: Workspace) -> HttpResponseBase:
    """Show who may do what in the workspace; owners change it here."""
    return _members(request, workspace)


@require_http_methods(["GET", "POST"])
@workspace_view("owner")
def set_member(request: HttpRequest, workspace: Workspace) -> HttpResponseBase:
    """Add a member, or change a role."""
    if request.method == "GET":
        return _back_to_list(request, workspace)
    username, role = request.POST.get("username", "").strip(), request.POST.get("role", "")
    try:
        workspaces.set_member(request.user, workspace, username=username, role=role)
    except ProblemError as error:
        return _members(request, workspace, error, username)
    messages.success(request, f"{username} is {role} of {workspace.name} now.")
    return redirect("people:members", workspace=workspace.name)


@require_http_methods(["GET", "POST"])
@workspace_view("owner")
def remove_member(request: HttpRequest, workspace: Workspace) -> HttpResponseBase:
    """Take a member out."""
    if request.method == "GET":
        return _back_to_list(request, workspace)
    username = request.POST.get("username", "")
    try:
        workspaces.remove_member(request.user, workspace, username=username)
    except ProblemError as error:
        return _members(request, workspace, error)
    messages.success(request, f"{username} is no member of {workspace.name} any more.")
    return redirect("people:members", workspace=workspace.name)


@require_http_methods(["GET", "POST"])
@workspace_view("reader")
def leave(request: HttpRequest, workspace: Workspace) -> HttpResponseBase:
    """Leave the workspace."""
    if request.method == "GET":
        return _back_to_list(request, workspace)
    try:
        workspaces.remove_member(request.user, workspace, username=request.user.get_username())
    except ProblemError as error:
        return _members(request, workspace, error)
    messages.success(request, f"You have left {workspace.name}.")
    return redirect("home")


@require_http_methods(["GET", "POST"])
@workspace_view("owner", archived=True)
def settings(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Change what the workspace is called and what it is for; put it aside or delete it."""
    form = SettingsForm(request.POST or None, initial={"display_name": workspace.display_name, "description": workspace.description})
    problems: list[ProblemError] = []
    if request.method == "POST" and workspace.archived_at:
        raise ProblemError("workspace-archived", workspace=workspace.name)
    if request.method == "POST" and form.is_valid():
        try:
            workspaces.edit_workspace(request.user, workspace, **form.cleaned_data)
        except MooringError as error:
            problems = show_problems(form, error)
        else:
            messages.success(request, "Saved.")
            return redirect("people:settings", workspace=workspace.name)
    return _settings(request, workspace, form, problems)


@require_POST
@workspace_view("owner", archived=True)
def archive(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Put the workspace aside."""
    workspaces.archive_workspace(request.user, workspace)
    messages.success(request, f"{workspace.name} is archived: nothing in it changes any more.")
    return redirect("people:settings", workspace=workspace.name)


@require_POST
@workspace_view("owner", archived=True)
def restore(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Bring the workspace back."""
    workspaces.restore_workspace(request.user, workspace)
    messages.success(request, f"{workspace.name} is in use again.")
    return redirect("people:settings", workspace=workspace.name)


@require_POST
@workspace_view("owner", archived=True)
def delete(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Delete the workspace, if nothing lives in it."""
    try:
        workspaces.delete_workspace(request.user, workspace)
    except ProblemError as error:
        form = SettingsForm(initial={"display_name": workspace.display_name, "description": workspace.description})
        return _settings(request, workspace, form, [error])
    messages.success(request, f"{workspace.name} was deleted.")
    return redirect("home")


def _back_to_list(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Lead from where a change was refused, which shows the list with the problem, to the list: its links and filters are relative."""
    return redirect(reverse("people:members", args=[workspace.name], query=request.GET or None))


def _members(request: HttpRequest, workspace: Workspace, problem: ProblemError | None = None, typed: str = "") -> HttpResponseBase:
    owns = getattr(workspace, "held_role", "") == "owner" and not workspace.archived_at
    inside = Membership.objects.filter(workspace=workspace)
    free = User.objects.filter(is_active=True).exclude(pk__in=inside.values("user")).order_by("username") if owns else User.objects.none()
    at_field = problem if problem and owns and problem.field == "username" else None
    context = {
        "owns": owns,
        "is_member": inside.filter(user=request.user.pk).exists(),
        "free": free.only("username", "first_name", "last_name")[:OFFERED],
        "roles": Role.choices,
        "problem": None if at_field else problem,
        "at_field": at_field,
        "typed": typed,
        "tabs": _tabs(workspace, "members"),
        "here": "Members",
    }
    lines = partial(member_lines, workspace, request.user, owns)
    rows = selectors.members_of(workspace)
    answer = list_page(request, MEMBERS, "people/members.html", rows=rows, lines=lines, workspace=workspace, context=context)
    if problem:
        answer.status_code = problem.status
    return answer


def _settings(request: HttpRequest, workspace: Workspace, form: SettingsForm, problems: list[ProblemError]) -> HttpResponse:
    context = {
        "row": workspace,
        "form": form,
        "problems": problems,
        "contents": workspaces.contents_of(workspace),
        "tabs": _tabs(workspace, "settings"),
        "here": "Settings",
    }
    return render(request, "people/settings.html", context, status=422 if form.errors or problems else 200)


def _tabs(workspace: Workspace, now: str) -> list[dict[str, Any]]:
    found = ["members"]
    if getattr(workspace, "held_role", "") == "owner":
        found += ["settings"]
    return [{"title": one.capitalize(), "url": reverse(f"people:{one}", args=[workspace.name]), "active": one == now} for one in found]
