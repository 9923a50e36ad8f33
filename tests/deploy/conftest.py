"""The chart of the studio, rendered as Helm renders it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import yaml

from sandbox import binaries
from sandbox.console import Console
from tests.studio_process import ROOT

CHART = ROOT / "deploy" / "charts" / "mooring"
RELEASE, NAMESPACE = "mooring", "studio-of-a-test"
Objects = list[dict[str, Any]]


class Refused(Exception):
    """Helm's own words for why it renders nothing."""


@pytest.fixture(scope="session")
def helm() -> str:
    """Return Helm's program as the sandbox has it, fetched when it is missing."""
    return str(binaries.gather([binaries.HELM], Console(quiet=True))["helm"])


@pytest.fixture(scope="session")
def render(helm: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Objects]:
    """Give what renders the chart with the values of an example and settings on top; each combination is rendered once."""
    home = tmp_path_factory.mktemp("helm")

    @cache
    def rendered(example: str, *settings: str) -> Objects:
        words = [word for setting in settings for word in ("--set", setting)]
        argv = [helm, "template", RELEASE, str(CHART), "-n", NAMESPACE, "-f", str(CHART / "examples" / f"{example}.yaml"), *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env={"HOME": str(home), "PATH": "/usr/bin:/bin"}, check=False)
        if done.returncode:
            raise Refused(done.stderr)
        return [each for each in yaml.safe_load_all(done.stdout) if each]

    return rendered


def of(objects: Objects, kind: str, name: str = "") -> list[dict[str, Any]]:
    """Return the objects of a kind, of a name where one is given."""
    return [each for each in objects if each["kind"] == kind and name in ("", each["metadata"]["name"])]


def pods(objects: Objects) -> dict[str, dict[str, Any]]:
    """Return the pod's spec of each workload by its component."""
    found = [each for each in objects if each["kind"] in ("Deployment", "StatefulSet", "Job", "DaemonSet")]
    return {each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]["template"]["spec"] for each in found}


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all containers of a pod's spec."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def environment(container: dict[str, Any]) -> dict[str, str]:
    """Return the variables of a container."""
    return {each["name"]: each.get("value", "") for each in container.get("env", [])}
