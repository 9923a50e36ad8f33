"""Pages of people, for administrators."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from studio.accounts.http import admin_view
from studio.accounts.models import ApiToken, Role, User, Workspace
from studio.core.errors import MooringError, ProblemError
from studio.core.forms import show_problems
from studio.people import invitations, selectors, users, workspaces
from studio.people.forms import ProfileForm, UserForm
from studio.people.lines import user_lines
from studio.people.lists import USERS
from studio.people.views.frame import crumbs, tabs
from studio.people.views.handing_over import link_page
from studio.signin import second_factor
from studio.tables.page import list_page


@require_GET
@admin_view
def user_list(request: HttpRequest) -> HttpResponseBase:
    """Show the people who pass the filters, newest first."""
    return list_page(
        request,
        USERS,
        "people/users.html",
        rows=selectors.everyone(),
        lines=user_lines,
        actions_url=reverse("people:users-bulk"),
        context={"tabs": tabs(request), "here": "Access"},
    )


@require_http_methods(["GET", "POST"])
@admin_view
def new(request: HttpRequest) -> HttpResponse:
    """Make a person, and show the link over which they set their password."""
    form = UserForm(request.POST or None)
    problems: list[ProblemError] = []
    if request.method == "POST" and form.is_valid():
        try:
            made = users.create_user(request.user, **form.cleaned_data)
            link = invitations.make_password_link(request.user, made, days=invitations.USUAL_DAYS)
        except MooringError as error:
            problems = show_problems(form, error)
        else:
            return link_page(request, link, back=reverse("people:user", args=[made.username]))
    context = {"form": form, "problems": problems, "crumbs": crumbs(("People", reverse("people:users"))), "here": "New person"}
    return render(request, "people/user_new.html", context, status=422 if form.errors or problems else 200)


@require_GET
@admin_view
def user(request: HttpRequest, username: str) -> HttpResponse:
    """Show one person: what they may do, where, and with which tokens."""
    return _page(request, _user(username))


@require_http_methods(["GET", "POST"])
@admin_view
def edit(request: HttpRequest, username: str) -> HttpResponse:
    """Change how a person is called and reached."""
    row = _user(username)
    form = ProfileForm(request.POST or None, initial={"full_name": row.get_full_name(), "email": row.email})
    problems: list[ProblemError] = []
    if request.method == "POST" and form.is_valid():
        try:
            users.edit_user(request.user, row, **form.cleaned_data)
        except MooringError as error:
            problems = show_problems(form, error)
        else:
            messages.success(request, f"{row.username} changed.")
            return redirect("people:user", username=row.username)
    back = reverse("people:user", args=[row.username])
    context = {"row": row, "form": form, "problems": problems, "back": back, "here": "Edit",
               "crumbs": crumbs(("People", reverse("people:users")), (row.username, back))}  # fmt: skip
    return render(request, "people/user_edit.html", context, status=422 if form.errors or problems else 200)


@require_POST
@admin_view
def roles(request: HttpRequest, username: str) -> HttpResponse:
    """Give or take the roles that hold in the whole studio."""
    wanted = {"operator": "operator" in request.POST, "admin": "admin" in request.POST}
    return _done(request, username, lambda row: users.set_roles(request.user, row, **wanted), "The roles of {} changed.")


@require_POST
@admin_view
def membership(request: HttpRequest, username: str) -> HttpResponse:
    """Give a person a role in a workspace, or take it."""
    space = Workspace.objects.filter(name=request.POST.get("workspace", "")).first()
    if space is None:
        raise ProblemError("not-found")
    role = request.POST.get("role", "")

    def act(row: User) -> None:
        if role:
            workspaces.set_member(request.user, space, username=row.username, role=role)
        else:
            workspaces.remove_member(request.user, space, username=row.username)

    return _done(request, username, act, f"{{}} is {role or 'no member'} of {space.name} now.")


@require_POST
@admin_view
def deactivate(request: HttpRequest, username: str) -> HttpResponse:
    """Let a person in no more."""
    done = "{} was deactivated: sessions and tokens have ended."
    return _done(request, username, lambda row: users.deactivate_user(request.user, row), done)


@require_POST
@admin_view
def reactivate(request: HttpRequest, username: str) -> HttpResponse:
    """Let a person in again."""
    return _done(request, username, lambda row: users.reactivate_user(request.user, row), "{} may sign in again.")


@require_POST
@admin_view
def delete(request: HttpRequest, username: str) -> HttpResponse:
    """Delete a person for good."""
    return _done(request, username, lambda row: users.delete_user(request.user, row), "{} was deleted.", back="people:users")


@require_POST
@admin_view
def end_sessions(request: HttpRequest, username: str) -> HttpResponse:
    """Sign a person out everywhere."""
    return _done(request, username, lambda row: users.end_every_session(request.user, row), "{} is signed out everywhere.")


@require_POST
@admin_view
def reset_second_factor(request: HttpRequest, username: str) -> HttpResponse:
    """Take away the second factors of a person who has lost them."""
    done = "{} signs in with the password alone now."
    return _done(request, username, lambda row: second_factor.reset_second_factor(request.user, row), done)


@require_POST
@admin_view
def password_link(request: HttpRequest, username: str) -> HttpResponse:
    """Show, once, a link over which the person sets a new password."""
    row = _user(username)
    try:
        link = invitations.make_password_link(request.user, row)
    except ProblemError as error:
        return _page(request, row, error)
    return link_page(request, link, back=reverse("people:user", args=[row.username]))


def _done(request: HttpRequest, username: str, act: Callable[[User], Any], said: str, back: str = "") -> HttpResponse:
    row = _user(username)
    try:
        act(row)
    except ProblemError as error:
        return _page(request, _user(username), error)
    messages.success(request, said.format(row.username))
    return redirect(back) if back else redirect("people:user", username=row.username)


def _page(request: HttpRequest, row: User, problem: ProblemError | None = None) -> HttpResponse:
    memberships = row.memberships.select_related("workspace").order_by("workspace__name")
    taken = {one.workspace_id for one in memberships}
    context = {
        "row": row,
        "state": users.state_of(row),
        "problem": problem,
        "memberships": memberships,
        "role_choices": Role.choices,
        "has_factor": second_factor.has_second_factor(row),
        "free": [space for space in Workspace.objects.filter(archived_at=None) if space.pk not in taken],
        "tokens": selectors.tokens_shown(ApiToken.objects.filter(selectors.works(), user=row)).order_by("-pk")[:50],
        "crumbs": crumbs(("People", reverse("people:users"))),
        "here": row.username,
        "audit_url": reverse("audit:list", query={"person": row.username}),
    }
    return render(request, "people/user.html", context, status=problem.status if problem else 200)


def _user(username: str) -> User:
    row = User.objects.filter(username=username).first()
    if row is None:
        raise ProblemError("not-found")
    return row
