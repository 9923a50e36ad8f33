"""What the objects of the extension say: state of each, what it waits for, and where the router answers. Pure functions."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from compute.extension.wanted import Wanted
from compute.kube.names import is_dns_name
from compute.router import GATEWAY

Object = Mapping[str, Any]

READY, WAITING, FAILED, MISSING = "ready", "pending", "failed", "missing"
# Shown first and in this order; what merely has to be there comes after.
WORKING = ("Deployment", "Service", "Gateway", "GatewayClass", "SecurityPolicy", "ClientTrafficPolicy", "EnvoyProxy", "Job", "Secret")
# A pod that waits for one of these does not get further by itself.
STUCK = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CrashLoopBackOff", "CreateContainerConfigError",
         "CreateContainerError", "RunContainerError")  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """One object: its state (ready, pending, failed, missing) and what it waits for."""

    kind: str
    name: str
    namespace: str
    state: str
    text: str = ""

    def as_row(self) -> dict[str, str]:
        """Return it as rows keep it."""
        return asdict(self)

    @property
    def main(self) -> bool:
        """Tell whether it does something, and is not only there."""
        return self.kind in WORKING


def observe(rendered: Object, found: Object | None, pods: Iterable[Object] = ()) -> Seen:
    """Return what an object of the release says; `found` is it as it is in the cluster, None when it is not there."""
    metadata = rendered["metadata"]
    kind, name, place = str(rendered["kind"]), str(metadata["name"]), str(metadata.get("namespace") or "")
    if found is None:
        return Seen(kind, name, place, MISSING, "Not there yet")
    if found["metadata"].get("deletionTimestamp"):
        return Seen(kind, name, place, WAITING, "On its way out")
    differs = _differs(rendered, found)
    if differs:
        return Seen(kind, name, place, WAITING, differs)
    look = _LOOKS.get(kind)
    state, text = look(found, list(pods)) if look else (READY, "")
    return Seen(kind, name, place, state, text[:400])


def worst(rows: Sequence[Mapping[str, str]]) -> tuple[str, str]:
    """Return the state of all together, and the first reason for it with the object that gives it."""
    for state in (FAILED, MISSING, WAITING):
        for row in rows:
            if row["state"] == state:
                return state, f"{row['kind']} {row['name']}: {row['text'] or row['state']}"
    return READY, ""


def pod_reason(pod: Object) -> tuple[str, str]:
    """Return what a pod waits for and whether it is stuck: (state, text)."""
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state = container.get("state") or {}
        waiting = state.get("waiting") or {}
        reason = str(waiting.get("reason") or "")
        if reason in STUCK:
            message = str(waiting.get("message") or "") or _last_end(container)
            return FAILED, f"{reason} ({container.get('name')}): {message}"[:300].rstrip(": ")
        if reason and reason not in ("PodInitializing", "ContainerCreating"):
            return WAITING, f"{reason}: {waiting.get('message', '')}"[:300].rstrip(": ")
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return WAITING, f"Not scheduled: {condition.get('message') or condition.get('reason')}"
    phase = str(status.get("phase") or "")
    if phase == "Running":
        return WAITING, "Its pod runs and is not ready yet"
    return WAITING, f"Its pod is {phase.lower() or 'not there yet'}"


def made(objects: Iterable[Object]) -> list[dict[str, Any]]:
    """Return what Envoy Gateway is to make from a release's EnvoyProxy and Gateway, as far as we asked for it."""
    of_kind = {str(each["kind"]): each for each in objects}
    proxy, gateway = of_kind.get("EnvoyProxy"), of_kind.get("Gateway")
    if proxy is None or gateway is None:
        return []
    asked = proxy["spec"]["provider"]["kubernetes"]
    deployment, service, place = asked["envoyDeployment"], asked["envoyService"], proxy["metadata"].get("namespace")
    pod = deployment.get("pod") or {}
    pod_spec = {"nodeSelector": pod.get("nodeSelector") or {}, "tolerations": pod.get("tolerations") or []}
    image = (deployment.get("container") or {}).get("image")
    if image:
        pod_spec["image"] = image
    ports = sorted(int(listener["port"]) for listener in gateway["spec"]["listeners"])
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": deployment["name"], "namespace": place},
         "asked": {"replicas": deployment["replicas"], **pod_spec}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": service["name"], "namespace": place},
         "asked": {"type": service["type"], "ports": ports}},
    ]  # fmt: skip


def _differs(rendered: Object, found: Object) -> str:
    """Return what of an object that Envoy Gateway makes is not as asked yet: it has not come to it, and what stands is old."""
    asked = rendered.get("asked")
    if not asked:
        return ""
    spec = found.get("spec") or {}
    pod = (spec.get("template") or {}).get("spec") or {}
    images = [each.get("image") for each in pod.get("containers") or [] if each.get("name") == "envoy"]
    now = {
        "replicas": spec.get("replicas"),
        "nodeSelector": pod.get("nodeSelector") or {},
        "tolerations": pod.get("tolerations") or [],
        "image": images[0] if images else None,
        "type": spec.get("type"),
        "ports": sorted(int(port["port"]) for port in spec.get("ports") or []),
    }
    return next((f"Envoy Gateway has not changed its {key} yet" for key, value in asked.items() if now[key] != value), "")


def _deployment(found: Object, pods: list[Object]) -> tuple[str, str]:
    status = found.get("status") or {}
    wanted = int((found.get("spec") or {}).get("replicas") or 0)
    current = int(status.get("observedGeneration") or 0) >= int(found["metadata"].get("generation") or 0)
    updated, available = int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0)
    total = int(status.get("replicas") or 0)
    if current and updated >= wanted and available >= wanted and total <= wanted:
        return READY, f"{available} of {wanted} available"
    counted = f"{min(available, updated) if total <= wanted else max(wanted - (total - updated), 0)} of {wanted} available"
    waiting = [pod_reason(pod) for pod in pods if not _is_ready(pod) and not pod["metadata"].get("deletionTimestamp")]
    stuck = next((each for each in waiting if each[0] == FAILED), None)
    if stuck:
        return FAILED, f"{counted}. {stuck[1]}"
    for condition in status.get("conditions") or []:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return FAILED, f"{counted}. {condition.get('message')}"
    if waiting:
        return WAITING, f"{counted}. {waiting[0][1]}"
    return WAITING, f"{counted}. Old pods are ending" if total > wanted else counted


def _job(found: Object, pods: list[Object]) -> tuple[str, str]:
    for condition in (found.get("status") or {}).get("conditions") or []:
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
            return (READY, "Done") if condition["type"] == "Complete" else (FAILED, str(condition.get("message") or "It failed"))
    waiting = [pod_reason(pod) for pod in pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    return waiting[0] if waiting else (WAITING, "Running")


def _gateway(found: Object, pods: list[Object]) -> tuple[str, str]:
    status = found.get("status") or {}
    state, text = _conditions(found, status.get("conditions"), ("Accepted", "Programmed"))
    for listener in status.get("listeners") or []:
        bad, why = _conditions(found, listener.get("conditions"), ("Accepted", "ResolvedRefs", "Programmed"))
        if bad != READY:
            return bad, f"Listener {listener.get('name')}: {why}"
    return state, text


def _gateway_class(found: Object, pods: list[Object]) -> tuple[str, str]:
    return _conditions(found, (found.get("status") or {}).get("conditions"), ("Accepted",))


def _policy(found: Object, pods: list[Object]) -> tuple[str, str]:
    ancestors = (found.get("status") or {}).get("ancestors") or []
    for ancestor in ancestors:
        state, text = _conditions(found, ancestor.get("conditions"), ("Accepted",))
        if state != READY:
            return state, text
    return (READY, "Accepted") if ancestors else (WAITING, "Nobody has looked at it yet")


def _service(found: Object, pods: list[Object]) -> tuple[str, str]:
    spec = found.get("spec") or {}
    kind = str(spec.get("type") or "ClusterIP")
    if kind == "LoadBalancer":
        addresses = _ingress(found)
        return (READY, f"LoadBalancer {addresses[0]}") if addresses else (WAITING, "The load balancer has no address yet")
    ports = [str(port.get("nodePort") or port["port"]) for port in spec.get("ports") or []]
    return READY, f"{kind} {', '.join(ports)}"


def _conditions(found: Object, conditions: Any, wanted: Sequence[str]) -> tuple[str, str]:
    """Return whether all wanted conditions are true of this generation, and why the first is not."""
    known = {each.get("type"): each for each in conditions or []}
    generation = int(found["metadata"].get("generation") or 0)
    for kind in wanted:
        condition = known.get(kind)
        if condition is None or int(condition.get("observedGeneration") or generation) < generation or condition.get("status") == "Unknown":
            return WAITING, f"Not {kind.lower()} yet"
        if condition.get("status") != "True":
            # Programmed comes by itself when pods and address are there; the others say what is wrong.
            soft = kind == "Programmed" and condition.get("reason") in ("Pending", "AddressNotAssigned", "NoResources")
            return WAITING if soft else FAILED, f"{kind}: {condition.get('reason')}: {condition.get('message')}"
    return READY, ", ".join(wanted)


_LOOKS = {
    "Deployment": _deployment,
    "Job": _job,
    "Gateway": _gateway,
    "GatewayClass": _gateway_class,
    "SecurityPolicy": _policy,
    "ClientTrafficPolicy": _policy,
    "Service": _service,
}


def locate(wanted: Wanted, service: Object | None, nodes: Iterable[Object]) -> dict[str, Any]:
    """Return where the router answers as `compute.router` reads it, or why that is not known."""
    scheme = "https" if wanted.has_tls else "http"
    base: dict[str, Any] = {"scheme": scheme, "service": GATEWAY}
    if service is None:
        return base | {"reason": "Envoy's Service is not there yet."}
    spec = service.get("spec") or {}
    number = 443 if scheme == "https" else 80
    ports = [port for port in spec.get("ports") or [] if int(port.get("port") or 0) == number]
    if not ports:
        return base | {"reason": f"The Service has no port {number} yet."}
    kind = spec.get("type")
    if kind == "LoadBalancer":
        addresses = _ingress(service)
        if not addresses:
            return base | {"reason": "The load balancer has no address yet.", "problem_id": "extension-no-address"}
        address = addresses[0]
    elif kind == "NodePort":
        address = _node_address(nodes)
        number = int(ports[0].get("nodePort") or 0)
        if not address:
            return base | {"reason": "No ready node has an address."}
    else:
        metadata = service["metadata"]
        address = f"{metadata['name']}.{metadata['namespace']}.svc"
        if not _is_place(address):
            return base | {"reason": "Envoy's Service has a name that is none."}
    host = wanted.ssl_cname if scheme == "https" else address
    default = (scheme, number) in (("https", 443), ("http", 80))
    shown = f"[{host}]" if ":" in host else host
    return base | {
        "host": host,
        "port": number,
        "address": address,
        "in_cluster": kind == "ClusterIP",
        "base_url": f"{scheme}://{shown}" + ("" if default else f":{number}"),
        "reason": "It answers only inside the cluster." if kind == "ClusterIP" else "",
    }


def _ingress(service: Object) -> list[str]:
    rows = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    # It stands in commands that people copy into a terminal: what is neither an address nor a name is left out.
    return [place for row in rows if _is_place(place := str(row.get("ip") or row.get("hostname") or ""))]


def _node_address(nodes: Iterable[Object]) -> str:
    """Return an address of a ready node, an external one before an internal one."""
    found: dict[str, str] = {}
    for node in nodes:
        status = node.get("status") or {}
        ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in status.get("conditions") or [])
        for address in (status.get("addresses") or []) if ready else []:
            if _is_ip(str(address.get("address"))):
                found.setdefault(str(address.get("type")), str(address["address"]))
    return found.get("ExternalIP") or found.get("InternalIP") or ""


def _is_place(text: str) -> bool:
    return _is_ip(text) or is_dns_name(text.removesuffix("."))


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    # A zone may be any text, and is none of another machine.
    return "%" not in text


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _last_end(container: Object) -> str:
    ended = (container.get("lastState") or {}).get("terminated") or {}
    if not ended:
        return ""
    return f"exit code {ended.get('exitCode')} {ended.get('reason') or ''} {ended.get('message') or ''}".strip()
