"""IT operations: the fleet, and one cluster from all sides."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from compute import manifests, selectors, services, tables
from compute.forms import RenameForm
from compute.models import Cluster, ClusterStatus
from compute.network.selectors import certificate_of
from compute.picture import draw_nodes
from compute.selectors import capacity_of
from compute.views.frame import cluster_frame, cluster_or_404
from studio.accounts.http import operator_view
from studio.audit.pages.lists import OBJECT_AUDIT
from studio.audit.pages.views import audit_page
from studio.audit.selectors import about
from studio.core.errors import MooringError
from studio.core.forms import show_problems
from studio.tables.page import list_page

COMPUTES_SHOWN = 10


@operator_view
def cluster_list(request: HttpRequest) -> HttpResponseBase:
    """List the clusters: state, version, nodes, what is free."""
    lines = tables.cluster_lines(selectors.clusters().prefetch_related("nodes"))
    context = {"crumbs": [], "here": "Clusters"}
    return list_page(request, tables.CLUSTERS, "compute/cluster_list.html", lines=lines, topics="clusters", context=context)


@operator_view
def overview(request: HttpRequest, name: str) -> HttpResponse:
    """Show a cluster: what it is, what is free, what runs where, and what is wrong."""
    cluster = cluster_or_404(name)
    nodes = list(cluster.nodes.all())
    context = cluster_frame(cluster, "overview") | {
        "capacity": capacity_of(nodes),
        "picture": draw_nodes(nodes),
        "owners": _owners(nodes),
        "changes": cluster.changes.all()[:8],
        "computes": list(cluster.computes.select_related("workspace", "cluster")[:COMPUTES_SHOWN]),
        "compute_count": cluster.computes.count(),
        "gpu_products": cluster.facts.get("gpu_products") or [],
        "certificate": certificate_of(cluster),
    }
    return _page(request, "compute/cluster_overview.html", context)


@operator_view
def line(request: HttpRequest, name: str) -> HttpResponse:
    """Answer what stands beside and below a cluster's name, for pages that show it already."""
    return render(request, "compute/cluster_line.html", {"cluster": cluster_or_404(name), "with_state": True})


@operator_view
def nodes(request: HttpRequest, name: str) -> HttpResponseBase:
    """List a cluster's nodes."""
    cluster = cluster_or_404(name)
    lines = tables.node_lines(cluster.nodes.all())
    context = cluster_frame(cluster, "nodes")
    return list_page(request, tables.NODES, "compute/cluster_nodes.html", lines=lines, topics=f"cluster:{name}", context=context)


@operator_view
def connection(request: HttpRequest, name: str) -> HttpResponse:
    """Show how cluster and studio reach each other, and the least-privilege identity."""
    cluster = cluster_or_404(name)
    asked = [part for part in request.GET.get("namespaces", "").replace(",", " ").split() if part]
    problems: list[MooringError] = []
    for namespace in asked:
        try:
            services.check_namespace_name(namespace)
        except MooringError as error:
            problems.append(error)
    given = [compute.namespace for compute in cluster.computes.all()] + ([] if problems else asked)
    extension = bool(request.GET.get("extension"))
    context = cluster_frame(cluster, "connection") | {
        "manifest": manifests.least_privilege(given, extension=extension),
        "with_extension": extension,
        "command": manifests.kubeconfig_command(),
        "namespaces": request.GET.get("namespaces", ""),
        "namespace_problems": problems,
        "manifest_query": "&".join([*(f"namespace={each}" for each in given), *(["extension=yes"] if extension else [])]),
        "routes": _routes(cluster),
    }
    return _page(request, "compute/cluster_connection.html", context)


@operator_view
def events(request: HttpRequest, name: str) -> HttpResponseBase:
    """List what happened to a cluster: each change of its state, and why."""
    cluster = cluster_or_404(name)
    context = cluster_frame(cluster, "events")
    rows, topics = cluster.changes.all(), f"cluster:{name}"
    return list_page(
        request, tables.CHANGES, "compute/cluster_events.html", rows=rows, lines=tables.change_lines, topics=topics, context=context
    )


@require_GET
@operator_view
def audit(request: HttpRequest, name: str) -> HttpResponseBase:
    """List who did what to a cluster, or send it as a file."""
    cluster = cluster_or_404(name)
    context = cluster_frame(cluster, "audit")
    rows = about("cluster", cluster.pk)
    return audit_page(
        request, OBJECT_AUDIT, "compute/cluster_audit.html", rows, name=f"audit-{name}", topics="audit", context=context
    )


@operator_view
def edit(request: HttpRequest, name: str) -> HttpResponse:
    """Rename a cluster."""
    cluster = cluster_or_404(name)
    form = RenameForm(request.POST if request.method == "POST" else None, initial={"name": cluster.name})
    problems: list[Any] = []
    if request.method == "POST" and form.is_valid():
        try:
            services.edit_cluster(request.user, cluster, name=form.cleaned_data["name"])
        except MooringError as error:
            problems = show_problems(form, error)
        else:
            messages.success(request, "Cluster renamed.")
            return redirect("compute:cluster", name=cluster.name)
    cluster = cluster_or_404(name)
    context = cluster_frame(cluster, "", here="Rename") | {"form": form, "problems": problems}
    return render(request, "compute/cluster_edit.html", context, status=422 if form.errors or problems else 200)


@operator_view
@require_POST
def probe(request: HttpRequest, name: str) -> HttpResponse:
    """Have a cluster looked at again."""
    cluster = cluster_or_404(name)
    services.probe_again(request.user, cluster)
    messages.info(request, f"{cluster.name} is being looked at.")
    return redirect("compute:cluster", name=cluster.name)


@operator_view
def detach(request: HttpRequest, name: str) -> HttpResponse:
    """Say what goes with a cluster, ask once, and let it go."""
    cluster = cluster_or_404(name)
    if request.method == "POST":
        forget = bool(request.POST.get("forget"))
        services.detach_cluster(request.user, cluster, forget=forget)
        if forget:
            messages.success(request, f"{name} was forgotten. Nothing in it was changed.")
            return redirect("compute:cluster-list")
        messages.info(request, f"{name} is being detached.")
        return redirect("compute:cluster", name=name)
    context = cluster_frame(cluster, "", here="Detach") | {
        "going": services.what_goes(cluster),
        "can_forget": cluster.status in (ClusterStatus.UNREACHABLE, ClusterStatus.DETACHING),
    }
    return render(request, "compute/cluster_detach.html", context)


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """Answer the whole page, or only its live part to the page itself."""
    part = "#live" if request.htmx and not request.htmx.boosted else ""  # type: ignore[attr-defined]
    return render(request, template + part, context)


def _owners(nodes: list[Any]) -> list[dict[str, Any]]:
    """Return who takes how much of the cluster, workspaces first."""
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for node in nodes:
        for part in node.runs:
            key = (part["kind"], part["owner"])
            whole = sums.setdefault(key, {"owner": part["owner"], "kind": part["kind"], "cpu": 0.0, "memory": 0.0, "gpu": 0.0, "pods": 0})
            for name in ("cpu", "memory", "gpu", "pods"):
                whole[name] += part[name]
    return sorted(sums.values(), key=lambda row: (row["kind"] != "workspace", -row["cpu"]))


def _routes(cluster: Cluster) -> list[dict[str, str]]:
    words = {"proxy": "Pod proxy", "port-forward": "Port-forward", "pods-log": "Pod log"}
    rows = []
    for route, title in words.items():
        said = (cluster.log_route_detail or {}).get(route, "")
        state = "pending" if not said else "passed" if said.startswith("answered") else "refused"
        rows.append({"title": title, "state": state, "said": said, "chosen": "yes" if cluster.log_route == route else ""})
    return rows
