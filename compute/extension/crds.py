"""The definitions that the router needs: which of a cluster's can be used, which are ours to apply, and which stand in the way.

Planning is pure. What others installed is used when it serves what we need and never changed; nothing is ever removed.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compute.kube import kinds, names
from compute.kube.client import KubeClient
from compute.manifests import STUDIO

BUNDLE = "gateway.networking.k8s.io/bundle-version"
CHANNEL = "gateway.networking.k8s.io/channel"
# What a definition was applied from, so that a newer chart brings its newer one.
SOURCE = "mooring.dev/crd-source"
# The oldest Gateway API that has what is used: HTTPRoute v1 with mirrors, filters of a backend, and ReferenceGrant.
OLDEST = (1, 2)
NEEDED: dict[str, tuple[str, ...]] = {
    "gatewayclasses.gateway.networking.k8s.io": ("v1",),
    "gateways.gateway.networking.k8s.io": ("v1",),
    "httproutes.gateway.networking.k8s.io": ("v1",),
    "referencegrants.gateway.networking.k8s.io": ("v1beta1",),
    "envoyproxies.gateway.envoyproxy.io": ("v1alpha1",),
    "securitypolicies.gateway.envoyproxy.io": ("v1alpha1",),
    "clienttrafficpolicies.gateway.envoyproxy.io": ("v1alpha1",),
    "backendtrafficpolicies.gateway.envoyproxy.io": ("v1alpha1",),
    "httproutefilters.gateway.envoyproxy.io": ("v1alpha1",),
}
# Fields that our objects set: a definition that lacks one would drop it without a word.
FIELDS: dict[str, tuple[str, ...]] = {
    "envoyproxies.gateway.envoyproxy.io": (
        "spec.provider.kubernetes.envoyDeployment.name",
        "spec.provider.kubernetes.envoyService.name",
        "spec.shutdown.drainTimeout",
        "spec.mergeBackends",
    ),
    "securitypolicies.gateway.envoyproxy.io": ("spec.authorization.defaultAction", "spec.apiKeyAuth.sanitize", "spec.targetRefs"),
    "clienttrafficpolicies.gateway.envoyproxy.io": ("spec.tls.minVersion", "spec.targetRefs"),
    "backendtrafficpolicies.gateway.envoyproxy.io": (
        "spec.retry.retryOn",
        "spec.targetRefs",
        "spec.mergeType",
        "spec.healthCheck.panicThreshold",
    ),
    "httproutefilters.gateway.envoyproxy.io": ("spec.directResponse.body", "spec.directResponse.contentType"),
}
SERVED_SECONDS = 30.0

Object = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What to do about the definitions: apply these, use those, and why others cannot be used."""

    apply: list[Object] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        parts = [f"{len(self.apply)} applied" if self.apply else "", f"{len(self.used)} used as they are" if self.used else ""]
        return ", ".join(part for part in parts if part)


def plan(wanted: Iterable[Object], there: Mapping[str, Object], *, source: str) -> Plan:
    """Return what to do, from the definitions of the charts and those of the cluster by name; `source` names the charts."""
    apply: list[Object] = []
    used: list[str] = []
    conflicts: list[str] = []
    foreign = {name for name, crd in there.items() if not _is_ours(crd)}
    for crd in wanted:
        name = crd["metadata"]["name"]
        present = there.get(name)
        if present is None:
            # Beside a Gateway API that somebody else keeps, only what is needed is added.
            if name in NEEDED or not _same_group(name, foreign):
                apply.append(_marked(crd, source))
        elif name in foreign:
            why = _unfit(name, present)
            (conflicts if why else used).append(f"{name}: {why}" if why else name)
        elif _annotation(present, SOURCE) != source and not _is_newer(present, crd):
            apply.append(_marked(crd, source))
        else:
            used.append(name)
    return Plan(apply, used, conflicts)


def conflicts(there: Mapping[str, Object]) -> list[str]:
    """Return which of a cluster's definitions stand in the way, and why."""
    unfit = {name: _unfit(name, crd) for name, crd in there.items() if not _is_ours(crd)}
    return [f"{name}: {why}" for name, why in unfit.items() if why]


def present(client: KubeClient, wanted: Iterable[Object]) -> dict[str, Object]:
    """Return the cluster's own definitions of the same names, and of what is needed whatever the charts hold."""
    asked = {crd["metadata"]["name"] for crd in wanted} | set(NEEDED)
    found = {name: client.find(kinds.CRD, name) for name in sorted(asked)}
    return {name: crd for name, crd in found.items() if crd is not None}


def apply_plan(client: KubeClient, chosen: Plan, studio: str, *, check: Callable[[], None]) -> None:
    """Apply what is ours to apply, and wait until it is served; raises KubeError, or TimeoutError with a sentence."""
    for crd in chosen.apply:
        check()
        crd["metadata"].setdefault("annotations", {})[STUDIO] = studio
        client.apply(kinds.CRD, crd, force=True)
    deadline = time.monotonic() + SERVED_SECONDS
    waiting = [crd["metadata"]["name"] for crd in chosen.apply]
    while waiting:
        waiting = [name for name in waiting if not _is_established(client.find(kinds.CRD, name) or {})]
        if waiting and time.monotonic() > deadline:
            raise TimeoutError(f"The API server does not serve {waiting[0]} yet.")
        if waiting:
            time.sleep(0.3)


def version_of(crd: Object) -> tuple[int, ...]:
    """Return the version of the Gateway API bundle that a definition came with; () when it does not say."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", _annotation(crd, BUNDLE))
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def _unfit(name: str, crd: Object) -> str:
    """Return why a definition that others keep cannot be used; nothing when it can."""
    if name not in NEEDED:
        return ""
    version = version_of(crd)
    if version and version[:2] < OLDEST:
        return f"version {_annotation(crd, BUNDLE)}, it takes v{'.'.join(map(str, OLDEST))} or newer"
    served = {each["name"] for each in crd["spec"]["versions"] if each.get("served")}
    missing = [each for each in NEEDED[name] if each not in served]
    if missing:
        return f"{missing[0]} is not served"
    lacking = [path for path in FIELDS.get(name, ()) if not _has_field(crd, NEEDED[name][0], path)]
    return f"it has no field {lacking[0]}" if lacking else ""


def _has_field(crd: Object, version: str, path: str) -> bool:
    schema = next((each.get("schema") or {} for each in crd["spec"]["versions"] if each["name"] == version), {})
    at: Any = schema.get("openAPIV3Schema") or {}
    for part in path.split("."):
        at = (at.get("properties") or {}).get(part)
        if at is None:
            return False
    return True


def _is_newer(present: Object, ours: Object) -> bool:
    """Tell whether the cluster's definition is of a newer bundle than the charts': it is kept then."""
    return bool(version_of(present)) and version_of(present) > version_of(ours)


def _is_ours(crd: Object) -> bool:
    return (crd["metadata"].get("labels") or {}).get(names.MANAGED_BY) == names.MANAGER


def _same_group(name: str, foreign: set[str]) -> bool:
    group = name.partition(".")[2]
    return any(each.partition(".")[2] == group for each in foreign)


def _marked(crd: Object, source: str) -> Object:
    metadata = dict(crd["metadata"])
    metadata["labels"] = {**(metadata.get("labels") or {}), names.MANAGED_BY: names.MANAGER}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), SOURCE: source}
    metadata.pop("creationTimestamp", None)
    return {key: value for key, value in {**crd, "metadata": metadata}.items() if key != "status"}


def _annotation(crd: Object, key: str) -> str:
    return str((crd["metadata"].get("annotations") or {}).get(key) or "")


def _is_established(crd: Object) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or []
    return any(each.get("type") == "Established" and each.get("status") == "True" for each in conditions)
