"""Talk to a cluster through kubectl, as a person would."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from sandbox import binaries, process
from sandbox.errors import SandboxError, tail
from sandbox.places import ClusterPlace, read_json
from sandbox.shell import direct_env, run, succeeds
from sandbox.versions import Version

FIELD_MANAGER = "mooring-sandbox"
NEEDED_BY_API = ("etcd", "kube-apiserver")
GIVEN_UP_AFTER = 4


class Kubectl:
    """kubectl with one cluster's administrator."""

    def __init__(self, place: ClusterPlace, version: str) -> None:
        self.place = place
        self._argv = [str(binary(version)), f"--kubeconfig={place.kubeconfig}", "--request-timeout=30s"]

    def __call__(self, *words: str, stdin: str | None = None, part: str = "kubectl", timeout: float = 60.0) -> str:
        """Run one command and return what it printed."""
        todo = f"Look at the logs in {self.place.logs} and run “python -m sandbox up --name {self.place.name}” again."
        env = direct_env(KUBECONFIG="", HOME=str(self.place.root))
        return run([*self._argv, *words], part=part, todo=todo, stdin=stdin, timeout=timeout, env=env)

    def get(self, *words: str) -> dict[str, Any]:
        """Return objects as a dict."""
        found: dict[str, Any] = json.loads(self("get", *words, "-o", "json"))
        return found

    def raw(self, path: str) -> str:
        """Return the answer of one path of the API server."""
        return self("get", "--raw", path)

    def apply(self, manifests: list[dict[str, Any]], *more: str) -> None:
        """Apply manifests on the server's side under the sandbox's own field manager."""
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        self(
            "apply", "--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}", "-f", "-", *more,
            stdin=listed, timeout=180,
        )  # fmt: skip

    def wait(self, kind: str, name: str, condition: str, *, part: str, seconds: int) -> None:
        """Wait until an object is there and has a condition; on failure show the end of the component's log."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                found = self.get(kind, name)
            except SandboxError:
                found = {}
            conditions = found.get("status", {}).get("conditions", [])
            if any(one["type"] == condition and one["status"] == "True" for one in conditions):
                return
            time.sleep(0.5)
        raise SandboxError(
            part,
            f"{kind} {name} was not {condition} within {seconds} s.",
            f"Look at {self.place.logs / part}.log, then run “python -m sandbox up --name {self.place.name}” again.",
            log=tail(self.place.logs / f"{part}.log"),
        )

    def rollout(self, namespace: str, name: str, seconds: int = 180) -> None:
        """Wait for a deployment; on failure show its pods' own words."""
        try:
            self("rollout", "status", f"deployment/{name}", "-n", namespace, f"--timeout={seconds}s",
                 "--request-timeout=0", timeout=seconds + 10)  # fmt: skip
        except SandboxError as error:
            label = f"-l=app.kubernetes.io/name={name}"
            for words in (("get", "events", "-n", namespace), ("logs", "-n", namespace, label, "--tail=15")):
                try:
                    error.log += self(*words).splitlines()[-15:]
                except SandboxError:
                    continue
            error.part = name
            raise


def binary(version: str) -> Path:
    """Return the kubectl of a Kubernetes version, wherever it was found."""
    cached = binaries.kubernetes(Version.parse(version), node=False).folder / "kubectl"
    if cached.exists():
        return cached
    own = shutil.which("kubectl")
    if own:
        return Path(own)
    raise SandboxError("kubectl", "it is not on this machine.", "Run “python -m sandbox up” first.")


def is_ready(place: ClusterPlace, version: str) -> bool:
    """Tell whether the API server says that it is ready."""
    if not place.kubeconfig.exists():
        return False
    try:
        argv: list[str | Path] = [
            binary(version),
            f"--kubeconfig={place.kubeconfig}",
            "--request-timeout=5s",
            "get",
            "--raw",
            "/readyz",
        ]
    except SandboxError:
        return False
    return succeeds(argv)


def has_addons(place: ClusterPlace, version: str) -> bool:
    """Tell whether the node is ready and the add-ons of a full node are in the cluster and run."""
    tool = Kubectl(place, version)
    try:
        ready = {one["metadata"]["name"] for one in tool.get("deployments", "-A")["items"] if one["status"].get("readyReplicas", 0) > 0}
        tool.raw("/apis/metrics.k8s.io/v1beta1/nodes")
    except SandboxError:
        return False
    return {"coredns", "metrics-server", "local-path-provisioner"} <= ready


def wait_for_api(place: ClusterPlace, version: str, seconds: float = 180.0) -> None:
    """Wait until the API server is ready; fail at once with the component's log when one keeps dying."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_ready(place, version):
            return
        if not process.is_running(place):
            raise SandboxError(
                "supervisor", "it ended while the cluster was starting.",
                f"Look at {place.logs} and run the command again.", log=tail(place.logs / "supervisor.out"),
            )  # fmt: skip
        for name, state in read_json(place.health).items():
            # The others give up and start again while a slow machine's API server is not there yet.
            if name in NEEDED_BY_API and len(state.get("exits", [])) >= GIVEN_UP_AFTER:
                raise _dying(place, name, state["exits"])
        time.sleep(0.3)
    raise SandboxError(
        "kube-apiserver", f"it was not ready within {seconds:.0f} s.",
        f"Look at {place.logs} and run the command again.", log=tail(place.logs / "kube-apiserver.log"),
    )  # fmt: skip


def _dying(place: ClusterPlace, name: str, exits: list[int]) -> SandboxError:
    process.stop(place)
    return SandboxError(
        name, f"it ended {len(exits)} times in a row, last with code {exits[-1]}.",
        f"Mend what its log names and run “python -m sandbox up --name {place.name}” again.",
        log=tail(place.logs / f"{name}.log"),
    )  # fmt: skip
