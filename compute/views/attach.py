"""IT operations: attach a cluster, and replace the credentials of one."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from compute import manifests, services
from compute.forms import AttachClusterForm, KubeconfigForm
from compute.kube.config import ContextChoice
from compute.problems import OFFERS_MANIFEST
from compute.views.frame import cluster_frame, cluster_or_404
from studio.accounts.http import operator_view
from studio.core.errors import MooringError, ProblemError, ProblemList
from studio.core.forms import show_problems


@operator_view
@never_cache
def attach(request: HttpRequest) -> HttpResponse:
    """Attach a cluster: paste or upload a kubeconfig, choose its context when there are several, done."""
    if request.method == "POST" and request.GET.get("part") == "review":
        return _review(request)
    posted, text = _given(request)
    try:
        choices = _choices(request, text)
    except ProblemError as error:
        form = AttachClusterForm(posted, request.FILES, admin=_is_admin(request))
        return _attach_page(request, form, [], error)
    form = AttachClusterForm(posted, request.FILES or None, choices=choices, admin=_is_admin(request),
                             initial=_initial(request))  # fmt: skip
    if request.method != "POST" or not form.is_valid():
        return _attach_page(request, form, choices)
    given = form.cleaned_data
    if given["source"] == "kubeconfig" and len(choices) > 1 and "context" not in request.POST:
        # The first look at the kubeconfig: which of its contexts is meant.
        return _attach_page(request, form, choices, choosing=True)
    try:
        cluster = services.attach_cluster(
            request.user,
            name=given["name"],
            kubeconfig=text,
            context=given["context"],
            allow_insecure=given.get("allow_insecure", False),
            in_cluster=given["source"] == "in_cluster",
        )
    except MooringError as error:
        return _attach_page(request, form, choices, error)
    messages.success(request, f"{cluster.name} is attached.")
    return redirect("compute:cluster", name=cluster.name)


@operator_view
@never_cache
def credentials(request: HttpRequest, name: str) -> HttpResponse:
    """Replace a cluster's credentials; the old ones are never shown."""
    cluster = cluster_or_404(name)
    posted, text = _given(request)
    problems: list[Any] = []
    choices: list[ContextChoice] = []
    choosing = False
    try:
        choices = _choices(request, text)
        form = KubeconfigForm(posted, request.FILES or None, choices=choices, admin=_is_admin(request))
        if request.method == "POST" and form.is_valid():
            if len(choices) > 1 and "context" not in request.POST:
                choosing = True
            else:
                services.replace_credentials(
                    request.user,
                    cluster,
                    kubeconfig=text,
                    context=form.cleaned_data["context"],
                    allow_insecure=form.cleaned_data.get("allow_insecure", False),
                )
                messages.success(request, "The credentials were replaced.")
                return redirect("compute:cluster-connection", name=name)
    except MooringError as error:
        form = KubeconfigForm(posted, request.FILES or None, choices=choices, admin=_is_admin(request))
        form.is_valid()
        problems = show_problems(form, error)
    context = cluster_frame(cluster, "", here="Replace credentials") | {
        "form": form,
        "problems": problems,
        "choices": choices,
        "choosing": choosing,
    }
    return render(request, "compute/cluster_credentials.html", context, status=422 if form.errors or problems else 200)


@operator_view
def manifest(request: HttpRequest) -> HttpResponse:
    """Give the least-privilege identity as a file, with the namespaces asked for."""
    namespaces = [part for value in request.GET.getlist("namespace") for part in value.replace(",", " ").split()]
    for namespace in namespaces:
        services.check_namespace_name(namespace)
    text = manifests.least_privilege(namespaces, extension=bool(request.GET.get("extension")))
    answer = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="mooring.yaml"'
    return answer


def _review(request: HttpRequest) -> HttpResponse:
    """Answer with what attaching would do, as far as the form is filled in; nothing is kept."""
    posted, text = _given(request)
    look, problems, choices = None, [], []
    # Those that the form itself shows are not shown again; those of this part are asked for each time.
    in_form = "context" in posted and "context_in_review" not in posted
    try:
        choices = _choices(request, text)
        usable = [choice.name for choice in choices if choice.usable]
        if "context" not in posted:
            posted["context"] = next((choice.name for choice in choices if choice.current), next(iter(usable), ""))
        look = services.look_before_attach(
            request.user,
            name=posted.get("name", "").strip(),
            kubeconfig=text,
            context=posted["context"],
            allow_insecure=bool(posted.get("allow_insecure")) and _is_admin(request),
            in_cluster=posted.get("source") == "in_cluster",
        )
    except ProblemList as error:
        problems = error.errors
    except ProblemError as error:
        problems = [error]
    form = AttachClusterForm(posted, choices=choices, admin=_is_admin(request))
    shown = [] if in_form or len(choices) < 2 else choices
    context = {"name": posted.get("name", ""), "look": look, "form": form, "choices": shown, "problems": problems}
    return render(request, "compute/attach_review.html", context)


def _attach_page(
    request: HttpRequest,
    form: AttachClusterForm,
    choices: list[ContextChoice],
    error: MooringError | None = None,
    *,
    choosing: bool = False,
) -> HttpResponse:
    problems: list[ProblemError] = []
    offers = False
    if error is not None:
        form.is_valid()
        problems = show_problems(form, error)
        offers = getattr(getattr(error, "problem", None), "id", "") in OFFERS_MANIFEST
    context = {
        "form": form,
        "problems": problems,
        "choices": choices,
        "choosing": choosing,
        "in_a_cluster": services.runs_in_a_cluster(),
        "offers_manifest": offers,
        "manifest": manifests.least_privilege(["mooring-demo"]) if offers else "",
        "command": manifests.kubeconfig_command(),
        "crumbs": [("Clusters", "/ops/clusters/")],
        "here": "Attach a cluster",
    }
    status = 422 if form.errors or problems else 200
    return render(request, "compute/cluster_attach.html", context, status=status)


def _given(request: HttpRequest) -> tuple[Any, str]:
    """Return what was posted with an uploaded file's text in the place of the pasted one, so that it is not lost."""
    if request.method != "POST":
        return None, ""
    posted = request.POST.copy()
    file = request.FILES.get("file")
    if file is not None and file.size is not None and file.size <= 1024 * 1024:
        posted["kubeconfig"] = file.read().decode("utf-8", "replace")
        file.seek(0)
    return posted, posted.get("kubeconfig", "")


def _choices(request: HttpRequest, text: str) -> list[ContextChoice]:
    if not text.strip() or request.POST.get("source") == "in_cluster":
        return []
    insecure = bool(request.POST.get("allow_insecure")) and _is_admin(request)
    return services.read_contexts(text, allow_insecure=insecure)


def _initial(request: HttpRequest) -> dict[str, Any]:
    return {"source": "kubeconfig"} if request.method != "POST" else {}


def _is_admin(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_admin", False))
