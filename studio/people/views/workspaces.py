"""Pages of all workspaces, for IT operations."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from studio.accounts.http import operator_view
from studio.accounts.services import create_workspace
from studio.core.errors import MooringError, ProblemError
from studio.core.forms import show_problems
from studio.people import selectors
from studio.people.forms import WorkspaceForm
from studio.people.lines import workspace_lines
from studio.people.lists import WORKSPACES
from studio.people.views.frame import crumbs, tabs
from studio.tables.page import list_page


@require_GET
@operator_view
def access(request: HttpRequest) -> HttpResponse:
    """Bring an administrator to the people, an operator to the workspaces."""
    user: Any = request.user
    return redirect("people:users" if user.is_admin else "people:workspaces")


@require_GET
@operator_view
def workspace_list(request: HttpRequest) -> HttpResponseBase:
    """Show all workspaces: what they are called, how many are in them, what computes they have."""
    user: Any = request.user
    inside = None if user.is_admin else set(user.workspaces.values_list("pk", flat=True))
    return list_page(
        request,
        WORKSPACES,
        "people/workspaces.html",
        rows=selectors.workspaces_counted(),
        lines=partial(workspace_lines, inside),
        context={"tabs": tabs(request), "here": "Access"},
    )


@require_http_methods(["GET", "POST"])
@operator_view
def new(request: HttpRequest) -> HttpResponse:
    """Make a workspace; who makes it owns it."""
    form = WorkspaceForm(request.POST or None)
    problems: list[ProblemError] = []
    if request.method == "POST" and form.is_valid():
        try:
            made = create_workspace(request.user, **form.cleaned_data)
        except MooringError as error:
            problems = show_problems(form, error)
        else:
            messages.success(request, f"{made.name} is there. Add its members.")
            return redirect("people:members", workspace=made.name)
    context = {"form": form, "problems": problems, "crumbs": crumbs(("Workspaces", reverse("people:workspaces"))), "here": "New workspace"}
    return render(request, "people/workspace_new.html", context, status=422 if form.errors or problems else 200)
