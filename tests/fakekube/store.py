"""The objects of a fake API server: versions, uids, conflicts, server-side apply, owners, a log for watches."""

import copy
import datetime
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compute.kube import kinds
from compute.kube.kinds import Kind
from tests.fakekube.selectors import field_selector, label_selector

Object = dict[str, Any]
Key = tuple[str, str]  # group, plural


class Refusal(Exception):
    """Say what the API server would answer instead of success."""

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    def as_status(self) -> Object:
        """Return the ``Status`` object."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }


class NoSuchPath(Exception):
    """Say that nothing is served there; the API server answers that in plain text."""


@dataclass(frozen=True)
class Event:
    """Record one change for the watches."""

    version: int
    key: Key
    before: Object | None
    after: Object | None


@dataclass(frozen=True)
class Selection:
    """Choose objects by namespace, labels and fields."""

    namespace: str | None
    labels: Callable[[Object], bool]
    fields: Callable[[Object], bool]

    @classmethod
    def of(cls, namespace: str | None, query: Mapping[str, str]) -> "Selection":
        """Read a request's query."""
        return cls(namespace, label_selector(query.get("labelSelector", "")), field_selector(query.get("fieldSelector", "")))

    def matches(self, obj: Object | None) -> bool:
        """Tell whether an object is chosen."""
        if obj is None or (self.namespace and obj["metadata"].get("namespace") != self.namespace):
            return False
        return self.labels(obj) and self.fields(obj)


class Store:
    """Keep objects as an API server does; every method is one request's work."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.kinds: dict[Key, list[Kind]] = {}
        self.objects: dict[Key, dict[tuple[str, str], Object]] = {}
        self.log: list[Event] = []
        self.version = 1000
        self.floor = 0
        self.on_create: list[Callable[[Kind, Object], None]] = []
        self._owned: dict[str, dict[str, dict[tuple[str, ...], Any]]] = {}
        for kind in kinds.BUILT_IN:
            self.register(kind)

    def register(self, kind: Kind) -> None:
        """Make a kind known."""
        known = self.kinds.setdefault((kind.group, kind.plural), [])
        if all(each.version != kind.version for each in known):
            known.append(kind)
        self.objects.setdefault((kind.group, kind.plural), {})

    def kind(self, group: str, version: str, plural: str) -> Kind:
        """Return a kind, or raise NoSuchPath."""
        for kind in self.kinds.get((group, plural), []):
            if kind.version == version:
                return kind
        raise NoSuchPath

    def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        """Return a copy of an object."""
        with self.changed:
            return copy.deepcopy(self._held(kind, namespace, name))

    def all(self, kind: Kind, selection: Selection | None = None) -> tuple[list[Object], int]:
        """Return the chosen objects in order of their names, and the version of that look."""
        chosen = selection or Selection.of(None, {})
        with self.changed:
            held = sorted(self.objects[(kind.group, kind.plural)].items())
            return [copy.deepcopy(obj) for _, obj in held if chosen.matches(obj)], self.version

    def create(self, kind: Kind, namespace: str | None, manifest: Object, *, dry_run: bool = False) -> Object:
        """Add an object."""
        with self.changed:
            obj = copy.deepcopy(manifest)
            metadata = obj.setdefault("metadata", {})
            if not metadata.get("name") and metadata.get("generateName"):
                metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
            name = metadata.get("name")
            if not name:
                raise Refusal(422, "Invalid", "metadata.name: Required value: name or generateName is required")
            self._check_namespace(kind, namespace)
            if (namespace or "", name) in self.objects[(kind.group, kind.plural)]:
                raise Refusal(409, "AlreadyExists", f'{kind} "{name}" already exists', name=name, kind=kind.plural)
            if kind.namespaced:
                metadata["namespace"] = namespace
            obj["apiVersion"], obj["kind"] = kind.api_version, obj.get("kind") or kind.name
            metadata["uid"] = str(uuid.uuid4())
            metadata["creationTimestamp"] = now()
            metadata["generation"] = 1
            if dry_run:
                metadata["resourceVersion"] = str(self.version)
                return obj
            if kind == kinds.NAMESPACE:
                obj.setdefault("status", {"phase": "Active"})
                metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = name
            self._write(kind, None, obj)
            if kind == kinds.CRD:
                self._register_custom(obj)
            for hook in self.on_create:
                hook(kind, copy.deepcopy(obj))
            return self.get(kind, namespace, name)

    def update(self, kind: Kind, namespace: str | None, name: str, change: Callable[[Object], None]) -> Object:
        """Change an object in place and record it; drop it when its last finalizer went while it is being deleted."""
        with self.changed:
            before = self._held(kind, namespace, name)
            after = copy.deepcopy(before)
            change(after)
            if after == before:
                return copy.deepcopy(before)
            if after.get("spec") != before.get("spec"):
                after["metadata"]["generation"] = before["metadata"].get("generation", 1) + 1
            if after["metadata"].get("deletionTimestamp") and not after["metadata"].get("finalizers"):
                self._remove(kind, before)
                return after
            self._write(kind, before, after)
            if kind == kinds.CRD:
                self._register_custom(after)
            return copy.deepcopy(after)

    def merge(self, kind: Kind, namespace: str | None, name: str, patch: Object, subresource: str | None) -> Object:
        """Merge a patch (RFC 7396)."""
        wanted = (patch.get("metadata") or {}).get("resourceVersion")

        def change(obj: Object) -> None:
            if wanted is not None and wanted != obj["metadata"]["resourceVersion"]:
                raise Refusal(409, "Conflict", "the object has been modified; please apply your changes again")
            part = {"status": patch.get("status")} if subresource == "status" else patch
            merged(obj, {key: value for key, value in part.items() if key not in {"apiVersion", "kind"}})

        return self.update(kind, namespace, name, change)

    def apply(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        manifest: Object,
        *,
        manager: str,
        force: bool,
        dry_run: bool,
    ) -> tuple[Object, bool]:
        """Apply on the server: fields are owned by managers, lists as a whole; return the object, and if it is new."""
        with self.changed:
            leaves = _leaves(manifest)
            existing = self.objects[(kind.group, kind.plural)].get((namespace or "", name))
            if existing is None:
                made = self.create(kind, namespace, manifest, dry_run=dry_run)
                if not dry_run:
                    self._owned[made["metadata"]["uid"]] = {manager: leaves}
                    made = self.update(kind, namespace, name, lambda obj: _note_manager(obj, manager))
                return made, True
            owned = self._owned.setdefault(existing["metadata"]["uid"], {})
            if not force:
                _refuse_conflicts(existing, owned, manager, leaves)
            gone = [path for path in owned.get(manager, {}) if path not in leaves]
            others = {path for other, fields in owned.items() if other != manager for path in fields}

            def change(obj: Object) -> None:
                for path in gone:
                    if path not in others:
                        _drop(obj, path)
                for path, value in leaves.items():
                    _put(obj, path, value)
                _note_manager(obj, manager)

            if dry_run:
                tried = copy.deepcopy(existing)
                change(tried)
                return tried, False
            owned[manager] = leaves
            for other, fields in owned.items():
                if other != manager and force:
                    owned[other] = {path: value for path, value in fields.items() if path not in leaves}
            return self.update(kind, namespace, name, change), False

    def delete(self, kind: Kind, namespace: str | None, name: str, options: Object) -> Object:
        """Delete an object and, unless they are orphaned, what it owns."""
        with self.changed:
            obj = self._held(kind, namespace, name)
            wanted = (options.get("preconditions") or {}).get("uid")
            if wanted and wanted != obj["metadata"]["uid"]:
                raise Refusal(
                    409,
                    "Conflict",
                    f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {obj['metadata']['uid']}",
                )
            # Jobs are the kind whose default, kept for old clients, is to orphan.
            policy = options.get("propagationPolicy") or ("Orphan" if kind == kinds.JOB else "Background")
            if obj["metadata"].get("finalizers"):
                self.update(kind, namespace, name, lambda each: each["metadata"].update(deletionTimestamp=now()))
                return copy.deepcopy(obj)
            self._remove(kind, obj)
            if policy != "Orphan":
                self._remove_owned_by(obj["metadata"]["uid"])
            if kind == kinds.NAMESPACE:
                self._empty(name)
            return copy.deepcopy(obj)

    def expire(self) -> None:
        """Forget the past: watches from before now are answered with 410."""
        with self.changed:
            self.version += 1
            self.floor = self.version
            self.log.clear()
            self.changed.notify_all()

    def _held(self, kind: Kind, namespace: str | None, name: str) -> Object:
        held = self.objects[(kind.group, kind.plural)].get((namespace or "", name))
        if held is None:
            raise Refusal(404, "NotFound", f'{kind} "{name}" not found', name=name, kind=kind.plural, group=kind.group)
        return held

    def _check_namespace(self, kind: Kind, namespace: str | None) -> None:
        if kind.namespaced and (not namespace or ("", namespace) not in self.objects[("", "namespaces")]):
            raise Refusal(404, "NotFound", f'namespaces "{namespace}" not found', name=namespace, kind="namespaces")

    def _write(self, kind: Kind, before: Object | None, after: Object) -> None:
        self.version += 1
        after["metadata"]["resourceVersion"] = str(self.version)
        place = (after["metadata"].get("namespace", ""), after["metadata"]["name"])
        self.objects[(kind.group, kind.plural)][place] = after
        self._record(kind, before, copy.deepcopy(after))

    def _remove(self, kind: Kind, obj: Object) -> None:
        self.version += 1
        self.objects[(kind.group, kind.plural)].pop((obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))
        self._owned.pop(obj["metadata"]["uid"], None)
        last = copy.deepcopy(obj)
        last["metadata"]["resourceVersion"] = str(self.version)
        self._record(kind, last, None)

    def _record(self, kind: Kind, before: Object | None, after: Object | None) -> None:
        self.log.append(Event(self.version, (kind.group, kind.plural), before, after))
        self.changed.notify_all()

    def _remove_owned_by(self, uid: str) -> None:
        for key, held in list(self.objects.items()):
            for obj in list(held.values()):
                owners = obj["metadata"].get("ownerReferences") or []
                if any(owner.get("uid") == uid for owner in owners):
                    self._remove(self.kinds[key][0], obj)
                    self._remove_owned_by(obj["metadata"]["uid"])

    def _empty(self, namespace: str) -> None:
        for key, held in list(self.objects.items()):
            for obj in [each for place, each in held.items() if place[0] == namespace]:
                self._remove(self.kinds[key][0], obj)

    def _register_custom(self, crd: Object) -> None:
        spec = crd.get("spec") or {}
        for version in spec.get("versions") or []:
            names = spec["names"]
            namespaced = spec.get("scope") == "Namespaced"
            self.register(Kind(spec["group"], version["name"], names["plural"], names["kind"], namespaced=namespaced))
        if not crd.get("status"):
            established = {"type": "Established", "status": "True", "reason": "InitialNamesAccepted"}
            self.update(
                kinds.CRD,
                None,
                crd["metadata"]["name"],
                lambda obj: obj.update(
                    status={
                        "conditions": [established],
                        "storedVersions": [v["name"] for v in spec.get("versions") or []],
                    }
                ),
            )


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def merged(target: Object, patch: Object) -> Object:
    """Merge a patch into a dictionary in place (RFC 7396)."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            target[key] = merged(target[key] if isinstance(target.get(key), dict) else {}, value)
        else:
            target[key] = copy.deepcopy(value)
    return target


def _refuse_conflicts(
    existing: Object,
    owned: dict[str, dict[tuple[str, ...], Any]],
    manager: str,
    leaves: dict[tuple[str, ...], Any],
) -> None:
    for other, fields in owned.items():
        clash = [path for path, value in leaves.items() if path in fields and _at(existing, path) != value]
        if other != manager and clash:
            path = "." + ".".join(clash[0])
            raise Refusal(409, "Conflict", f'Apply failed with 1 conflict: conflict with "{other}": {path}')


def _note_manager(obj: Object, manager: str) -> None:
    entries = obj["metadata"].setdefault("managedFields", [])
    if all(entry["manager"] != manager for entry in entries):
        entries.append({"manager": manager, "operation": "Apply", "apiVersion": obj["apiVersion"]})


def _leaves(manifest: Object, prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for key, value in manifest.items():
        path = (*prefix, key)
        if path in {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}:
            continue
        if isinstance(value, dict) and value:
            found.update(_leaves(value, path))
        else:
            found[path] = copy.deepcopy(value)
    return found


def _at(obj: Object, path: tuple[str, ...]) -> Any:
    place: Any = obj
    for key in path:
        place = place.get(key) if isinstance(place, dict) else None
    return place


def _put(obj: Object, path: tuple[str, ...], value: Any) -> None:
    place = obj
    for key in path[:-1]:
        if not isinstance(place.get(key), dict):
            place[key] = {}
        place = place[key]
    place[path[-1]] = copy.deepcopy(value)


def _drop(obj: Object, path: tuple[str, ...]) -> None:
    place = obj
    for key in path[:-1]:
        place = place.get(key, {})
    place.pop(path[-1], None)
