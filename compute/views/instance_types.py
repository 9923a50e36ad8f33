"""IT operations: the instance types of a cluster."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from compute import selectors, services, tables
from compute.forms import InstanceTypeForm
from compute.instance_types import IMPLICIT, TypeSpec, default_name
from compute.kube.quantities import is_gpu
from compute.models import Cluster, Compute
from compute.views.frame import cluster_frame, cluster_or_404
from studio.accounts.http import operator_view
from studio.core.errors import MooringError, ProblemError
from studio.core.forms import show_problems
from studio.tables.page import list_page


@operator_view
def type_list(request: HttpRequest, name: str) -> HttpResponseBase:
    """List a cluster's instance types with what fits now."""
    cluster = cluster_or_404(name)
    types = selectors.types_of(cluster)
    fits = selectors.fits(Compute(cluster=cluster), list(cluster.nodes.all()))
    chosen = default_name(types)
    lines = tables.type_lines(cluster, types.values(), fits, chosen)
    context = cluster_frame(cluster, "types")
    return list_page(request, tables.TYPES, "compute/type_list.html", lines=lines, topics=f"cluster:{name}", context=context)


@operator_view
def create(request: HttpRequest, name: str) -> HttpResponse:
    """Create an instance type, from nothing or from a copy of another."""
    cluster = cluster_or_404(name)
    source = selectors.types_of(cluster).get(request.GET.get("from", ""))
    initial = _initial(source) if source else {"gpu_resource": "nvidia.com/gpu"}
    initial["name"] = IMPLICIT if source and source.implicit and request.GET.get("override") else ""
    return _form(request, cluster, initial=initial, create=True)


@operator_view
def edit(request: HttpRequest, name: str, type: str) -> HttpResponse:
    """Change an instance type."""
    cluster = cluster_or_404(name)
    found = selectors.types_of(cluster).get(type)
    if found is None:
        raise ProblemError("not-found")
    if found.implicit or not found.row.is_ours:
        raise ProblemError("instance-type-not-ours", name=type)
    return _form(request, cluster, initial=_initial(found), create=False)


@operator_view
@require_POST
def delete(request: HttpRequest, name: str, type: str) -> HttpResponse:
    """Delete an instance type."""
    services.delete_instance_type(request.user, cluster_or_404(name), name=type)
    messages.success(request, f"Instance type {type} was deleted.")
    return redirect("compute:type-list", name=name)


@operator_view
@require_POST
def default(request: HttpRequest, name: str) -> HttpResponse:
    """Choose the default instance type."""
    chosen = request.POST.get("type", "")
    services.set_default_instance_type(request.user, cluster_or_404(name), name=chosen)
    messages.success(request, f"Jobs that name no instance type now get {chosen or IMPLICIT}.")
    return redirect("compute:type-list", name=name)


def _form(request: HttpRequest, cluster: Cluster, *, initial: dict[str, Any], create: bool) -> HttpResponse:
    form = InstanceTypeForm(request.POST if request.method == "POST" else None, initial=initial)
    if not create:
        form.fields["name"].disabled = True
    selector = _selector_rows(request, initial)
    problems: list[ProblemError] = []
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            spec = _spec(given, selector)
            services.save_instance_type(request.user, cluster, name=given["name"], spec=spec, create=create, version=given["version"])
            was_default = bool(initial.get("default"))
            if given["default"] != was_default:
                services.set_default_instance_type(request.user, cluster, name=given["name"] if given["default"] else "")
        except MooringError as error:
            problems = _placed(form, selector, error)
        else:
            messages.success(request, f"Instance type {given['name']} was {'created' if create else 'changed'}.")
            return redirect("compute:type-list", name=cluster.name)
    nodes = list(cluster.nodes.all())
    context = cluster_frame(cluster, "types", here="New instance type" if create else str(initial["name"])) | {
        "form": form,
        "problems": problems,
        "selector": selector,
        "create": create,
        "gpu_resources": sorted({key for node in nodes for key in (node.allocatable.get("exact") or {}) if is_gpu(key)}),
        "node_labels": _common_labels(nodes),
        "back": reverse("compute:type-list", args=[cluster.name]),
    }
    return render(request, "compute/type_form.html", context, status=422 if form.errors or problems else 200)


def _placed(form: InstanceTypeForm, selector: list[dict[str, Any]], error: MooringError) -> list[ProblemError]:
    """Put problems at their fields: quantities of other resources at the GPU's, those of labels at their row."""
    problems = getattr(error, "errors", [error])
    left = []
    for problem in problems:
        place = getattr(problem, "field", None) or ""
        if place == "nodeSelector" and selector:
            selector[0]["problem"] = f"{selector[0].get('problem', '')} {problem.text}".strip()
        elif place.startswith("limits.") and place not in ("limits.cpu", "limits.memory"):
            form.add_error("gpus", problem.text)
        else:
            left += show_problems(form, problem)
    return left


def _spec(given: dict[str, Any], selector: list[dict[str, Any]]) -> dict[str, Any]:
    limits: dict[str, Any] = {"cpu": given["limits_cpu"].strip(), "memory": given["limits_memory"].strip()}
    gpus = given["gpus"].strip()
    if gpus and gpus != "0":
        limits[given["gpu_resource"].strip() or "nvidia.com/gpu"] = int(gpus) if gpus.isdecimal() and len(gpus) < 10 else gpus
    requests = {"cpu": given["requests_cpu"].strip(), "memory": given["requests_memory"].strip()}
    return {
        "description": given["description"],
        "nodeSelector": {row["key"]: row["value"] for row in selector},
        "tolerations": [toleration_of(line) for line in given["tolerations"].splitlines() if line.strip()],
        "resources": {"requests": requests, "limits": limits},
    }


def toleration_of(line: str) -> dict[str, Any]:
    """Return the toleration for a taint as people write it: `key=value:Effect`, `key:Effect` or `key`."""
    words, _, effect = line.strip().partition(":")
    key, equals, value = words.partition("=")
    toleration: dict[str, Any] = {"key": key.strip(), "operator": "Equal" if equals else "Exists"}
    if equals:
        toleration["value"] = value.strip()
    if effect.strip():
        toleration["effect"] = effect.strip()
    return toleration


def toleration_line(toleration: dict[str, Any]) -> str:
    value = f"={toleration['value']}" if toleration.get("value") else ""
    effect = f":{toleration['effect']}" if toleration.get("effect") else ""
    return f"{toleration.get('key', '')}{value}{effect}"


def _selector_rows(request: HttpRequest, initial: dict[str, Any]) -> list[dict[str, Any]]:
    if request.method != "POST":
        return [{"key": key, "value": value} for key, value in (initial.get("selector") or {}).items()]
    pairs = zip(request.POST.getlist("selector_key"), request.POST.getlist("selector_value"), strict=False)
    return [{"key": key.strip(), "value": value.strip()} for key, value in pairs if key.strip()]


def _initial(each: TypeSpec) -> dict[str, Any]:
    gpu = next((key for key in each.limits if is_gpu(key)), "nvidia.com/gpu")
    return {
        "name": each.name,
        "description": each.description if not each.implicit else "",
        "requests_cpu": each.requests.get("cpu", ""),
        "requests_memory": each.requests.get("memory", ""),
        "limits_cpu": each.limits.get("cpu", ""),
        "limits_memory": each.limits.get("memory", ""),
        "gpu_resource": gpu,
        "gpus": each.limits.get(gpu, ""),
        "tolerations": "\n".join(toleration_line(toleration) for toleration in each.tolerations),
        "selector": each.node_selector,
        "default": each.is_default,
        "version": each.row.resource_version if each.row and each.row.is_ours else "",
    }


def _common_labels(nodes: list[Any]) -> list[str]:
    """Return labels worth choosing by: those that tell nodes apart, and not by their names."""
    values: dict[str, set[str]] = {}
    for node in nodes:
        for key, value in node.labels.items():
            if key not in ("kubernetes.io/hostname",) and not key.startswith("beta."):
                values.setdefault(key, set()).add(value)
    return sorted(f"{key}={value}" for key, found in values.items() for value in found if value)[:40]
