"""A cluster that someone else runs: the sandbox only looks whether it answers."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from sandbox import versions
from sandbox.console import Console
from sandbox.errors import SandboxError
from sandbox.places import cache_folder, state_folder
from sandbox.shell import run


def is_own(kubeconfig: str) -> bool:
    """Tell whether a kubeconfig is one that the sandbox wrote itself."""
    return state_folder() in Path(kubeconfig.split(os.pathsep)[0]).expanduser().resolve().parents


def check(kubeconfig: str, console: Console) -> None:
    """Ask the given cluster for its version; raise SandboxError when it does not answer."""
    kubectl = shutil.which("kubectl") or next(
        (str(path) for path in sorted((cache_folder() / "bin").glob("kubernetes-*/kubectl"), reverse=True)), None
    )
    if not Path(kubeconfig.split(os.pathsep)[0]).expanduser().exists():
        raise SandboxError("cluster", f"there is no kubeconfig at {kubeconfig}.", "Give the path of one that exists.")
    if not kubectl:
        console.say(f"using the cluster of {kubeconfig} (not asked for its version: there is no kubectl here)")
        return
    answer = run(
        [kubectl, f"--kubeconfig={kubeconfig}", "--request-timeout=10s", "version", "-o", "json"],
        part="cluster",
        todo=f"Check {kubeconfig}, or unset KUBECONFIG to have a cluster made here (Kubernetes {versions.DEFAULT_KUBERNETES}).",
        timeout=60,
    )
    console.say(f"using the cluster of {kubeconfig}: {_server_version(answer)}")


def _server_version(answer: str) -> str:
    version: str = json.loads(answer).get("serverVersion", {}).get("gitVersion", "version unknown")
    return version
