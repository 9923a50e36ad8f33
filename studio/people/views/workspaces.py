"""Pages of all workspaces, for IT operations."""

from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from studio.accounts.http import operator_view
from studio.accounts.models import Workspace
from studio.accounts.services import create_workspace
from studio.core.errors import MooringError, ProblemError
from studio.core.forms import show_problems
from studio.core.pages import keyset_page
from studio.people.forms import WorkspaceForm
from studio.people.views.frame import chips, crumbs, listed, tabs

_STATES = [("", "In use"), ("archived", "Archived")]


@require_GET
@operator_view
def access(request: HttpRequest) -> HttpResponse:
    """Bring an administrator to the people, an operator to the workspaces."""
    user: Any = request.user
    return redirect("people:users" if user.is_admin else "people:workspaces")


@require_GET
@operator_view
def workspace_list(request: HttpRequest) -> HttpResponse:
    """Show all workspaces: what they are called, how many are in them, what computes they have."""
    user: Any = request.user
    text, archived = request.GET.get("q", "").strip()[:200], request.GET.get("state") == "archived"
    rows = Workspace.objects.filter(archived_at__isnull=not archived)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(display_name__icontains=text) | Q(description__icontains=text))
    rows = rows.annotate(people=Count("memberships", distinct=True), compute_count=Count("computes", distinct=True))
    mine = set() if user.is_admin else set(user.workspaces.values_list("pk", flat=True))
    page = keyset_page(rows, after=request.GET.get("after", ""))
    context = {
        "page": page,
        "rows": [{"row": row, "inside": user.is_admin or row.pk in mine} for row in page.rows],
        "nothing": not Workspace.objects.exists(),
        "text": text,
        "state": "archived" if archived else "",
        "chips": chips(request, "state", _STATES),
        "tabs": tabs(request),
        "here": "Access",
    }
    return listed(request, "people/workspaces.html", context)


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
