"""Names and labels of objects in a cluster, derived from ids, always valid and never colliding.

Rules: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and …/labels/.
"""

import hashlib
import re
from collections.abc import Mapping

MANAGED_BY = "app.kubernetes.io/managed-by"
KIND = "mooring.dev/kind"
ID = "mooring.dev/id"
WORKSPACE = "mooring.dev/workspace"
COMPUTE = "mooring.dev/compute"
MANAGER = "mooring"

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


def is_dns_label(text: str) -> bool:
    """Tell whether the text can name a namespace, a service or a container (RFC 1123 label)."""
    return _DNS_LABEL.fullmatch(text) is not None


def is_namespace(text: str) -> bool:
    """Tell whether the text can name a namespace."""
    return is_dns_label(text)


def is_dns_name(text: str) -> bool:
    """Tell whether the text can name most objects (RFC 1123 subdomain, 253 characters)."""
    return len(text) <= 253 and _DNS_SUBDOMAIN.fullmatch(text) is not None


def is_label_key(text: str) -> bool:
    """Tell whether the text can be a label's or an annotation's key."""
    prefix, slash, name = text.rpartition("/")
    if slash and not is_dns_name(prefix):
        return False
    return _QUALIFIED.fullmatch(name) is not None


def is_label_value(text: str) -> bool:
    """Tell whether the text can be a label's value."""
    return text == "" or _QUALIFIED.fullmatch(text) is not None


def label_value(text: str) -> str:
    """Return a label value for any text: the text itself if it may stand, else ``<safe>---<hash8>``.

    Two texts never get the same value by accident: what looks like a derived value is derived again.
    """
    if is_label_value(text) and not _looks_derived(text):
        return text
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-_.")[:52].strip("-_.")
    return f"{safe or 'x'}---{_hash8(text)}"


def object_name(prefix: str, identity: object, *, limit: int = 63) -> str:
    """Return a DNS label such as ``mj-calm-otter-8f3k`` for a row's id; what cannot stand is hashed.

    The limit is for kinds whose pods get a suffix (a Job's name: 63 less what Kubernetes adds).
    """
    text = f"{prefix}-{identity}"
    if len(text) <= limit and is_dns_label(text) and not _looks_derived(text):
        return text
    safe = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[: limit - 11].strip("-")
    return f"{safe or 'x'}---{_hash8(text)}"


def standard_labels(kind: str, identity: object, *, workspace: str | None = None, compute: object | None = None) -> dict[str, str]:
    """Return the labels by which the studio knows its own objects."""
    labels = {MANAGED_BY: MANAGER, KIND: label_value(kind), ID: label_value(str(identity))}
    if workspace is not None:
        labels[WORKSPACE] = label_value(workspace)
    if compute is not None:
        labels[COMPUTE] = label_value(str(compute))
    return labels


def selector(labels: Mapping[str, str | None]) -> str:
    """Return a label selector; None means that the key must only be there."""
    for key, value in labels.items():
        if not is_label_key(key) or (value is not None and not is_label_value(value)):
            raise ValueError(f"not a label: {key}={value}")
    return ",".join(key if value is None else f"{key}={value}" for key, value in labels.items())


def _looks_derived(text: str) -> bool:
    return re.search(r"---[0-9a-f]{8}$", text) is not None


def _hash8(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
