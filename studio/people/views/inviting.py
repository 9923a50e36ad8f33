"""Pages of invitations, for administrators."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from studio.accounts.http import admin_view
from studio.accounts.models import Invitation, Workspace
from studio.core.errors import MooringError, ProblemError
from studio.core.forms import show_problems
from studio.core.pages import keyset_page
from studio.people import invitations
from studio.people.forms import InvitationForm
from studio.people.views.frame import chips, crumbs, listed, tabs
from studio.people.views.handing_over import link_page

_STATES = [("", "All"), ("open", "Open"), ("accepted", "Accepted"), ("over", "Over")]


@require_GET
@admin_view
def invitation_list(request: HttpRequest) -> HttpResponse:
    """Show invitations and password links, newest first."""
    text, state = request.GET.get("q", "").strip()[:200], request.GET.get("state", "")
    page = keyset_page(invitations.invitations_like(text=text, state=state), after=request.GET.get("after", ""))
    context = {
        "page": page,
        "rows": [{"row": row, "state": invitations.state_of(row)} for row in page.rows],
        "nothing": not Invitation.objects.exists(),
        "text": text,
        "state": state,
        "chips": chips(request, "state", _STATES),
        "tabs": tabs(request),
        "here": "Access",
    }
    return listed(request, "people/invitations.html", context)


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
