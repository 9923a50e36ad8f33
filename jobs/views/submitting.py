"""Submit a job: the form, the YAML tab of the same page, and the way between them.

Both tabs end in a YAML text that goes through `submit_job`, as the API and the command line do.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from compute.selectors import computes_of
from jobs import selectors, services, spec
from jobs.examples import EXAMPLES
from jobs.forms import Draft, InputRow, JobForm, Pair, draft_of, form_field
from jobs.models import Job
from jobs.views import choices, sending
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.assets.sent import digest_held, snapshot_sent, words_of
from studio.assets.services import tree_for
from studio.core.errors import ProblemError, ProblemList

STARTER = """\
command: |
  echo "Hello from $(hostname)"
environment:
  image: python:3.11
"""


ROWS = {
    "inputs": ("Inputs", "field_inputs"),
    "environment_variables": ("Environment variables", "field_env"),
    "tags": ("Tags", "field_tag"),
}


@dataclass
class YamlDraft:
    """The YAML tab as far as it was typed: the text, and the digests of what came with it."""

    text: str
    code: str = ""
    folder: str = ""
    inputs: dict[str, str] = field(default_factory=dict)


@require_http_methods(["GET", "POST"])
@workspace_view("contributor")
def new_job(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Show the form or the YAML tab, carry what was typed from one to the other, and submit."""
    if request.GET.get("part") == "types":
        return _types(request, workspace)
    if request.method == "GET":
        return _fresh(request, workspace)
    problems: list[ProblemError] = []
    if request.GET.get("part") == "yaml":
        text = _as_yaml(sending.draft_from_post(request, workspace, problems)).text
        return render(request, "components/yaml_text.html", {"texts": [("", text)]})
    if request.POST.get("as") == "yaml":
        return _from_yaml(request, workspace, problems)
    return _from_form(request, workspace, problems)


def _fresh(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    name = request.GET.get("from", "")
    if name:
        return _clone(request, workspace, selectors.job_for(workspace, name))
    draft = _with_defaults(workspace, Draft(), request.GET)
    if example := EXAMPLES.get(request.GET.get("example", "")):
        draft.fields |= {"command": example.command, "display_name": example.title}
    if request.GET.get("as") == "yaml":
        compute = draft.fields.get("compute")
        return _yaml_page(request, workspace, YamlDraft(STARTER + (f"compute: azureml:{compute}\n" if compute else "")))
    return _form_page(request, workspace, draft)


def _clone(request: HttpRequest, workspace: Workspace, job: Job) -> HttpResponse:
    """Show the form with what a job was given; its code and files are kept by digest, not sent again."""
    # A registered model is named again, not sent.
    files = {name: value.get("mount") or {} for name, value in job.inputs.items() if not value.get("asset")}
    digests = {name: mount["digest"] for name, mount in files.items() if mount.get("digest")}
    try:
        values = dict(spec.load(job.yaml, overrides=[*job.overrides, f"compute={job.compute_name}"]).document.value)
    except spec.SpecError:
        return _yaml_page(request, workspace, YamlDraft(job.yaml, code=job.code_digest, inputs=digests))
    values.pop("name", None)
    # What was set from outside the YAML (--set) is known by the job only.
    values |= {key: value for key, value in (("display_name", job.display_name), ("tags", job.tags)) if value}
    if job.instance_type:
        values["resources"] = {**(values.get("resources") or {}), "instance_type": job.instance_type}
    draft = draft_of(values, code=job.code_digest, digests=digests)
    if request.GET.get("as") == "yaml":
        return _yaml_page(request, workspace, _as_yaml(draft))
    return _form_page(request, workspace, draft, cloned=job)


def _from_form(request: HttpRequest, workspace: Workspace, problems: list[ProblemError]) -> HttpResponse:
    draft = sending.draft_from_post(request, workspace, problems)
    if request.POST.get("to") == "form":
        return _form_page(request, workspace, draft, typed=True)
    if request.POST.get("to") == "yaml":
        return _yaml_page(request, workspace, _as_yaml(draft), problems, typed=True)
    form = JobForm(draft.fields)
    if not problems and form.is_valid():
        try:
            job = services.submit_job(
                request.user,
                workspace,
                text=spec.dump_values(draft.values()),
                code=draft.code,
                local_inputs=draft.local_inputs(),
            )
            return _submitted(request, workspace, job)
        except ProblemList as error:
            problems += error.errors
        except ProblemError as error:
            problems.append(error)
    return _form_page(request, workspace, draft, problems, refused=True)


def _from_yaml(request: HttpRequest, workspace: Workspace, problems: list[ProblemError]) -> HttpResponse:
    post = request.POST
    draft = YamlDraft(
        text=post.get("yaml", "").replace("\r\n", "\n"),
        code=digest_held(workspace, post.get("code_kept", "")),
        folder=digest_held(workspace, post.get("folder_kept", "")),
        inputs=sending.kept_digests(workspace, post.get("kept_inputs", "")),
    )
    sent = snapshot_sent(request, workspace, "folder", problems)
    draft.folder = sent.digest if sent else draft.folder
    _match_folder(workspace, draft)
    if post.get("to") == "form":
        return _to_form(request, workspace, draft, problems)
    if not problems:
        try:
            job = services.submit_job(request.user, workspace, text=draft.text, code=draft.code, local_inputs=draft.inputs)
            return _submitted(request, workspace, job)
        except ProblemList as error:
            problems += error.errors
        except ProblemError as error:
            problems.append(error)
    return _yaml_page(request, workspace, draft, problems, typed=True)


def _match_folder(workspace: Workspace, draft: YamlDraft) -> None:
    """Find the code and the local inputs that the YAML names in the folder that was sent with it."""
    tree = tree_for(workspace, draft.folder) if draft.folder else None
    if tree is None:
        return
    try:
        loaded = spec.load(draft.text)
    except spec.SpecError:
        return
    for local in loaded.local_paths:
        if local.field == "code":
            # The folder may be that of the YAML, or the code folder itself.
            only = len(loaded.local_paths) == 1
            draft.code = sending.part_of(workspace, tree, local.path) or (draft.folder if only else "") or draft.code
        else:
            name = local.field.removeprefix("inputs.").removesuffix(".path")
            found = sending.part_of(workspace, tree, local.path)
            draft.inputs |= {name: found} if found else {}


def _to_form(request: HttpRequest, workspace: Workspace, draft: YamlDraft, problems: list[ProblemError]) -> HttpResponse:
    try:
        values = spec.load(draft.text).document.value
    except spec.SpecError as error:
        told = [_told(issue) for issue in error.issues]
        return _yaml_page(request, workspace, draft, [*problems, *told], typed=True)
    found = draft_of(values, code=draft.code, digests=draft.inputs)
    return _form_page(request, workspace, found, problems, typed=True)


def _as_yaml(draft: Draft) -> YamlDraft:
    return YamlDraft(spec.dump_values(draft.values()), code=draft.code, inputs=draft.local_inputs())


def _with_defaults(workspace: Workspace, draft: Draft, asked: Mapping[str, Any]) -> Draft:
    """Fill in what need not be chosen: the only compute that is ready, its default type, an image."""
    usable = choices.usable_computes(workspace)
    names = [compute.name for compute in usable]
    compute = asked.get("compute") if asked.get("compute") in names else next(iter(names), "")
    draft.fields |= {"compute": compute or "", "count": "1", "image": choices.default_image()}
    draft.fields["instance_type"] = asked.get("instance_type") or ""
    return draft


def _submitted(request: HttpRequest, workspace: Workspace, job: Job) -> HttpResponse:
    messages.success(request, "Job submitted.")
    return redirect("jobs:detail", workspace.name, job.name)


def _types(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Answer with the instance types of the compute that was just chosen."""
    fields = {"compute": request.GET.get("compute", ""), "instance_type": ""}
    form = JobForm(initial=fields, types=choices.type_choices(workspace, fields["compute"]))
    return render(request, "jobs/types.html", {"form": form})


def _form_page(
    request: HttpRequest,
    workspace: Workspace,
    draft: Draft,
    problems: list[ProblemError] | None = None,
    *,
    typed: bool = False,
    refused: bool = False,
    cloned: Job | None = None,
) -> HttpResponse:
    compute = draft.fields.get("compute", "")
    options: dict[str, Any] = {
        "computes": choices.compute_choices(workspace, compute),
        "types": choices.type_choices(workspace, compute, draft.fields.get("instance_type", "")),
    }
    form = JobForm(draft.fields, **options) if refused or problems else JobForm(initial=draft.fields, **options)
    left = _placed(form, draft, problems or [])
    for index, row in enumerate(draft.inputs):
        row.number = f"r{index}"
        row.words = words_of(workspace, row.digest)
    empty = [InputRow(number=f"e{index}") for index in range(3)]
    context = {
        "form": form,
        "problems": left["elsewhere"],
        "code_problem": left["code"],
        "row_problems": left["rows"],
        "draft": draft,
        "code_words": words_of(workspace, draft.code),
        "kept_inputs": json.dumps(draft.kept),
        "rest": json.dumps(draft.rest, default=str),
        "rest_text": ", ".join(draft.rest_names),
        "empty_inputs": empty,
        "images": choices.image_names(),
        "experiments": selectors.experiments_of(workspace),
        "cloned": cloned,
        "typed": typed or refused or cloned is not None,
        "no_compute": not options["computes"],
    }
    return _page(request, workspace, "jobs/new.html", context, 422 if refused or problems else 200)


def _yaml_page(
    request: HttpRequest,
    workspace: Workspace,
    draft: YamlDraft,
    problems: list[ProblemError] | None = None,
    *,
    typed: bool = False,
) -> HttpResponse:
    told = problems or []
    marks = [{"line": one.line, "column": one.column, "text": f"{one.text} {one.todo}".replace("`", "'")} for one in told if one.line]
    code_words, folder_words = words_of(workspace, draft.code), words_of(workspace, draft.folder)
    context = {
        "draft": draft,
        "problems": told,
        "marks": json.dumps(marks),
        "kept_words": folder_words or (code_words and f"Code: {code_words}"),
        "kept_inputs": json.dumps(draft.inputs),
        "typed": typed,
        "no_compute": not computes_of(workspace).exists(),
    }
    return _page(request, workspace, "jobs/new_yaml.html", context, 422 if told else 200)


def _page(request: HttpRequest, workspace: Workspace, template: str, context: dict[str, Any], status: int) -> HttpResponse:
    frame = {
        "workspace": workspace,
        "crumbs": [("Jobs", reverse("jobs:list", args=[workspace.name]))],
        "here": "Submit job",
        "form_url": reverse("jobs:new", args=[workspace.name]),
        "list_url": reverse("jobs:list", args=[workspace.name]),
    }
    return render(request, template, {**frame, **context}, status=status)


def _placed(form: JobForm, draft: Draft, problems: list[ProblemError]) -> dict[str, Any]:
    """Put each problem where it was given: at a field, at a row, at the code; return those that belong nowhere."""
    left: dict[str, Any] = {"elsewhere": [], "code": "", "rows": []}
    for problem in problems:
        path = problem.field or ""
        text = f"{problem.text} {problem.todo}".strip()
        name = form_field(path)
        row = _row_of(draft, path)
        if path == "code":
            left["code"] = text
            left["rows"].append({"title": "Code", "anchor": "field_code", "text": text})
        elif row is not None:
            row.problem = text
            title, anchor = ROWS.get(path.partition(".")[0], ("Inputs", "field_inputs"))
            left["rows"].append({"title": title, "anchor": anchor, "text": text})
        elif name in form.fields and name is not None:
            if not form.has_error(name):
                form.add_error(name, text)
        else:
            left["elsewhere"].append(problem)
    return left


def _row_of(draft: Draft, path: str) -> InputRow | Pair | None:
    """Return the row that a problem is about; one about all of them is shown at the first."""
    kind, _, name = path.partition(".")
    name = name.removesuffix(".path").removesuffix(".type")
    if kind == "inputs":
        return next((row for row in draft.inputs if row.name == name), next(iter(draft.inputs), None))
    pairs = {"environment_variables": draft.variables, "tags": draft.tags}.get(kind, [])
    return next((row for row in pairs if row.key == name), next(iter(pairs), None))


def _told(issue: spec.SpecIssue) -> ProblemError:
    place = {"field": issue.path or None, "line": issue.line, "column": issue.column}
    return ProblemError(issue.problem_id, **place, text=issue.text, todo=issue.todo)  # type: ignore[arg-type]
