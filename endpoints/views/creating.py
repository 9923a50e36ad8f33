"""Create an endpoint and its deployments: the wizard, the YAML tab of the same page, and the way between them.

Both tabs end in YAML texts that go through the services, as the API and the command line do.
"""

import json
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from compute.router import router_of
from endpoints import accepting, services, spec
from endpoints.forms import DEPLOYMENT_FIELDS, ENDPOINT_FIELDS, DeployForm, Draft, draft_of, form_field
from endpoints.models import NAME, Deployment, Endpoint
from endpoints.selectors import deployment_for, endpoint_for
from endpoints.views import sending
from jobs.views.choices import default_image, image_names, type_choices
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.assets.sent import digest_held, snapshot_sent, words_of
from studio.core.errors import ProblemError, ProblemList

# On the form there is a place for the files: a YAML's words would only be in the way.
SAID = {
    "deployment-code-not-sent": "Choose the scoring script, or the folder that it is in.",
    "deployment-model-not-sent": "Choose the model's file or folder on the YAML tab, or a registered model here.",
}
# The same beside the YAML, where a place for each stands.
DROPS = {
    "code": ("deployment-code-not-sent", "Choose the folder that code_configuration.code names."),
    "model": ("deployment-model-not-sent", "Choose the file or the folder that model.path names."),
}


@dataclass
class Place:
    """What is being made: an endpoint with a first deployment, a deployment of one that is there, or a new revision."""

    workspace: Workspace
    endpoint: Endpoint | None = None
    deployment: Deployment | None = None

    @property
    def url(self) -> str:
        if self.endpoint is None:
            return reverse("endpoints:new", args=[self.workspace.name])
        query = {"of": self.deployment.name} if self.deployment else None
        return reverse("endpoints:new-deployment", args=[self.workspace.name, self.endpoint.name], query=query)

    @property
    def title(self) -> str:
        if self.deployment is not None:
            return f"New revision of {self.deployment.name}"
        return "Add deployment" if self.endpoint else "Create endpoint"

    @property
    def verb(self) -> str:
        return "Roll out" if self.deployment else self.title


@dataclass
class Texts:
    """The YAML tab as far as it was typed, and the digests of the code and of the model that came with it."""

    endpoint: str = ""
    deployment: str = ""
    code: str = ""
    model: str = ""
    all_traffic: bool = True


@require_http_methods(["GET", "POST"])
@workspace_view("contributor")
def new_endpoint(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Show the wizard or the YAML tab, carry what was typed from one to the other, and create."""
    return _page_for(request, Place(workspace))


@require_http_methods(["GET", "POST"])
@workspace_view("contributor")
def new_deployment(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Add a deployment to an endpoint, or with `?of=` a revision to one of its deployments."""
    endpoint = endpoint_for(workspace, name)
    of = request.GET.get("of", "")
    return _page_for(request, Place(workspace, endpoint, deployment_for(endpoint, of) if of else None))


@require_GET
@workspace_view("contributor")
def check_name(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """Say whether a name can be had, and the address that it makes."""
    name = request.GET.get("name", "").strip()
    context: dict[str, Any] = {"name": name}
    if name and not NAME.regex.fullmatch(name):  # type: ignore[union-attr]
        context["wrong"] = f"{str(NAME.message)[:1].upper()}{str(NAME.message)[1:]}."
    elif name:
        compute = next((row for row in sending.computes_of(workspace) if row.name == request.GET.get("compute")), None)
        taken = Endpoint.objects.filter(workspace=workspace, name=name).exists()
        elsewhere = compute is not None and Endpoint.objects.filter(cluster=compute.cluster, name=name).exists()
        if taken or elsewhere:
            where = "in this workspace" if taken else "on this cluster's router, in another workspace"
            context["wrong"] = f"There is an endpoint {name} {where} already."
        else:
            router = router_of(compute.cluster) if compute else None
            context["insecure"] = bool(router and router.insecure)
            context["address"] = f"{(router.base_url if router else '') or 'https://…'}/api/v1/endpoint/{name}/score"
    return render(request, "endpoints/name_check.html", context)


def _page_for(request: HttpRequest, place: Place) -> HttpResponse:
    if request.GET.get("part") == "types":
        return _types(request, place)
    if request.method == "GET":
        draft = _fresh(request, place)
        return _yaml_page(request, place, _as_yaml(place, draft)) if request.GET.get("as") == "yaml" else _form_page(request, place, draft)
    problems: list[ProblemError] = []
    if request.GET.get("part") == "yaml":
        return _yaml_beside(request, place, problems)
    if request.POST.get("as") == "yaml":
        return _from_yaml(request, place, problems)
    return _from_form(request, place, problems)


def _fresh(request: HttpRequest, place: Place) -> Draft:
    """Return the form as it begins: with defaults, or with what the deployment was given."""
    row = place.deployment
    if row is not None:
        given = row.wanted.spec if row.wanted else {}
        try:
            values = dict(spec.load_deployment(row.yaml, overrides=row.overrides).document.value)
        except spec.SpecError:
            values = {"name": row.name}
        # Of a registered version the name is enough.
        model = str((given.get("model") or {}).get("digest") or "") if isinstance(values.get("model"), dict) else ""
        draft = draft_of(None, values, code=str(given.get("code_digest") or ""), model=model)
        draft.fields["count"] = str(row.instance_count)
        return draft
    draft = Draft()
    if place.endpoint is not None:
        taken = {one.name for one in place.endpoint.deployments.all()}
        draft.fields["deployment"] = next((name for name in ("blue", "green", "violet", "amber") if name not in taken), "")
        draft = sending.with_defaults(place.workspace, draft, request.GET, default_image())
        draft.fields["compute"] = place.endpoint.compute_name
        draft.fields["all_traffic"] = "" if taken else "on"
        return draft
    return sending.with_defaults(place.workspace, draft, request.GET, default_image())


def _from_form(request: HttpRequest, place: Place, problems: list[ProblemError]) -> HttpResponse:
    draft = sending.draft_from_post(request, place.workspace, problems)
    if place.endpoint is not None:
        draft.fields["compute"] = place.endpoint.compute_name
    if request.POST.get("to") == "form":
        return _form_page(request, place, draft, typed=True)
    if request.POST.get("to") == "yaml":
        return _yaml_page(request, place, _as_yaml(place, draft), problems, typed=True)
    form = _form(place, draft, bound=True)
    if form.is_valid() and not problems:
        made = _create(request, place, _as_yaml(place, draft), problems)
        if made is not None:
            return made
    return _form_page(request, place, draft, problems, refused=True)


def _yaml_beside(request: HttpRequest, place: Place, problems: list[ProblemError]) -> HttpResponse:
    """Answer the YAML that the form makes as it stands, for the page to show beside it."""
    draft = sending.draft_from_post(request, place.workspace, problems)
    if place.endpoint is not None:
        draft.fields["compute"] = place.endpoint.compute_name
    texts = _as_yaml(place, draft)
    named = [("Endpoint", texts.endpoint), ("Deployment", texts.deployment)]
    return render(request, "components/yaml_text.html", {"texts": [(title, text) for title, text in named if text]})


def _from_yaml(request: HttpRequest, place: Place, problems: list[ProblemError]) -> HttpResponse:
    post = request.POST
    texts = Texts(
        endpoint=post.get("endpoint_yaml", "").replace("\r\n", "\n"),
        deployment=post.get("deployment_yaml", "").replace("\r\n", "\n"),
        code=digest_held(place.workspace, post.get("code_kept", "")),
        model=digest_held(place.workspace, post.get("model_kept", "")),
        all_traffic=post.get("all_traffic") == "on",
    )
    sent = snapshot_sent(request, place.workspace, "code", problems)
    texts.code = sent.digest if sent else texts.code
    packed = sending.names_archive(texts.deployment)
    sent = snapshot_sent(request, place.workspace, "model_files", problems, field="model.path", unpack=not packed)
    texts.model = sent.digest if sent else texts.model
    if post.get("to") == "form":
        return _to_form(request, place, texts, problems)
    made = None if problems else _create(request, place, texts, problems)
    return made or _yaml_page(request, place, texts, problems, typed=True)


def _to_form(request: HttpRequest, place: Place, texts: Texts, problems: list[ProblemError]) -> HttpResponse:
    try:
        endpoint = None if place.endpoint else spec.load_endpoint(texts.endpoint).document.value
        deployment = spec.load_deployment(texts.deployment).document.value if texts.deployment.strip() else None
    except spec.SpecError as error:
        told = [ProblemError(one.problem_id, field=one.path or None, line=one.line, column=one.column, text=one.text, todo=one.todo)
                for one in error.issues]  # fmt: skip
        return _yaml_page(request, place, texts, [*problems, *told], typed=True)
    draft = draft_of(endpoint, deployment, code=texts.code, model=texts.model)
    draft.fields["all_traffic"] = "on" if texts.all_traffic else ""
    if place.endpoint is not None:
        draft.fields["compute"] = place.endpoint.compute_name
    return _form_page(request, place, draft, problems, typed=True)


def _as_yaml(place: Place, draft: Draft) -> Texts:
    name = place.endpoint.name if place.endpoint else ""
    return Texts(
        endpoint="" if place.endpoint else spec.dump_values(draft.endpoint_values()),
        deployment="" if draft.later and not place.endpoint else spec.dump_values(draft.deployment_values(name)),
        code=draft.code,
        model=draft.model,
        all_traffic=draft.all_traffic,
    )


def _create(request: HttpRequest, place: Place, texts: Texts, problems: list[ProblemError]) -> HttpResponse | None:
    """Check everything, then make everything; problems are added, and nothing is made that could not be whole."""
    given = {"text": texts.deployment, "code": texts.code, "model": texts.model}
    try:
        endpoint = place.endpoint
        if endpoint is None:
            _check_first(place.workspace, texts)
            endpoint = services.create_endpoint(request.user, place.workspace, text=texts.endpoint)
        if place.deployment is not None:
            services.update_deployment(request.user, place.deployment, **given, all_traffic=texts.all_traffic)
        elif texts.deployment.strip():
            services.create_deployment(request.user, endpoint, **given, all_traffic=texts.all_traffic)
    except ProblemList as error:
        problems += error.errors
        return None
    except ProblemError as error:
        problems.append(error)
        return None
    what = f"Deployment {place.deployment.name} is rolled out." if place.deployment else f"{endpoint.name} is being created."
    messages.success(request, what)
    return redirect("endpoints:detail", place.workspace.name, endpoint.name)


def _check_first(workspace: Workspace, texts: Texts) -> None:
    """Check both YAMLs before either is made: an endpoint whose deployment is refused would stand there empty."""
    problems: list[ProblemError] = []
    accepted = None
    try:
        accepted = accepting.check_endpoint(workspace, texts.endpoint, [], new=True)
        services.refuse_taken(workspace, accepted)
    except ProblemList as error:
        problems += error.errors
    except ProblemError as error:
        problems.append(error)
    if texts.deployment.strip():
        compute = accepted.compute if accepted else None
        name = accepted.name if accepted else ""
        place = Endpoint(workspace=workspace, name=name, compute=compute, cluster=compute.cluster if compute else None)
        try:
            accepting.check_deployment(place, texts.deployment, [], code=texts.code, model=texts.model)
        except ProblemList as error:
            # Without a compute nothing can be said about instance types.
            found = [one for one in error.errors if compute is not None or one.problem.id != "endpoint-cluster-detached"]
            for one in found:
                one.of_deployment = True  # type: ignore[attr-defined]
            problems += found
    if problems:
        raise ProblemList(problems)


def _types(request: HttpRequest, place: Place) -> HttpResponse:
    """Answer with the instance types of the compute that was just chosen."""
    compute = place.endpoint.compute_name if place.endpoint else request.GET.get("compute", "")
    form = DeployForm(initial={"instance_type": ""}, types=type_choices(place.workspace, compute))
    return render(request, "jobs/types.html", {"form": form})


def _form(place: Place, draft: Draft, *, bound: bool) -> DeployForm:
    compute = draft.fields.get("compute", "")
    options: dict[str, Any] = {
        "computes": sending.compute_choices(place.workspace, compute),
        "types": type_choices(place.workspace, compute, draft.fields.get("instance_type", "")),
        "models": sending.model_choices(place.workspace, draft.fields.get("model", "")),
        "with_endpoint": place.endpoint is None,
    }
    form = DeployForm(draft.fields, **options) if bound else DeployForm(initial=draft.fields, **options)
    if draft.later and place.endpoint is None:
        form.without_deployment()
    return form


def _form_page(
    request: HttpRequest,
    place: Place,
    draft: Draft,
    problems: list[ProblemError] | None = None,
    *,
    typed: bool = False,
    refused: bool = False,
) -> HttpResponse:
    form = _form(place, draft, bound=refused or bool(problems))
    left = _placed(form, draft, problems or [], place)
    context = {
        "form": form,
        "problems": left["elsewhere"],
        "code_problem": left["code"],
        "row_problems": left["rows"],
        "draft": draft,
        "code_words": words_of(place.workspace, draft.code),
        "model_words": words_of(place.workspace, draft.model),
        "endpoint_rest": json.dumps(draft.endpoint_rest, default=str),
        "deployment_rest": json.dumps(draft.deployment_rest, default=str),
        "rest_text": ", ".join(draft.rest_names),
        "images": image_names(),
        "typed": typed or refused,
        "no_compute": place.endpoint is None and not sending.computes_of(place.workspace).exists(),
        "no_models": not sending.newest_model(place.workspace),
    }
    return _page(request, place, "endpoints/new.html", context, 422 if refused or problems else 200)


def _yaml_page(
    request: HttpRequest, place: Place, texts: Texts, problems: list[ProblemError] | None = None, *, typed: bool = False
) -> HttpResponse:
    told = problems or []
    of_deployment = [one for one in told if place.endpoint is not None or getattr(one, "of_deployment", False)]
    context = {
        "texts": texts,
        "problems": told,
        "endpoint_marks": _marks([one for one in told if one not in of_deployment]),
        "deployment_marks": _marks(of_deployment),
        "kept_words": words_of(place.workspace, texts.code),
        "model_words": words_of(place.workspace, texts.model),
        "not_sent": {name: said for name, (id, said) in DROPS.items() if any(one.problem.id == id for one in told)},
        "typed": typed,
    }
    return _page(request, place, "endpoints/new_yaml.html", context, 422 if told else 200)


def _marks(problems: list[ProblemError]) -> str:
    return json.dumps([{"line": one.line, "column": one.column, "text": f"{one.text} {one.todo}"} for one in problems if one.line])


def _page(request: HttpRequest, place: Place, template: str, context: dict[str, Any], status: int) -> HttpResponse:
    crumbs = [("Endpoints", reverse("endpoints:list", args=[place.workspace.name]))]
    back = crumbs[0][1]
    if place.endpoint is not None:
        back = reverse("endpoints:detail", args=[place.workspace.name, place.endpoint.name])
        crumbs.append((place.endpoint.name, back))
    frame = {"workspace": place.workspace, "place": place, "crumbs": crumbs, "here": place.title, "form_url": place.url, "back_url": back}
    return render(request, template, {**frame, **context}, status=status)


def _placed(form: DeployForm, draft: Draft, problems: list[ProblemError], place: Place) -> dict[str, Any]:
    """Put each problem where it was given: at a field, at a row, at the code; return those that belong nowhere."""
    left: dict[str, Any] = {"elsewhere": [], "code": "", "rows": []}
    for problem in problems:
        path = problem.field or ""
        text = SAID.get(problem.problem.id) or f"{problem.text} {problem.todo}".strip()
        of_deployment = place.endpoint is not None or getattr(problem, "of_deployment", False)
        name = form_field(path, DEPLOYMENT_FIELDS if of_deployment else ENDPOINT_FIELDS)
        if path == "code" or name == "code":
            left["code"] = text
            left["rows"].append({"title": "Code", "anchor": "field_code", "text": text})
        elif name == "variables" and draft.variables:
            row = next((one for one in draft.variables if path.endswith(f".{one.key}")), draft.variables[0])
            row.problem = text
            left["rows"].append({"title": "Environment variables", "anchor": "field_env", "text": text})
        elif name in form.fields and name is not None:
            if not form.has_error(name):
                form.add_error(name, text)
        else:
            left["elsewhere"].append(problem)
    return left
