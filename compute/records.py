"""Write what was seen of a cluster into its rows; says whether anything changed that a page shows."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils import timezone

from compute.models import Cluster, InstanceType, Node
from compute.observe import SeenNode, SeenType, observe_type
from compute.selectors import capacity_of

FIELDS = [name for name in SeenNode.__dataclass_fields__ if name != "name"]
GPU_PRODUCT = "nvidia.com/gpu.product"


def keep_nodes(cluster: Cluster, seen: Iterable[SeenNode], *, there: Collection[str] | None = None) -> bool:
    """Make the rows of a cluster's nodes as seen; True when something changed.

    With the names of all nodes that are `there`, those that were not seen now stay as they are; without, they are gone.
    """
    now = timezone.now()
    wanted = {each.name: each for each in seen}
    with transaction.atomic():
        rows = cluster.nodes.all() if there is None else cluster.nodes.filter(name__in=list(wanted))
        existing = {row.name: row for row in rows}
        names = existing if there is None else cluster.nodes.values_list("name", flat=True)
        gone = [name for name in names if name not in (wanted if there is None else there)]
        changed = [
            Node(cluster=cluster, seen_at=now, **asdict(each))
            for name, each in wanted.items()
            if (row := existing.get(name)) is None or any(getattr(row, key) != getattr(each, key) for key in FIELDS)
        ]
        if gone:
            cluster.nodes.filter(name__in=gone).delete()
        # Two writers at once (a probe and the watch) write the same thing.
        Node.objects.bulk_create(
            changed, update_conflicts=True, unique_fields=["cluster", "name"], update_fields=[*FIELDS, "seen_at"], batch_size=100
        )
    return bool(gone or changed)


def node_facts(cluster: Cluster) -> dict[str, Any]:
    """Return the sums over a cluster's node rows for its `facts`."""
    # Of a thousand nodes, what their rows hold besides takes longer to read than all of the rest.
    capacity = capacity_of(cluster.nodes.only("ready", "schedulable", "allocatable", "requested", "pods"))
    labels = cluster.nodes.filter(labels__has_key=GPU_PRODUCT).values_list("labels", flat=True)
    return {**asdict(capacity), "gpu_products": sorted({each[GPU_PRODUCT] for each in labels if each[GPU_PRODUCT]})}


def keep_instance_type(cluster: Cluster, obj: Mapping[str, Any], group: str) -> InstanceType:
    """Make the row of one instance type as its object is."""
    seen = asdict(observe_type(obj, group))
    name = seen.pop("name")
    seen.pop("group")
    row, _ = InstanceType.objects.update_or_create(cluster=cluster, group=group, name=name, defaults=seen)
    return row


def keep_instance_types(cluster: Cluster, seen: Iterable[SeenType], group: str) -> bool:
    """Make the rows of one group's instance types as seen; True when something changed."""
    wanted = {each.name: each for each in seen}
    with transaction.atomic():
        existing = {row.name: row for row in cluster.instance_types.filter(group=group)}
        gone = [name for name in existing if name not in wanted]
        if gone:
            cluster.instance_types.filter(group=group, name__in=gone).delete()
        touched = False
        for name, each in wanted.items():
            values = asdict(each)
            row = existing.get(name)
            if row is None:
                InstanceType.objects.get_or_create(cluster=cluster, group=group, name=name, defaults=values)
                touched = True
            elif any(getattr(row, key) != value for key, value in values.items()):
                for key, value in values.items():
                    setattr(row, key, value)
                row.save()
                touched = True
    return bool(gone) or touched
