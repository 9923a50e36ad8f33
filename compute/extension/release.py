"""What Helm keeps of a release in the cluster: one Secret a revision, read here without Helm."""

import base64
import binascii
import hashlib
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

import yaml

from compute.kube import kinds
from compute.kube.client import KubeClient

RELEASE = "mooring-extension"
NAMESPACE = "mooring-system"
PENDING = ("pending-install", "pending-upgrade", "pending-rollback")
MARK = "mooring.dev/operation"
# A Secret holds 1 MiB, and what is packed in it may unpack to a thousand times that; a release of ours has less than one.
MOST_BYTES = 32 * 1024 * 1024

Object = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One revision in Helm's history; `uid` is that of its Secret."""

    revision: int
    status: str
    operation: str
    name: str
    uid: str
    at: int = 0


@dataclass(frozen=True)
class Release:
    """One revision whole: what was rendered, from which charts and values."""

    revision: int
    status: str
    description: str
    manifest: str
    hooks: list[Object] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    charts: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what was rendered."""
        return hashlib.sha256(self.manifest.encode()).hexdigest()

    @property
    def objects(self) -> list[Object]:
        """Return the rendered objects."""
        return [each for each in yaml.load_all(self.manifest, Loader=_LOADER) if isinstance(each, dict) and each.get("kind")]


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def history(client: KubeClient) -> list[Entry]:
    """Return the revisions that Helm knows, oldest first."""
    found = client.list(kinds.SECRET, NAMESPACE, labels={"owner": "helm", "name": RELEASE})
    return sorted((_entry(each) for each in found), key=lambda entry: entry.revision)


def read_release(client: KubeClient, revision: int) -> Release | None:
    """Return one revision, or None when it is gone or cannot be read."""
    found = client.find(kinds.SECRET, f"sh.helm.release.v1.{RELEASE}.v{revision}", NAMESPACE)
    return decode(str((found.get("data") or {}).get("release") or "")) if found else None


def decode(text: str) -> Release | None:
    """Return the release in a Secret's `release`: base64 of base64 of gzip of JSON; None for what is none."""
    try:
        packed = base64.b64decode(base64.b64decode(text))
        return _release(json.loads(_unpacked(packed) if packed[:2] == b"\x1f\x8b" else packed))
    except (binascii.Error, zlib.error, yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        # Whoever may write into the namespace may write anything there.
        return None


def _unpacked(packed: bytes) -> bytes:
    reader = zlib.decompressobj(wbits=31)
    body = reader.decompress(packed, MOST_BYTES)
    if not reader.eof:
        raise ValueError("cut off, or larger than any release")
    return body


def _release(body: dict[str, Any]) -> Release:
    info, chart = body.get("info") or {}, body.get("chart") or {}
    metadata = chart.get("metadata") or {}
    charts = {str(metadata.get("name") or RELEASE): str(metadata.get("version") or "")}
    charts |= {str(each.get("name")): str(each.get("version")) for each in metadata.get("dependencies") or []}
    return Release(
        revision=int(body.get("version") or 0),
        status=str(info.get("status") or ""),
        description=str(info.get("description") or ""),
        manifest=str(body.get("manifest") or ""),
        hooks=[hook for each in body.get("hooks") or [] if (hook := yaml.load(each.get("manifest") or "", Loader=_LOADER))],  # noqa: S506 a safe loader
        values=dict(body.get("config") or {}),
        charts=charts,
    )


def owner(client: KubeClient) -> str | None:
    """Return which studio installed the release: nothing where there is none, "" where it does not say."""
    last = newest(history(client))
    found = read_release(client, last.revision) if last else None
    return str(found.values.get("studio") or "") if found else None


def last_deployed(entries: list[Entry]) -> Entry | None:
    """Return the newest revision that stands in the cluster."""
    return next((each for each in reversed(entries) if each.status == "deployed"), None)


def stood_last(entries: list[Entry]) -> Entry | None:
    """Return the newest revision that stands, or stood until the one after it was almost done.

    Helm says of the old one that it is superseded before it says of the new one that it is deployed.
    """
    return last_deployed(entries) or next((each for each in reversed(entries) if each.status == "superseded"), None)


def newest(entries: list[Entry]) -> Entry | None:
    """Return the newest revision, whatever became of it."""
    return entries[-1] if entries else None


def _entry(secret: Object) -> Entry:
    metadata = secret["metadata"]
    labels = metadata.get("labels") or {}
    return Entry(
        revision=int(labels.get("version") or 0),
        status=str(labels.get("status") or ""),
        operation=str(labels.get(MARK) or ""),
        name=metadata["name"],
        uid=str(metadata.get("uid") or ""),
        at=int(labels.get("modifiedAt") or labels.get("createdAt") or 0),
    )
