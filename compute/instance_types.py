"""Instance types: what a spec may hold, the implicit one, and which one counts. Pure.

Rules: the original's InstanceType (docs of Azure Machine Learning, "Create and manage instance types"): requests and
limits both name cpu and memory, as quantities that are not zero; GPUs are whole numbers and stand in limits only.
Ours adds tolerations and ephemeral storage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compute.kube.names import is_dns_name, is_label_key, is_label_value
from compute.kube.quantities import QuantityRefused, display, parse_quantity, parse_resources

OURS = "mooring.dev"
ORIGINAL = "amlarc.azureml.com"
IMPLICIT = "defaultinstancetype"
IMPLICIT_SPEC: dict[str, Any] = {
    "resources": {"requests": {"cpu": "100m", "memory": "2Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}},
}
DEFAULT_ANNOTATION = "mooring.dev/default"
PLAIN = ("cpu", "memory", "ephemeral-storage")
EFFECTS = ("", "NoSchedule", "PreferNoSchedule", "NoExecute")


@dataclass(frozen=True)
class Wrong:
    """Say what is wrong with one field of an instance type."""

    field: str
    text: str


@dataclass(frozen=True)
class TypeSpec:
    """One instance type as jobs and pages use it."""

    name: str
    group: str
    spec: Mapping[str, Any]
    description: str = ""
    is_default: bool = False
    problem: str = ""
    implicit: bool = False
    row: Any = field(default=None, compare=False, repr=False)

    @property
    def requests(self) -> dict[str, str]:
        return _texts((self.spec.get("resources") or {}).get("requests"))

    @property
    def limits(self) -> dict[str, str]:
        return _texts((self.spec.get("resources") or {}).get("limits"))

    @property
    def node_selector(self) -> dict[str, str]:
        return dict(self.spec.get("nodeSelector") or {})

    @property
    def tolerations(self) -> list[dict[str, Any]]:
        return list(self.spec.get("tolerations") or [])

    @property
    def size(self) -> str:
        """Return what a job may use, for people: `2 CPU · 2 GiB · 1 GPU`."""
        return _words(self.limits)

    @property
    def requested(self) -> str:
        """Return what a job is promised, for people, in the units of `size`."""
        return _words(self.requests)


def _words(amounts: Mapping[str, Any]) -> str:
    """Return amounts of resources for people; what is no quantity and what is none are left out."""
    parts = []
    for name, text in amounts.items():
        try:
            value = parse_quantity(text)
        except QuantityRefused:
            continue
        if value:
            parts.append(display(name, value))
    return " · ".join(parts)


def wrongs(name: str, spec: Any) -> list[Wrong]:
    """Return everything that is wrong with an instance type, each at its field; an empty list when it can be used."""
    found = []
    if not is_dns_name(name) or len(name) > 63:
        found.append(Wrong("name", "The name takes lower-case letters, digits, dashes and dots, at most 63."))
    if not isinstance(spec, Mapping):
        return [*found, Wrong("spec", "The spec must be a mapping.")]
    unknown = set(spec) - {"nodeSelector", "tolerations", "resources", "description"}
    found += [Wrong("spec", f"The spec has no field {name}.") for name in sorted(unknown)]
    found += _selector(spec.get("nodeSelector"))
    found += _tolerations(spec.get("tolerations"))
    return found + _resources(spec.get("resources"))


def effective(rows: Iterable[TypeSpec]) -> dict[str, TypeSpec]:
    """Return the instance types by name: ours before the original's, and the implicit one unless it is overridden."""
    chosen: dict[str, TypeSpec] = {}
    for row in sorted(rows, key=lambda row: row.group != OURS):
        chosen.setdefault(row.name, row)
    if IMPLICIT not in chosen:
        chosen[IMPLICIT] = TypeSpec(IMPLICIT, "", IMPLICIT_SPEC, "What jobs get that name no instance type", implicit=True)
    return dict(sorted(chosen.items()))


def default_name(types: Mapping[str, TypeSpec], wanted: str = "") -> str:
    """Return the name of the type for jobs that name none: the compute's, the cluster's, or the implicit one."""
    if wanted in types:
        return wanted
    return next((name for name, row in types.items() if row.is_default), IMPLICIT)


def _selector(selector: Any) -> list[Wrong]:
    if selector in (None, {}):
        return []
    if not isinstance(selector, Mapping):
        return [Wrong("nodeSelector", "The node selector is a mapping of labels to values.")]
    found = []
    for key, value in selector.items():
        if not isinstance(key, str) or not is_label_key(key):
            found.append(Wrong("nodeSelector", f"“{key}” cannot be a label."))
        elif not isinstance(value, str) or not is_label_value(value):
            found.append(Wrong("nodeSelector", f"“{value}” cannot be the value of the label {key}: write it as text."))
    return found


def _tolerations(tolerations: Any) -> list[Wrong]:
    if tolerations in (None, []):
        return []
    if not isinstance(tolerations, list) or not all(isinstance(each, Mapping) for each in tolerations):
        return [Wrong("tolerations", "Tolerations are a list, each with key, operator, value and effect.")]
    return [wrong for each in tolerations for wrong in _toleration(each)]


def _toleration(toleration: Mapping[str, Any]) -> list[Wrong]:
    key, operator = str(toleration.get("key") or ""), toleration.get("operator") or "Equal"
    found = []
    if key and not is_label_key(key):
        found.append(Wrong("tolerations", f"“{key}” cannot be the key of a taint."))
    if operator not in ("Equal", "Exists"):
        found.append(Wrong("tolerations", f"The operator is Equal or Exists, not {operator}."))
    if not key and operator != "Exists":
        found.append(Wrong("tolerations", "A toleration without a key takes the operator Exists."))
    if operator == "Exists" and toleration.get("value"):
        found.append(Wrong("tolerations", "The operator Exists takes no value."))
    if (toleration.get("effect") or "") not in EFFECTS:
        found.append(Wrong("tolerations", f"There is no effect {toleration.get('effect')}."))
    seconds = toleration.get("tolerationSeconds")
    if seconds is not None and not isinstance(seconds, int):
        found.append(Wrong("tolerations", "tolerationSeconds is a whole number."))
    return found


def _resources(resources: Any) -> list[Wrong]:
    if not isinstance(resources, Mapping):
        return [Wrong("resources", "An instance type takes resources with requests and limits.")]
    found: list[Wrong] = []
    for side in ("requests", "limits"):
        given = resources.get(side)
        if not isinstance(given, Mapping):
            found.append(Wrong(f"{side}.cpu", f"{side} takes cpu and memory."))
            continue
        found += [Wrong(f"{side}.{name}", f"{side} takes {name}.") for name in ("cpu", "memory") if given.get(name) in (None, "")]
        for name, value in given.items():
            found += _amount(side, name, value)
    if not found:
        found += _compared(resources["requests"], resources["limits"])
    return found


def _amount(side: str, name: str, value: Any) -> list[Wrong]:
    place = f"{side}.{name}"
    if value in (None, ""):
        # `nvidia.com/gpu: null` is how the original writes "none"; cpu and memory are missed above.
        return []
    try:
        amount = parse_quantity(value)
    except QuantityRefused as refusal:
        return [Wrong(place, str(refusal))]
    if name in PLAIN:
        if not isinstance(value, str):
            return [Wrong(place, f"{name} is written as text, such as '1' or '2Gi'.")]
        if amount <= 0:
            return [Wrong(place, f"{name} must be more than zero.")]
        if name == "memory" and amount.denominator != 1:
            return [Wrong(place, f"{value} is not a whole number of bytes: write Mi or Gi, not m.")]
        return []
    if side == "requests":
        return [Wrong(place, f"{name} stands in limits only.")]
    if "/" not in name or not is_label_key(name):
        return [Wrong(place, f"There is no resource {name}: extended resources are written vendor.com/name.")]
    if amount < 0 or amount.denominator != 1:
        return [Wrong(place, f"{name} is a whole number.")]
    return []


def _compared(requests: Mapping[str, Any], limits: Mapping[str, Any]) -> list[Wrong]:
    most = parse_resources(_texts(limits))
    return [
        Wrong(f"requests.{name}", f"{name}: {requests[name]} asked for is more than the limit {limits[name]}.")
        for name, value in parse_resources(_texts(requests)).items()
        if name in most and value > most[name]
    ]


def _texts(amounts: Any) -> dict[str, str]:
    return {name: str(value) for name, value in (amounts or {}).items() if value not in (None, "")}
