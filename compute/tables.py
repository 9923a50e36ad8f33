"""The lists of clusters, their nodes, computes and instance types, declared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.urls import reverse

from compute.instance_types import TypeSpec
from compute.kube.quantities import is_gpu
from compute.models import Change, Cluster, ClusterStatus, Compute, ComputeStatus, Node
from compute.selectors import capacity_of
from studio.core.templatetags.mooring import confirm
from studio.core.tones import word_of
from studio.tables.declared import Choice, Column, Line, Option, Show, Since, Table, register_table, titled


def _states(values: Iterable[str]) -> list[Option]:
    return [(value, word_of(value)) for value in values]


def _workspaces(lines: Sequence[Line]) -> list[Option]:
    return titled(sorted({line.row.workspace.name for line in lines}))


def _clusters(lines: Sequence[Line]) -> list[Option]:
    return titled(sorted({line.row.cluster.name for line in lines}))


def _has_gpu(line: Line) -> bool:
    return any(is_gpu(name) for name in {**line.row.requests, **line.row.limits})


def _of(name: str, what: str) -> Any:
    return lambda line: getattr(line.row, name).get(what, 0)


def _kubernetes(line: Line) -> str:
    return f"{line.row.distribution} {line.row.kubernetes_version}".strip()


def node_state(node: Node) -> str:
    """Return a node's state in one word."""
    return "NotReady" if not node.ready else "Ready" if node.schedulable else "cordoned"


CLUSTERS = register_table(
    Table(
        key="clusters",
        noun="cluster",
        whose="operator",
        icon="server",
        cells="compute/cells.html",
        css="clusters-list",
        empty="The Kubernetes clusters that operators attach will be listed here.",
        columns=(
            Column("name", "Name", cell="cluster", sort=True),
            Column("status", "State", cell="state", sort=True, css="state-cell", value=lambda line: word_of(line.row.status)),
            Column("distribution", "Kubernetes", cell="kubernetes", sort=True, value=_kubernetes),
            Column("nodes", "Nodes", sort=True, number=True, shown=False, value=lambda line: line.extra["capacity"].nodes),
            Column("cpu", "CPU", cell="cluster-cpu", sort=True, value=lambda line: line.extra["capacity"].cpu),
            Column("memory", "Memory", cell="cluster-memory", sort=True, value=lambda line: line.extra["capacity"].memory),
            Column("gpu", "GPU", cell="cluster-gpu", sort=True, value=lambda line: line.extra["capacity"].gpu),
            Column("computes", "Computes", sort=True, number=True, value=lambda line: line.row.compute_count),
            Column("server", "Address", sort=True, shown=False, css="mono"),
            Column("seen_at", "Seen", sort=True, shown=False),
        ),
        sort="name",
        filters=(
            Choice("state", "State", _states(ClusterStatus.values), of=lambda line: line.row.status, counted=True, also=("status",)),
            Choice("distribution", "Kubernetes", lambda lines: titled(sorted({line.row.distribution for line in lines})), free=True),
        ),
        search=True,
        placeholder="Name, distribution or address",
    )
)

NODES = register_table(
    Table(
        key="nodes",
        css="clusters-list",
        noun="node",
        whose="operator",
        icon="server-2",
        cells="compute/cells.html",
        empty="No node of this cluster was seen yet.",
        columns=(
            Column("name", "Name", cell="node", sort=True),
            Column("status", "State", cell="node-state", sort=True, css="state-cell", value=lambda line: word_of(node_state(line.row))),
            Column("cpu", "CPU", cell="node-cpu", sort=True, value=_of("allocatable", "cpu")),
            Column("memory", "Memory", cell="node-memory", sort=True, value=_of("allocatable", "memory")),
            Column("gpu", "GPU", cell="node-gpu", sort=True, value=_of("allocatable", "gpu")),
            Column("pods", "Pods", cell="node-pods", sort=True, number=True),
            Column("kubelet_version", "Kubelet", sort=True),
            Column("labels", "Taints and labels", cell="node-labels", css="wide"),
        ),
        sort="name",
        shows=(
            Show("all", "All"),
            Show("ready", "Ready", keeps=lambda line: node_state(line.row) == "Ready"),
            Show("trouble", "Not ready or cordoned", keeps=lambda line: node_state(line.row) != "Ready"),
            Show("gpu", "With GPUs", keeps=lambda line: bool(line.row.allocatable.get("gpu"))),
        ),
        search=True,
        placeholder="Name, version or label",
    )
)

COMPUTES = register_table(
    Table(
        key="computes",
        noun="compute",
        whose="operator",
        icon="cpu",
        cells="compute/cells.html",
        empty="The namespaces of this cluster that workspaces were given will be listed here.",
        columns=(
            Column("name", "Compute", cell="compute", sort=True),
            Column("status", "State", cell="compute-state", sort=True, css="state-cell", value=lambda line: word_of(line.row.shown_status)),
            Column("workspace", "Workspace", sort=True, value=lambda line: line.row.workspace.name),
            Column("namespace", "Namespace", cell="namespace", sort=True, css="mono"),
            Column("default_instance_type", "Default instance type", value=lambda line: line.row.default_instance_type or "the cluster's"),
            Column("running", "Running", sort=True, number=True, value=lambda line: line.extra["running"]),
            Column("created_at", "Attached", sort=True),
            Column("description", "Description", shown=False, css="wide"),
        ),
        sort="name",
        filters=(
            Choice(
                "state",
                "State",
                _states(ComputeStatus.values),
                of=lambda line: line.row.shown_status,
                counted=True,
                free=True,
                also=("status",),
            ),
            Choice("workspace", "Workspace", _workspaces, of=lambda line: line.row.workspace.name, free=True),
        ),
        search=True,
        placeholder="Compute, workspace or namespace",
    )
)

# The same of one workspace, which may have namespaces of several clusters; its page shows cards.
WORKSPACE_COMPUTES = register_table(
    replace(
        COMPUTES,
        key="workspace-computes",
        whose="workspace",
        columns=(
            *(one for one in COMPUTES.columns if one.key not in ("workspace", "running")),
            Column("cluster", "Cluster", sort=True, value=lambda line: line.row.cluster.name),
        ),
        filters=(
            *(one for one in COMPUTES.filters if one.key != "workspace"),
            Choice("cluster", "Cluster", _clusters, of=lambda line: line.row.cluster.name, free=True),
        ),
        placeholder="Compute, cluster or namespace",
    )
)

TYPES = register_table(
    Table(
        key="instance-types",
        noun="instance type",
        whose="operator",
        icon="cpu",
        cells="compute/cells.html",
        empty="Sizes that jobs may name will be listed here.",
        columns=(
            Column("name", "Name", cell="type", sort=True),
            Column("size", "May use", css="text-nowrap"),
            Column("requested", "Requested", css="text-nowrap"),
            Column("where", "Where", cell="type-where", css="wide", value=lambda line: line.row.node_selector),
            Column("fit", "Fits now", sort=True, number=True, value=lambda line: line.extra["fit"].count),
            Column("group", "Kept as", cell="type-group", value=lambda line: "implicit" if line.row.implicit else line.row.group),
            Column("description", "Description", shown=False, css="wide"),
        ),
        sort="name",
        shows=(
            Show("all", "All"),
            Show("fit", "Fits now", keeps=lambda line: bool(line.extra["fit"].count)),
            Show("gpu", "With GPUs", keeps=_has_gpu),
        ),
        search=True,
        placeholder="Name or label of nodes",
    )
)


CHANGES = register_table(
    Table(
        key="cluster-events",
        noun="event",
        whose="operator",
        icon="history",
        cells="compute/cells.html",
        empty="Each change of this cluster's state will be listed here, with its reason.",
        columns=(
            Column("at", "When", cell="change-at", sort="id", css="text-nowrap", value=lambda line: line.row.at),
            Column("status", "State", cell="change-state", sort="status", css="state-cell", value=lambda line: word_of(line.row.status)),
            Column("old", "Was", shown=False, value=lambda line: word_of(line.row.old)),
            Column("reason", "Why", css="wide"),
        ),
        sort="-at",
        filters=(
            Choice("state", "State", _states(ClusterStatus.values), field="status", counted=True),
            Since("since", "Since", "at"),
        ),
        search=("reason",),
        placeholder="Words of the reason",
    )
)


def change_lines(changes: Iterable[Change]) -> list[Line]:
    """Return changes of a cluster's state as lines."""
    return [Line(row=row, id=f"change-{row.pk}", title=word_of(row.status)) for row in changes]


def cluster_lines(clusters: Iterable[Cluster]) -> list[Line]:
    """Return clusters, with their nodes at hand, as lines."""
    return [
        Line(
            row=row,
            id=f"cluster-{row.pk}",
            title=row.name,
            href=reverse("compute:cluster", args=[row.name]),
            extra={"capacity": capacity_of(row.nodes.all())},
        )
        for row in clusters
    ]


def node_lines(nodes: Iterable[Node]) -> list[Line]:
    """Return nodes as lines."""
    return [Line(row=row, id=f"node-{row.pk}", title=row.name) for row in nodes]


def compute_lines(cluster: Cluster, computes: Iterable[Compute], running: Mapping[int, int]) -> list[Line]:
    """Return computes of a cluster as lines; `running` says by id how many jobs of each run."""
    found = []
    for row in computes:
        place = [cluster.name, row.workspace.name, row.name]
        change, detach = reverse("compute:compute-change", args=place), reverse("compute:compute-detach", args=place)
        links = [{"title": "Change", "icon": "edit", "url": change}, {"title": "Detach", "icon": "unlink", "url": detach}]
        line = Line(row=row, id=f"compute-{row.pk}", title=row.name, href=change, links=links, extra={"running": running[row.pk]})
        found.append(line)
    return found


def workspace_compute_lines(computes: Iterable[Compute]) -> list[Line]:
    """Return computes of a workspace as lines."""
    return [Line(row=row, id=f"compute-{row.pk}", title=row.name) for row in computes]


def type_lines(cluster: Cluster, types: Iterable[TypeSpec], fits: Mapping[str, Any], chosen: str) -> list[Line]:
    """Return a cluster's instance types as lines; `chosen` is the default's name, `fits` how many of each fit now."""
    found = []
    for each in types:
        ours = bool(each.row and each.row.is_ours)
        found.append(
            Line(
                row=each,
                id=f"type-{each.group or 'implicit'}-{each.name}",
                title=each.name,
                href=reverse("compute:type-edit", args=[cluster.name, each.name]) if ours else "",
                links=_type_links(cluster, each, ours=ours),
                extra={"fit": fits[each.name], "is_default": each.name == chosen},
            )
        )
    return found


def _type_links(cluster: Cluster, each: TypeSpec, *, ours: bool) -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = []
    default = reverse("compute:type-default", args=[cluster.name])
    if ours:
        links.append({"title": "Edit", "icon": "edit", "url": reverse("compute:type-edit", args=[cluster.name, each.name])})
    query = {"from": each.name} | ({"override": "1"} if each.implicit else {})
    copy = reverse("compute:type-new", args=[cluster.name], query=query)
    links.append({"title": "Override", "icon": "edit", "url": copy} if each.implicit else {"title": "Copy", "icon": "copy", "url": copy})
    if ours and not each.is_default:
        links.append({"title": "Make default", "icon": "check", "post": default, "fields": {"type": each.name}})
    if each.is_default:
        links.append({"title": "No longer default", "icon": "x", "post": default, "fields": {"type": ""}})
    if ours:
        text = (
            "Jobs that run keep what they have. New jobs cannot name it any more; computes whose default it is fall back to the cluster's."
        )
        asks = confirm(title="Delete this instance type", text=text, verb="Delete instance type", goes=[each.name])
        delete = reverse("compute:type-delete", args=[cluster.name, each.name])
        links.append({"title": "Delete", "icon": "trash", "post": delete, "danger": True, "confirm": asks})
    return links
