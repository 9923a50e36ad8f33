"""The settings of the extension under the names of the original, read from a mapping or from key=value lists.

Pure: what is wrong comes back all at once, each with its key. The names and which of them need each other:
https://learn.microsoft.com/azure/machine-learning/how-to-deploy-kubernetes-extension
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compute.kube.names import is_dns_name, is_label_key, is_label_value

SERVICE_TYPES = {"loadBalancer": "LoadBalancer", "nodePort": "NodePort", "clusterIP": "ClusterIP"}
FLAGS = {"enableTraining": False, "enableInference": False, "allowInsecureConnections": False, "inferenceRouterHA": True}
TEXTS = ("inferenceRouterServiceType", "sslSecret", "sslCname")
PLACES = ("nodeSelector", "workLoadToleration")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
TOLERATION_KEYS = ("key", "operator", "value", "effect", "tolerationSeconds")
# Settings of the original that have no place here, and what stands in for them.
ELSEWHERE = {
    "sslCertPemFile": "Upload the certificate on the cluster's page, tab Network (`mooring cluster network certificate`).",
    "sslKeyPemFile": "Upload the key with its certificate on the cluster's page, tab Network (`mooring cluster network certificate`).",
    "internalLoadBalancerProvider": "Annotate the Service in the cluster's own way; it is kept.",
    "installVolcano": "The studio needs no Volcano.",
    "installPromOp": "The studio samples figures itself; no Prometheus operator is needed.",
    "installNvidiaDevicePlugin": "Install the NVIDIA device plugin or GPU operator beside the extension.",
    "installDcgmExporter": "Install the DCGM exporter beside the extension.",
}
_TOLERATION = re.compile(r"workLoadToleration\[(\d{1,3})\]\.(\w+)\Z")


@dataclass(frozen=True)
class Wrong:
    """One thing that is wrong with settings, at the key that it is about."""

    field: str
    text: str


@dataclass(frozen=True)
class Wanted:
    """The settings of an extension."""

    enable_training: bool = False
    enable_inference: bool = False
    allow_insecure: bool = False
    service_type: str = ""
    highly_available: bool = True
    ssl_secret: str = ""
    ssl_cname: str = ""
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def has_tls(self) -> bool:
        """Tell whether the router has a listener with TLS."""
        return self.enable_inference and bool(self.ssl_cname)

    @property
    def has_http(self) -> bool:
        """Tell whether the router has a listener without TLS."""
        return self.enable_inference and self.allow_insecure

    def as_settings(self) -> dict[str, Any]:
        """Return the settings under their names, as they are kept and shown."""
        settings: dict[str, Any] = {
            "enableTraining": self.enable_training,
            "enableInference": self.enable_inference,
            "allowInsecureConnections": self.allow_insecure,
            "inferenceRouterServiceType": self.service_type,
            "inferenceRouterHA": self.highly_available,
            "sslSecret": self.ssl_secret,
            "sslCname": self.ssl_cname,
            "nodeSelector": dict(self.node_selector),
            "workLoadToleration": [dict(each) for each in self.tolerations],
        }
        return settings


def read_pairs(pairs: Iterable[str]) -> dict[str, Any]:
    """Return `key=value` texts as a mapping; raises ValueError with a sentence for one that is not a pair."""
    given: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"{pair!r} is not of the form key=value.")
        given[key.strip()] = value.strip()
    return given


def flattened(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with one key a value (`nodeSelector.disk`, `workLoadToleration[0].key`), as the original writes them."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if key == "nodeSelector" and isinstance(value, Mapping):
            flat |= {f"nodeSelector.{name}": one for name, one in value.items()}
        elif key == "workLoadToleration" and isinstance(value, list):
            flat |= {f"workLoadToleration[{index}].{name}": one for index, each in enumerate(value)
                     if isinstance(each, Mapping) for name, one in each.items()}  # fmt: skip
        else:
            flat[key] = value
    return flat


def merged(settings: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with some of them changed; an empty value takes a key out."""
    whole = flattened(settings)
    for key, value in flattened(change).items():
        if value is None or value == "":
            whole.pop(key, None)
        else:
            whole[key] = value
    return whole


def read(given: Mapping[str, Any]) -> tuple[Wanted, list[Wrong]]:
    """Return what settings ask for, and everything that is wrong with them."""
    wrongs: list[Wrong] = []
    for key in PLACES:
        if key in given and not isinstance(given[key], dict if key == "nodeSelector" else list):
            wrongs.append(Wrong(key, f"{key} is {'a mapping' if key == 'nodeSelector' else 'a list'}."))
    flat = flattened({key: value for key, value in given.items() if key not in {each.field for each in wrongs}})
    flags = {key: _flag(flat, key, default, wrongs) for key, default in FLAGS.items()}
    texts = {key: str(flat.get(key) or "").strip() for key in TEXTS}
    wanted = Wanted(
        enable_training=flags["enableTraining"],
        enable_inference=flags["enableInference"],
        allow_insecure=flags["allowInsecureConnections"],
        service_type=_service_type(texts["inferenceRouterServiceType"], wrongs),
        highly_available=flags["inferenceRouterHA"],
        ssl_secret=texts["sslSecret"],
        ssl_cname=texts["sslCname"].lower(),
        node_selector=_node_selector(flat, wrongs),
        tolerations=_tolerations(flat, wrongs),
    )
    wrongs += _unknown(flat)
    wrongs += _combinations(wanted, texts)
    return wanted, wrongs


def _flag(flat: Mapping[str, Any], key: str, default: bool, wrongs: list[Wrong]) -> bool:
    value = flat.get(key)
    if value is None or value == "":
        return default
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("true", "false"):
        return word == "true"
    wrongs.append(Wrong(key, f"{key} is True or False, not {str(value)[:40]!r}."))
    return default


def _service_type(text: str, wrongs: list[Wrong]) -> str:
    for known in SERVICE_TYPES:
        if text.lower() == known.lower():
            return known
    if text:
        wrongs.append(Wrong("inferenceRouterServiceType", f"It is one of {', '.join(SERVICE_TYPES)}, not {text[:40]!r}."))
    return ""


def _node_selector(flat: Mapping[str, Any], wrongs: list[Wrong]) -> dict[str, str]:
    selector: dict[str, str] = {}
    for key, value in flat.items():
        if not key.startswith("nodeSelector."):
            continue
        label = key.removeprefix("nodeSelector.")
        if not is_label_key(label):
            wrongs.append(Wrong(key, f"{label!r} cannot be the key of a label."))
        elif not is_label_value(str(value)):
            wrongs.append(Wrong(key, f"{str(value)[:63]!r} cannot be the value of a label."))
        else:
            selector[label] = str(value)
    return selector


def _tolerations(flat: Mapping[str, Any], wrongs: list[Wrong]) -> list[dict[str, Any]]:
    rows: dict[int, dict[str, Any]] = {}
    for key, value in flat.items():
        match = _TOLERATION.match(key)
        if not match:
            continue
        if match[2] not in TOLERATION_KEYS:
            wrongs.append(Wrong(key, f"A toleration has {', '.join(TOLERATION_KEYS)}."))
        elif value not in (None, ""):
            rows.setdefault(int(match[1]), {})[match[2]] = value
    return [_toleration(index, rows[index], wrongs) for index in sorted(rows)]


def _toleration(index: int, row: dict[str, Any], wrongs: list[Wrong]) -> dict[str, Any]:
    place = f"workLoadToleration[{index}]"
    operator = str(row.get("operator") or "Equal")
    effect = str(row.get("effect") or "")
    if operator not in ("Equal", "Exists"):
        wrongs.append(Wrong(f"{place}.operator", f"It is Equal or Exists, not {operator[:40]!r}."))
    if effect and effect not in EFFECTS:
        wrongs.append(Wrong(f"{place}.effect", f"It is one of {', '.join(EFFECTS)}, not {effect[:40]!r}."))
    if operator == "Equal" and not row.get("key"):
        wrongs.append(Wrong(f"{place}.key", "A toleration with the operator Equal names a key."))
    if row.get("key") and not is_label_key(str(row["key"])):
        wrongs.append(Wrong(f"{place}.key", f"{str(row['key'])[:63]!r} cannot be the key of a taint."))
    if operator == "Exists" and row.get("value"):
        wrongs.append(Wrong(f"{place}.value", "A toleration with the operator Exists has no value."))
    toleration = {key: str(row[key]) for key in ("key", "value", "effect") if row.get(key)} | {"operator": operator}
    if row.get("tolerationSeconds") not in (None, ""):
        try:
            toleration["tolerationSeconds"] = int(row["tolerationSeconds"])  # type: ignore[assignment]
        except (TypeError, ValueError):
            wrongs.append(Wrong(f"{place}.tolerationSeconds", "It is a whole number of seconds."))
    return toleration


def _unknown(flat: Mapping[str, Any]) -> list[Wrong]:
    wrongs = []
    for key in flat:
        known = key in FLAGS or key in TEXTS or key in PLACES or key.startswith("nodeSelector.") or _TOLERATION.match(key)
        if key in ELSEWHERE:
            wrongs.append(Wrong(key, f"{key} is not a setting here. {ELSEWHERE[key]}"))
        elif not known:
            wrongs.append(Wrong(key, f"There is no setting {key}."))
    return wrongs


def _combinations(wanted: Wanted, texts: Mapping[str, str]) -> list[Wrong]:
    wrongs = []
    if not wanted.enable_training and not wanted.enable_inference:
        wrongs.append(Wrong("enableTraining", "Enable training, inference, or both: without them there is nothing to install."))
    if wanted.enable_inference:
        if not texts["inferenceRouterServiceType"]:
            wrongs.append(Wrong("inferenceRouterServiceType", "With inference, say how the router is exposed: "
                                f"{', '.join(SERVICE_TYPES)}."))  # fmt: skip
        if not wanted.ssl_cname and not wanted.allow_insecure:
            wrongs.append(Wrong("sslCname", "The router speaks TLS: give the name in its certificate, or allow insecure connections."))
        if wanted.ssl_secret and not wanted.ssl_cname:
            wrongs.append(Wrong("sslCname", "A certificate goes with the name that stands in it."))
    if wanted.ssl_cname and not is_dns_name(wanted.ssl_cname):
        wrongs.append(Wrong("sslCname", f"{wanted.ssl_cname[:80]!r} is not a host name."))
    if wanted.ssl_secret and not is_dns_name(wanted.ssl_secret):
        wrongs.append(Wrong("sslSecret", f"{wanted.ssl_secret[:80]!r} cannot be the name of a Secret."))
    return wrongs
