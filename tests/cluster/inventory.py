"""Everything that a cluster holds, by discovery: to compare what was there before with what is there afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from compute.kube.client import KubeClient
from compute.kube.errors import KubeError
from compute.kube.kinds import Kind

# What the cluster says of itself for a while, and what is only computed.
PASSING = {"events", "componentstatuses", "leases", "endpointslices", "endpoints", "nodes", "csinodes", "apiservices"}


@dataclass(frozen=True)
class Thing:
    """One object: where it is, and what it is called."""

    kind: str
    namespace: str
    name: str


def inventory(kube: KubeClient) -> dict[Thing, dict[str, Any]]:
    """Return every object of every kind that can be listed."""
    found = {}
    for kind in _kinds(kube):
        try:
            items = kube.list(kind)
        except KubeError:
            # A kind may come and go meanwhile, with whoever else uses the cluster.
            continue
        for item in items:
            metadata = item["metadata"]
            found[Thing(str(kind), metadata.get("namespace", ""), metadata["name"])] = item
    return found


def speaks_of(item: dict[str, Any], word: str) -> bool:
    """Tell whether an object says a word anywhere: in its name, a label, an owner, its content."""
    return word in json.dumps(item)


def _kinds(kube: KubeClient) -> list[Kind]:
    kinds = {}
    for group, versions in kube.api_groups().items():
        if group.startswith(("metrics.", "custom.metrics.", "external.metrics.")):
            continue
        for version in versions[:1]:
            root = Kind(group, version, "", "").root
            for resource in kube.call("GET", root).get("resources") or []:
                name, listable = resource["name"], "list" in resource.get("verbs", ())
                if listable and "/" not in name and name not in PASSING:
                    kinds[group, name] = Kind(group, version, name, resource["kind"], namespaced=bool(resource["namespaced"]))
    return list(kinds.values())
