"""Pages of invitations, for administrators."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from studio.accounts.http import admin_view
from studio.accounts.models import Invitation, Workspace
from studio.core.errors import MooringError, ProblemError
from studio.core.forms import show_problems
from studio.people import invitations, selectors
from studio.people.forms import InvitationForm
from studio.people.lines import invitation_lines
from studio.people.lists import INVITATIONS
from studio.people.views.frame import crumbs, tabs
from studio.people.views.handing_over import link_page
from studio.tables.page import list_page


@require_GET
@admin_view
def invitation_list(request: HttpRequest) -> HttpResponseBase:
    """Show invitations and password links, newest first."""
    return list_page(
        request,
        INVITATIONS,
        "people/invitations.html",
        rows=selectors.invitations_shown(),
        lines=invitation_lines,
        actions_url=reverse("people:invitations-bulk"),
        context={"tabs": tabs(request), "here": "Access"},
    )


@require_http_methods(["GET", "POST"])
@admin_view
def new(request: HttpRequest) -> HttpResponse:
    """Invite a person, and show the link once."""
    form = InvitationForm(request.POST or None, workspaces=Workspace.objects.filter(archived_at=None))
    problems: list[ProblemError] = []
    if request.method == "POST" and form.is_valid():
        given = {name: form.cleaned_data[name] for name in ("name", "email", "days", "operator", "admin")}
        try:
            link = invitations.invite(request.user, roles=form.roles(), **given)
        except MooringError as error:
            problems = show_problems(form, error)
        else:
            return link_page(request, link, back=reverse("people:invitations"))
    context = {"form": form, "problems": problems, "crumbs": crumbs(("Invitations", reverse("people:invitations"))), "here": "Invite"}
    return render(request, "people/invitation_new.html", context, status=422 if form.errors or problems else 200)


@require_POST
@admin_view
def withdraw(request: HttpRequest, invitation_id: int) -> HttpResponse:
    """Make an invitation's link worthless."""
    row = Invitation.objects.filter(pk=invitation_id).first()
    if row is None:
        raise ProblemError("not-found")
    invitations.withdraw(request.user, row)
    messages.success(request, f"The link for {row.name} does not work any more.")
    return redirect("people:invitations")
