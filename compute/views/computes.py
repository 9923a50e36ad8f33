"""IT operations: which workspaces have a compute on a cluster."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render

from compute import selectors, services, tables
from compute.forms import ComputeForm
from compute.models import Cluster, Compute
from compute.problems import OFFERS_MANIFEST
from compute.views.frame import cluster_frame, cluster_or_404
from studio.accounts.http import operator_view
from studio.accounts.models import Workspace
from studio.core.errors import MooringError, ProblemError
from studio.core.forms import show_problems
from studio.tables.page import list_page


@operator_view
def compute_list(request: HttpRequest, name: str) -> HttpResponseBase:
    """List the computes of a cluster."""
    cluster = cluster_or_404(name)
    rows = list(cluster.computes.select_related("workspace", "cluster").order_by("workspace__name", "name"))
    lines = tables.compute_lines(cluster, rows, services.running_on_each(rows))
    topics = " ".join([f"cluster:{name}", *(f"compute:{row.pk}" for row in rows)])
    context = cluster_frame(cluster, "computes")
    return list_page(request, tables.COMPUTES, "compute/compute_list.html", lines=lines, topics=topics, context=context)


@operator_view
def attach(request: HttpRequest, name: str) -> HttpResponse:
    """Give a workspace a namespace of the cluster."""
    cluster = cluster_or_404(name)
    initial = {"name": cluster.name, "create": "yes", "workspace": request.GET.get("workspace", "")}
    form = _form(request, cluster, initial=initial)
    first = Workspace.objects.filter(name=initial["workspace"]).first() or Workspace.objects.order_by("name").first()
    if first:
        form.fields["namespace"].widget.attrs["placeholder"] = services.proposed_namespace(first, cluster.name)
    problems: list[ProblemError] = []
    offers = False
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        try:
            space = services.workspace_named(given.pop("workspace"))
            create = given.pop("create") == "yes"
            compute = services.attach_compute(request.user, space, cluster=cluster, create=create, **given)
        except MooringError as error:
            problems = show_problems(form, error)
            offers = getattr(getattr(error, "problem", None), "id", "") in OFFERS_MANIFEST
        else:
            messages.success(request, f"{space.name} has the compute {compute.name} now, in the namespace {compute.namespace}.")
            return redirect("compute:compute-list", name=name)
    context = cluster_frame(cluster, "computes", here="Attach compute") | {
        "form": form,
        "problems": problems,
        "offers_manifest": offers,
        "create": True,
    }
    return render(request, "compute/compute_form.html", context, status=422 if form.errors or problems else 200)


@operator_view
def change(request: HttpRequest, name: str, space: str, compute: str) -> HttpResponse:
    """Change a compute in place."""
    cluster = cluster_or_404(name)
    row = _compute(cluster, space, compute)
    initial = {
        "workspace": space,
        "name": row.name,
        "namespace": row.namespace,
        "create": "no",
        "default_instance_type": row.default_instance_type,
        "run_as_root": row.run_as_root,
        "description": row.description,
    }
    form = _form(request, cluster, initial=initial)
    form.fields["workspace"].disabled = True
    problems: list[ProblemError] = []
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        given.pop("workspace")
        given["namespace"] = given["namespace"] or row.namespace
        try:
            services.change_compute(request.user, row, create=given.pop("create") == "yes", **given)
        except MooringError as error:
            problems = show_problems(form, error)
        else:
            messages.success(request, f"{row.name} was changed.")
            return redirect("compute:compute-list", name=name)
    context = cluster_frame(cluster, "computes", here=f"{space}/{compute}") | {
        "form": form,
        "problems": problems,
        "compute": row,
        "running": services.running_on(row),
        "create": False,
    }
    return render(request, "compute/compute_form.html", context, status=422 if form.errors or problems else 200)


@operator_view
def detach(request: HttpRequest, name: str, space: str, compute: str) -> HttpResponse:
    """Say what goes with a compute, ask what happens to what runs, and take it back."""
    cluster = cluster_or_404(name)
    row = _compute(cluster, space, compute)
    if request.method == "POST":
        services.detach_compute(request.user, row, running=request.POST.get("running", "cancel"))
        messages.info(request, f"{row.name} is being detached.")
        return redirect("compute:compute-list", name=name)
    context = cluster_frame(cluster, "computes", here=f"{space}/{compute}") | {
        "compute": row,
        "running": services.running_on(row),
    }
    return render(request, "compute/compute_detach.html", context)


def _form(request: HttpRequest, cluster: Cluster, *, initial: dict[str, Any]) -> ComputeForm:
    types = selectors.types_of(cluster)
    return ComputeForm(request.POST if request.method == "POST" else None, initial=initial, cluster=cluster, types=types)


def _compute(cluster: Cluster, space: str, name: str) -> Compute:
    found = cluster.computes.select_related("workspace", "cluster").filter(workspace__name=space, name=name).first()
    if found is None:
        raise ProblemError("not-found")
    return found
