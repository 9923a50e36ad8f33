"""Folders of their own for tests that need no cluster, and one that does for those that do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.console import Console
from sandbox.places import ClusterPlace
from tests.cluster.sweeping import claim

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def console() -> Console:
    return Console(quiet=True)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOORING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOORING_SANDBOX_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def place(state: Path) -> ClusterPlace:
    found = ClusterPlace.of("one")
    found.folder("log")
    return found


def until(condition: Callable[[], Any], *, seconds: float = 20.0, what: str = "the condition") -> Any:
    """Ask again and again until the answer is true; fail when it never was."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come about within {seconds} s")


def sandbox(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person would."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("KUBECONFIG", None)
    argv = [sys.executable, "-m", "sandbox", *words]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=1700)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def sandbox_json(*words: str) -> dict[str, Any]:
    """Run the command line and read the one object that it prints."""
    found: dict[str, Any] = json.loads(sandbox(*words, "--json").stdout)
    return found


@pytest.fixture(scope="session")
def main_cluster() -> dict[str, Any]:
    """The cluster that developers have: brought up when it is down, left up in the end."""
    if os.geteuid() != 0:
        pytest.skip("a full node needs root")
    status = sandbox_json("up")
    claim(status)
    return status


class Kubernetes:
    """kubectl with the kubeconfig of one cluster."""

    def __init__(self, status: dict[str, Any]) -> None:
        from sandbox.kubectl import binary

        self._argv = [str(binary(status["version"])), f"--kubeconfig={status['kubeconfig']}"]

    def __call__(self, *words: str, stdin: str | None = None) -> str:
        done = subprocess.run([*self._argv, *words], input=stdin, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, *manifests: dict[str, Any]) -> None:
        self("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}))

    def get(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("get", *words, "-o", "json"))
        return found
