"""IT operations: the fleet, and one cluster from all sides."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from compute import manifests, selectors, services
from compute.forms import RenameForm
from compute.models import Cluster, ClusterStatus
from compute.network.selectors import certificate_of
from compute.picture import draw_nodes
from compute.selectors import capacity_of
from compute.views.frame import cluster_frame, cluster_or_404
from studio.accounts.http import operator_view
from studio.audit.pages.views import entry_rows
from studio.audit.selectors import about
from studio.core.errors import MooringError
from studio.core.forms import show_problems


@operator_view
def cluster_list(request: HttpRequest) -> HttpResponse:
    """List the clusters: state, version, nodes, what is free."""
    rows = list(selectors.clusters().prefetch_related("nodes"))
    wanted = request.GET.get("q", "").strip().lower()
    state = request.GET.get("state", "")
    shown = [
        {"cluster": row, "capacity": capacity_of(row.nodes.all())}
        for row in rows
        if wanted in f"{row.name} {row.distribution} {row.server}".lower() and (not state or row.status == state)
    ]
    context = {
        "rows": shown,
        "q": request.GET.get("q", ""),
        "any": bool(rows),
        "crumbs": [],
        "here": "Clusters",
        "chips": _chips(request, rows, state),
        "page": {"count": len(shown), "count_text": str(len(shown)), "next": None},
    }
    template = "compute/cluster_list.html#list" if request.htmx and not request.htmx.boosted else "compute/cluster_list.html"  # type: ignore[attr-defined]
    return render(request, template, context)


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
        "computes": cluster.computes.select_related("workspace", "cluster"),
        "gpu_products": cluster.facts.get("gpu_products") or [],
        "certificate": certificate_of(cluster),
    }
    return _page(request, "compute/cluster_overview.html", context)


@operator_view
def line(request: HttpRequest, name: str) -> HttpResponse:
    """Answer what stands beside and below a cluster's name, for pages that show it already."""
    return render(request, "compute/cluster_line.html", {"cluster": cluster_or_404(name), "with_state": True})


@operator_view
def nodes(request: HttpRequest, name: str) -> HttpResponse:
    """List a cluster's nodes."""
    cluster = cluster_or_404(name)
    wanted = request.GET.get("q", "").strip().lower()
    rows = [row for row in cluster.nodes.all() if wanted in _searched(row)]
    context = cluster_frame(cluster, "nodes") | {
        "rows": rows,
        "q": request.GET.get("q", ""),
        "page": {"count": len(rows), "count_text": str(len(rows)), "next": None},
    }
    return _page(request, "compute/cluster_nodes.html", context)


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
def audit(request: HttpRequest, name: str) -> HttpResponse:
    """Show who did what to a cluster."""
    cluster = cluster_or_404(name)
    entries = list(about("cluster", cluster.pk)[:100])
    context = cluster_frame(cluster, "audit") | {"rows": entry_rows(request.user, entries), "changes": cluster.changes.all()[:50]}
    return _page(request, "compute/cluster_audit.html", context)


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


def _chips(request: HttpRequest, rows: list[Cluster], state: str) -> list[dict[str, Any]]:
    chips = [{"title": "All", "url": "?", "active": not state, "count": len(rows)}]
    for value, title in ClusterStatus.choices:
        count = sum(1 for row in rows if row.status == value)
        if count or value == state:
            chips.append({"title": title, "url": f"?state={value}", "active": state == value, "count": count})
    return chips


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


def _searched(node: Any) -> str:
    labels = " ".join(f"{key}={value}" for key, value in node.labels.items())
    return f"{node.name} {node.kubelet_version} {labels}".lower()


def _routes(cluster: Cluster) -> list[dict[str, str]]:
    words = {"proxy": "Pod proxy", "port-forward": "Port-forward", "pods-log": "Pod log"}
    rows = []
    for route, title in words.items():
        said = (cluster.log_route_detail or {}).get(route, "")
        state = "pending" if not said else "passed" if said.startswith("answered") else "refused"
        rows.append({"title": title, "state": state, "said": said, "chosen": "yes" if cluster.log_route == route else ""})
    return rows
