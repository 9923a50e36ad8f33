"""What people do to models from the pages: register, describe, archive, restore, delete."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.assets.registry import selectors, services
from studio.assets.registry.forms import VersionForm, WordsForm, tag_rows, tags_from
from studio.assets.registry.given import Given
from studio.assets.registry.models import Model, ModelVersion
from studio.assets.registry.views.frame import crumbs, model_for, version_for
from studio.assets.sent import digest_held, snapshot_sent, words_of
from studio.assets.services import tree_for
from studio.core.errors import MooringError, ProblemError, ProblemList
from studio.core.forms import show_problems


@require_http_methods(["GET", "POST"])
@workspace_view("contributor")
def new(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Register a version from files that come with the form, or from the path of what a job left."""
    problems: list[ProblemError] = []
    files = ""
    form = VersionForm(request.POST if request.method == "POST" else None, initial=request.GET.dict())
    if request.method == "POST":
        sent = snapshot_sent(request, workspace, "files", problems)
        files = sent.digest if sent else digest_held(workspace, request.POST.get("files_kept", ""))
        if form.is_valid() and not problems:
            try:
                return _registered(request, workspace, _given(request, form, files, workspace))
            except (ProblemError, ProblemList) as error:
                problems = show_problems(form, error)
    at_files = [problem for problem in problems if problem.field in ("files", "tree")]
    context = {
        "form": form,
        "problems": [problem for problem in problems if problem not in at_files],
        "files_problem": f"{at_files[0].text} {at_files[0].todo}" if at_files else "",
        "files_kept": files,
        "files_words": words_of(workspace, files),
        "tags": tag_rows(tags_from(request.POST)) if request.method == "POST" else [],
        "names": selectors.models_of(workspace).filter(archived=False).values_list("name", flat=True)[:200],
        "crumbs": crumbs(workspace),
        "here": "Register model",
    }
    failed = request.method == "POST"
    return render(request, "models/new.html", context, status=422 if failed else 200)


def _given(request: HttpRequest, form: VersionForm, files: str, workspace: Workspace) -> Given:
    values = dict(form.cleaned_data)
    if files and values["path"]:
        raise ProblemError("field-invalid", field="path", text="Give files or a path, not both.")
    tree = tree_for(workspace, files) if files else None
    single = bool(tree and len(tree.files) == 1 and "/" not in tree.files[0].path and not values["base_name"])
    return Given(**values, tree=files, is_file=single, tags=tags_from(request.POST))


def _registered(request: HttpRequest, workspace: Workspace, given: Given) -> HttpResponse:
    version, made = services.register_version(request.user, workspace, given=given)
    messages.success(request, f"Registered {version.name}." if made else f"{version.name} was there already, with the same files.")
    return redirect("assets:model-version", workspace.name, version.model.name, version.version)


@require_http_methods(["GET", "POST"])
@workspace_view("contributor")
def edit_model(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Change a model's description and tags."""
    model = model_for(workspace, name)
    return _edit(request, workspace, model, lambda **given: services.edit_model(request.user, model, **given), ["assets:model", name])


@require_http_methods(["GET", "POST"])
@workspace_view("contributor")
def edit_version(request: HttpRequest, workspace: Workspace, name: str, version: str) -> HttpResponse:
    """Change a version's description and tags."""
    row = version_for(workspace, name, version)
    back = ["assets:model-version", name, version]
    return _edit(request, workspace, row, lambda **given: services.edit_version(request.user, row, **given), back)


def _edit(request: HttpRequest, workspace: Workspace, row: Model | ModelVersion, act: Callable[..., Any], back: list[str]) -> HttpResponse:
    form = WordsForm(request.POST if request.method == "POST" else None, initial={"description": row.description})
    problems: list[ProblemError] = []
    target = redirect(back[0], workspace.name, *back[1:])
    if request.method == "POST" and form.is_valid():
        try:
            act(description=form.cleaned_data["description"], tags=tags_from(request.POST))
        except MooringError as error:
            problems = show_problems(form, error)
        else:
            messages.success(request, f"{row.name} was changed.")
            return target
    tags = tags_from(request.POST) if request.method == "POST" else row.tags
    way = crumbs(workspace, row if isinstance(row, Model) else row.model)
    context = {
        "form": form,
        "problems": problems,
        "row": row,
        "tags": tag_rows(tags),
        "back": target["Location"],
        "crumbs": way,
        "here": "Edit",
    }
    return render(request, "models/edit.html", context, status=422 if request.method == "POST" else 200)


@require_POST
@workspace_view("contributor")
def archive_model(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Archive a model."""
    services.archive(request.user, model_for(workspace, name))
    messages.success(request, f"{name} is archived; its page brings it back.")
    return redirect("assets:model", workspace.name, name)


@require_POST
@workspace_view("contributor")
def restore_model(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Bring a model back."""
    services.restore(request.user, model_for(workspace, name))
    messages.success(request, f"{name} is back.")
    return redirect("assets:model", workspace.name, name)


@require_POST
@workspace_view("contributor")
def delete_model(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Delete a model with its versions."""
    model = model_for(workspace, name)
    try:
        services.delete_model(request.user, model)
    except ProblemError as error:
        messages.error(request, f"{error.title}: {error.text} {error.todo}")
        return redirect("assets:model", workspace.name, name)
    messages.success(request, f"{name} was deleted.")
    return redirect("assets:models", workspace.name)


@require_POST
@workspace_view("contributor")
def archive_version(request: HttpRequest, workspace: Workspace, name: str, version: str) -> HttpResponse:
    """Archive a version."""
    services.archive(request.user, version_for(workspace, name, version))
    messages.success(request, f"{name}:{version} is archived; its page brings it back.")
    return redirect("assets:model-version", workspace.name, name, version)


@require_POST
@workspace_view("contributor")
def restore_version(request: HttpRequest, workspace: Workspace, name: str, version: str) -> HttpResponse:
    """Bring a version back."""
    services.restore(request.user, version_for(workspace, name, version))
    messages.success(request, f"{name}:{version} is back.")
    return redirect("assets:model-version", workspace.name, name, version)


@require_POST
@workspace_view("contributor")
def delete_version(request: HttpRequest, workspace: Workspace, name: str, version: str) -> HttpResponse:
    """Delete a version."""
    row = version_for(workspace, name, version)
    try:
        services.delete_version(request.user, row)
    except ProblemError as error:
        messages.error(request, f"{error.title}: {error.text} {error.todo}")
        return redirect("assets:model-version", workspace.name, name, version)
    messages.success(request, f"{name}:{version} was deleted.")
    return redirect("assets:model", workspace.name, name)
