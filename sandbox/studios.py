"""Which studios were attached to a cluster made here, and the removal of what one has left whose data folder is gone.

A cluster outlives the studios beside it. What belongs to one bears its identity (the label ``mooring.dev/studio``); nobody else
may use those names, and only the studio itself would tidy up. So the cluster's folder remembers each identity with its data
folder, and the data folder says which identity it has, in its database or in a file: it may move, another studio may take its place,
and a backup of the first may be put back.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import binaries, process
from sandbox.cluster import Record
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.kubectl import Kubectl
from sandbox.locks import held
from sandbox.places import ClusterPlace, read_json, state_folder, write_json, write_text
from sandbox.shell import direct_env, run

LABEL = "mooring.dev/studio"
WORKSPACE, COMPUTE = "mooring.dev/workspace", "mooring.dev/compute"
MANAGED = "app.kubernetes.io/managed-by=mooring"
SYSTEM = "mooring-system"
RELEASE, GATEWAY, GATEWAY_CLASS = "mooring-extension", "mooring-router", "mooring"
OWNED_BY_ROUTER = f"gateway.envoyproxy.io/owning-gateway-name={GATEWAY}"
TYPES = "instancetypes.mooring.dev"
ROUTES = "httproutes.gateway.networking.k8s.io"
MARKER, DATABASE = "studio-identity", "mooring.sqlite3"
ROUTER_SECONDS, GONE_SECONDS = 20, 120


@dataclass(frozen=True)
class Studio:
    """One studio that was attached: its identity and where its data lay."""

    identity: str
    data: Path

    @property
    def is_gone(self) -> bool:
        """Whether its data folder is no more, or belongs to another studio."""
        return identity_of(self.data) != self.identity


def identity_of(data: Path) -> str:
    """Return the identity that a data folder has, nothing while it has none."""
    if kept := kept_identity(data):
        return kept
    try:
        return (data / MARKER).read_text().strip()
    except OSError:
        return ""


def kept_identity(data: Path) -> str:
    """Return the identity in the database of a data folder, if one lies there: a restored backup brings its own along."""
    try:
        with closing(sqlite3.connect(f"{(data / DATABASE).absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            found = database.execute("select value from compute_studioidentity").fetchone()
    except sqlite3.Error:
        return ""
    return str(found[0]) if found else ""


def remember(name: str, identity: str, data: Path) -> None:
    """Remember that the studio of a data folder is about to use the cluster; a folder that was moved is followed."""
    place = ClusterPlace.of(name)
    if not place.root.is_dir():
        return
    if not (data / MARKER).exists() or (data / MARKER).read_text().strip() != identity:
        write_text(data / MARKER, f"{identity}\n", 0o600)
    with _lock(name):
        known = read_json(_file(place))
        if known.get(identity) != str(data):
            write_json(_file(place), {**known, identity: str(data)})


def known(name: str) -> list[Studio]:
    """Return the studios that the cluster remembers."""
    return [Studio(identity, Path(str(data))) for identity, data in sorted(read_json(_file(ClusterPlace.of(name))).items())]


def gone(name: str) -> list[Studio]:
    """Return those whose data folder is gone."""
    return [studio for studio in known(name) if studio.is_gone]


def sweep(name: str, studios: list[Studio], console: Console) -> list[str]:
    """Remove from a cluster what belongs to studios that nobody can start any more; return what was removed."""
    place = ClusterPlace.of(name)
    record = Record.load(place)
    if not studios or record is None or record.mode == "given":
        return []
    if not process.is_running(place):
        raise SandboxError("cluster", f"“{name}” does not run.", f"Run “python -m sandbox up --name {name}” first.")
    tool, removed = Kubectl(place, record.version), []
    with _lock(name, console):
        there = present(tool)
        for studio in studios:
            if studio.identity in there:
                with console.working(f"removing what the studio of {studio.data} has left"):
                    found = Sweep(tool, studio.identity).run()
                for each in found:
                    console.say(f"  removed {each}")
                removed += found
            _forget(place, studio.identity)
    return removed


def forget(name: str, data: Path) -> None:
    """Forget the studio of a data folder, which has left nothing in the cluster."""
    with _lock(name):
        _forget(ClusterPlace.of(name), identity_of(data))


def _forget(place: ClusterPlace, identity: str) -> None:
    if identity in (now := read_json(_file(place))):
        write_json(_file(place), {key: value for key, value in now.items() if key != identity})


def present(tool: Kubectl) -> set[str]:
    """Return the identities of which something is in a cluster."""
    found = {each["metadata"]["labels"][LABEL] for each in tool.get("namespaces", "-l", LABEL)["items"]}
    if has(tool, TYPES):
        found.add(tool.get("crd", TYPES)["metadata"].get("annotations", {}).get(LABEL, ""))
        found |= {each["metadata"]["labels"][LABEL] for each in tool.get(TYPES, "-l", LABEL)["items"]}
    return (found | {owner(tool)}) - {""}


def owner(tool: Kubectl) -> str:
    """Return whose the extension is that is in a cluster, nothing while there is none."""
    if not tool("get", "secrets", "-n", SYSTEM, "-l", f"owner=helm,name={RELEASE}", "-o", "name", "--ignore-not-found").strip():
        return ""
    values: Any = json.loads(helm(tool, "get", "values", RELEASE, "-o", "json") or "null")
    return str(values.get("studio") or "") if isinstance(values, dict) else ""


def helm(tool: Kubectl, *words: str) -> str:
    """Run Helm in the namespace of the extension."""
    found = binaries.present(binaries.HELM)
    if found is None:
        raise SandboxError("helm", "it is neither on this machine nor in the cache.", "Run “python -m sandbox up” first.")
    argv: list[str | Path] = [found / "helm", f"--kubeconfig={tool.place.kubeconfig}", f"--namespace={SYSTEM}", *words]
    todo = "Look at the release with helm, and run “python -m sandbox sweep” again."
    return run(argv, part="helm", todo=todo, env=direct_env(KUBECONFIG=""), timeout=180)


def has(tool: Kubectl, definition: str) -> bool:
    """Tell whether a cluster knows a custom resource."""
    return bool(tool("get", "crd", definition, "-o", "name", "--ignore-not-found").strip())


class Sweep:
    """The removal of what one identity has in a cluster, in the order in which nothing holds anything else up."""

    def __init__(self, tool: Kubectl, identity: str) -> None:
        self.tool = tool
        self.identity = identity
        self.selector = f"{LABEL}={identity}"
        self.removed: list[str] = []

    def run(self) -> list[str]:
        """Remove all of it; return what it was."""
        self._extension()
        made = [name for name in self._names("namespaces", f"{self.selector},{MANAGED}") if name != SYSTEM]
        for name in made:
            # Whatever runs is not waited for.
            self.tool("delete", "jobs,deployments,pods", "--all", "-n", name, "--grace-period=0", "--force", "--wait=false", timeout=90)
        for name in self._names("namespaces", self.selector):
            if name not in (SYSTEM, *made):
                self.tool("label", "namespace", name, f"{LABEL}-", f"{WORKSPACE}-", f"{COMPUTE}-")
                self.removed.append(f"the label of namespace {name}")
        if has(self.tool, TYPES):
            self._delete("instancetype.mooring.dev", self._names(TYPES, self.selector))
        # All at once: each takes a while to go.
        self._delete("namespace", [*made, *self._system()])
        self._definition()
        return self.removed

    def _extension(self) -> None:
        """Uninstall the extension when it is this studio's: first the router, which only a running gateway takes down."""
        if owner(self.tool) != self.identity:
            return
        if has(self.tool, ROUTES) and self.tool("get", ROUTES, "-A", "-l", f"{LABEL},{LABEL}!={self.identity}", "-o", "name").strip():
            return  # endpoints of others answer through it: theirs is the decision to take it over
        if has(self.tool, "gateways.gateway.networking.k8s.io"):
            self.tool("delete", "gateway.gateway.networking.k8s.io", GATEWAY, "-n", SYSTEM, "--ignore-not-found", "--wait=false")
            deadline = time.monotonic() + ROUTER_SECONDS
            envoys = ("get", "deployments", "-n", SYSTEM, "-l", OWNED_BY_ROUTER, "-o", "name")
            while time.monotonic() < deadline and self.tool(*envoys).strip():
                time.sleep(0.5)
            self.tool("delete", "deployments,services,configmaps,serviceaccounts", "-n", SYSTEM, "-l", OWNED_BY_ROUTER)
        helm(self.tool, "uninstall", RELEASE, "--ignore-not-found", "--timeout=120s")
        if has(self.tool, "gatewayclasses.gateway.networking.k8s.io"):
            held_up = self.tool("get", "gatewayclass", GATEWAY_CLASS, "-o", "name", "--ignore-not-found").strip()
            if held_up:  # by the finalizer of a controller that has just gone
                self.tool("patch", "gatewayclass", GATEWAY_CLASS, "--type=merge", "--patch", '{"metadata":{"finalizers":null}}')
        self.removed.append(f"the extension with its router ({RELEASE} in {SYSTEM})")

    def _system(self) -> list[str]:
        """Return the namespace that studios share if it goes; it stays when another one uses it, without what is this one's in there."""
        found = self.tool("get", "namespace", SYSTEM, "-o", "json", "--ignore-not-found").strip()
        if not found:
            return []
        mine = json.loads(found)["metadata"].get("labels", {}).get(LABEL) == self.identity
        others = sorted(self._others())
        if mine and not others:
            return [SYSTEM]
        if mine:
            self.tool("label", "namespace", SYSTEM, f"{LABEL}={others[0]}", "--overwrite")
        self.tool("delete", "secrets,pods", "-n", SYSTEM, "-l", self.selector)
        return []

    def _definition(self) -> None:
        """Remove the custom resource that this studio has installed, once nobody has anything of its kind."""
        if not has(self.tool, TYPES):
            return
        installed = self.tool.get("crd", TYPES)["metadata"].get("annotations", {}).get(LABEL)
        if installed == self.identity and not self._others() and not self._names(TYPES):
            self._delete("crd", [TYPES])

    def _others(self) -> set[str]:
        found = {each["metadata"]["labels"][LABEL] for each in self.tool.get("namespaces", "-l", LABEL)["items"]}
        return found - {self.identity}

    def _names(self, kind: str, selector: str = "") -> list[str]:
        listed = self.tool("get", kind, *(("-l", selector) if selector else ()), "-o", "name")
        return [line.partition("/")[2] for line in listed.split()]

    def _delete(self, kind: str, names: list[str]) -> None:
        if not names:
            return
        self.tool(
            "delete", kind, *names, "--ignore-not-found", f"--timeout={GONE_SECONDS}s", "--request-timeout=0", timeout=GONE_SECONDS + 10
        )
        self.removed += [f"{kind.partition('.')[0]} {name}" for name in names]


def _file(place: ClusterPlace) -> Path:
    return place.root / "studios.json"


def _lock(name: str, console: Console | None = None) -> Any:
    quiet = Console(quiet=True)
    return held(state_folder() / f"{name}.studios.lock", f"what studios have left in the cluster “{name}”", console or quiet)
