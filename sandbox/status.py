"""What a cluster is and how it is, as one dict: asked of the cluster itself, not remembered."""

from __future__ import annotations

from typing import Any

from sandbox import addons, binaries, charts, kubectl, process
from sandbox.cluster import Record
from sandbox.configs import REGISTRY_NAME
from sandbox.errors import SandboxError
from sandbox.kubectl import Kubectl
from sandbox.layout import FullLayout
from sandbox.oci import Registry
from sandbox.places import ClusterPlace, read_json
from sandbox.simulated import SIMULATED_LABEL

NETWORK_POLICY = {
    "full": "NetworkPolicy objects are stored and not enforced: the bridge network has nothing that enforces them.",
    "simulated": "NetworkPolicy objects are stored and not enforced: nothing runs in a simulated cluster.",
    "given": "Not known: the sandbox did not choose this cluster's network.",
}


def status(name: str) -> dict[str, Any]:
    """Return what there is to know about a cluster; ``state`` is absent, down, starting, degraded, up or given."""
    place = ClusterPlace.of(name)
    record = Record.load(place)
    if record is None:
        return {
            "name": name, "state": "absent", "mode": None, "simulated": False, "kubeconfig": None, "images": {},
            **_for_the_extension(place, {}),
        }  # fmt: skip
    if record.mode == "given":
        return {
            "name": name, "state": "given", "mode": "given", "simulated": False, "kubeconfig": record.given,
            "images": {}, "network_policy": NETWORK_POLICY["given"], "network_policy_enforced": None,
            **_for_the_extension(place, {}),
        }  # fmt: skip
    layout = record.layout
    full = isinstance(layout, FullLayout)
    found: dict[str, Any] = {
        "name": name,
        "mode": record.mode,
        "simulated": not full,
        "kubeconfig": str(place.kubeconfig),
        "server": layout.server,
        "version": record.version,
        "started": record.started,
        "folder": str(place.root),
        "logs": str(place.logs),
        "host_address": layout.host_address,
        "network_policy_enforced": False,
        "network_policy": NETWORK_POLICY[record.mode],
        "registry": {"address": layout.registry, "name": REGISTRY_NAME} if isinstance(layout, FullLayout) else None,
        "images": record.images,
        **_for_the_extension(place, record.extension),
        "components": _components(place),
        "nodes": [],
        "storage_class": None,
        "metrics": False,
    }
    if not process.is_running(place):
        return {**found, "state": "down"}
    if not kubectl.is_ready(place, record.version):
        return {**found, "state": "starting"}
    found |= _seen(place, record)
    return {**found, "state": _state(found, record)}


def _for_the_extension(place: ClusterPlace, images: dict[str, str]) -> dict[str, Any]:
    """Return what installing the cluster extension takes, as far as it is on this machine."""
    helm = binaries.present(binaries.HELM)
    return {
        "programs": {"helm": str(helm / "helm")} if helm else {},
        "extension": {"charts": str(charts.folder()) if charts.are_there() else None, "images": images},
        "certificate_authority": str(place.authority) if place.authority.exists() else None,
    }


def _components(place: ClusterPlace) -> dict[str, dict[str, Any]]:
    pids = process.host_pids(place)
    return {
        name: {
            "pid": pids.get(name) or None,
            "health": "running" if pids.get(name) else "stopped",
            "restarts": max(0, int(state.get("starts", 1)) - 1),
            "log": str(place.logs / f"{name}.log"),
        }
        for name, state in read_json(place.health).items()
    }


def _seen(place: ClusterPlace, record: Record) -> dict[str, Any]:
    tool = Kubectl(place, record.version)
    found: dict[str, Any] = {}
    try:
        found["nodes"] = [_node(node) for node in tool.get("nodes")["items"]]
        if record.mode == "full":
            found["storage_class"] = _storage_class(tool)
            found["metrics"] = _has_metrics(tool)
            found["addons"] = _addons(tool)
            found["images_missing"] = _missing_images(record)
    except SandboxError as error:
        found["problem"] = error.sentence
    return found


def _node(node: dict[str, Any]) -> dict[str, Any]:
    conditions = {one["type"]: one["status"] for one in node["status"].get("conditions", [])}
    labels = node["metadata"].get("labels", {})
    return {
        "name": node["metadata"]["name"],
        "ready": conditions.get("Ready") == "True",
        "simulated": labels.get(SIMULATED_LABEL) == "true",
        "capacity": node["status"].get("capacity", {}),
    }


def _storage_class(tool: Kubectl) -> str | None:
    for one in tool.get("storageclasses")["items"]:
        if one["metadata"].get("annotations", {}).get("storageclass.kubernetes.io/is-default-class") == "true":
            return str(one["metadata"]["name"])
    return None


def _has_metrics(tool: Kubectl) -> bool:
    try:
        tool.raw("/apis/metrics.k8s.io/v1beta1/nodes")
    except SandboxError:
        return False
    return True


def _addons(tool: Kubectl) -> dict[str, bool]:
    wanted = {labels["app.kubernetes.io/name"] for labels in (addons.DNS, addons.METRICS, addons.VOLUMES)}
    return {
        one["metadata"]["name"]: one["status"].get("readyReplicas", 0) > 0
        for one in tool.get("deployments", "-A")["items"]
        if one["metadata"]["name"] in wanted
    }


def _missing_images(record: Record) -> list[str]:
    registry = Registry(FullLayout(record.slot).registry)
    parts = {name: reference.rsplit(":", 1)[1] for name, reference in {**record.images, **record.extension}.items()}
    return [name for name, tag in parts.items() if not registry.has(name, tag)]


def _state(found: dict[str, Any], record: Record) -> str:
    stopped = [one for one in found["components"].values() if one["health"] != "running"]
    unready = [node for node in found["nodes"] if not node["ready"]]
    lacking = record.mode == "full" and not (
        found["metrics"] and found["storage_class"] and found.get("addons") and all(found["addons"].values())
    )
    troubled = stopped or unready or lacking or not found["nodes"] or found.get("images_missing") or found.get("problem")
    return "degraded" if troubled else "up"
