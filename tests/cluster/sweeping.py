"""What a run of the tests that was killed has left in a cluster that outlives it: swept away before the next one begins.

Whoever uses a cluster in tests claims it first. All claims are shared, but the first of all, which is made while nobody
else has one: only then nothing of what bears the names below can be in use.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import connection
from compute.kube.errors import KubeError, NotFound
from compute.manifests import SYSTEM_NAMESPACE
from mooring.up.lock import holder_of
from sandbox import studios
from sandbox.console import Console

# Names that tests give, each with something random in it: `mooring-test-<8>` and `-o` are those of studios, `test-<10>` of the
# fixture `namespace`.
NAMESPACES = re.compile(r"(mooring-test-[0-9a-f]{8}(-\w+)?|mooring-limited-[0-9a-f]{8}|test-[0-9a-f]{10}|sandbox-test(-[0-9a-f]{8})?)")
INSTANCE_TYPES = re.compile(r"(test|tiny)-[0-9a-f]{8}")
PROBES = "mooring-probe-"
# A definition that a test made somebody else's says with this what it was.
WAS = "mooring.dev/test-was"
PROBE_SECONDS = 600  # a probe's pod ends by itself at 300 s
GONE_SECONDS = 90

_claims: dict[str, IO[str]] = {}


def claim(status: dict[str, Any]) -> None:
    """Hold a claim on a cluster until this process ends; sweep it when nobody else has one."""
    kubeconfig = str(status["kubeconfig"])
    if kubeconfig in _claims:
        return
    name = f"mooring-tests-{os.getuid()}-{hashlib.sha256(kubeconfig.encode()).hexdigest()[:12]}.lock"
    file = Path(tempfile.gettempdir(), name).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    else:
        sweep(Path(kubeconfig).read_text())
        if status.get("name") and status.get("mode") != "given":
            studios.sweep(status["name"], [each for each in studios.known(status["name"]) if _of_a_test(each)], Console())
    fcntl.flock(file, fcntl.LOCK_SH)  # waits while another sweeps
    _claims[kubeconfig] = file


def sweep(kubeconfig: str) -> None:
    """Remove what tests have left; what is not gone in time stays on its way out."""
    with KubeClient(connection(kubeconfig), timeout=30) as client:
        namespaces = [name for name in _names(client, kinds.NAMESPACE) if NAMESPACES.fullmatch(name)]
        for name in namespaces:
            with _unless_gone():
                _empty(client, name)
                client.delete(kinds.NAMESPACE, name)
        for name in _names(client, kinds.INSTANCE_TYPE):
            if INSTANCE_TYPES.fullmatch(name):
                client.delete(kinds.INSTANCE_TYPE, name)
        for each in client.list(kinds.CRD):
            if was := (each["metadata"].get("annotations") or {}).get(WAS):
                client.patch(kinds.CRD, each["metadata"]["name"], {"metadata": json.loads(was)})
        for kind in (kinds.POD, kinds.SECRET):
            for each in client.list(kind, SYSTEM_NAMESPACE):
                if each["metadata"]["name"].startswith(PROBES) and _age(each) > PROBE_SECONDS:
                    client.delete(kind, each["metadata"]["name"], SYSTEM_NAMESPACE, grace=0)
        deadline = time.monotonic() + GONE_SECONDS
        while set(namespaces) & set(_names(client, kinds.NAMESPACE)) and time.monotonic() < deadline:
            time.sleep(0.2)


def _of_a_test(studio: studios.Studio) -> bool:
    """Tell whether a studio was made for a run, or can never be started again; one that runs by itself is left alone."""
    made_here = any(part.startswith("pytest-of-") for part in studio.data.parts) and holder_of(studio.data) is None
    return studio.is_gone or made_here


def _empty(client: KubeClient, namespace: str) -> None:
    """Take away what would hold a namespace up, or an address on the router."""
    for kind in (kinds.JOB, kinds.DEPLOYMENT, kinds.HTTP_ROUTE, kinds.POD):
        for name in _names(client, kind, namespace):
            client.delete(kind, name, namespace, grace=0)


def _names(client: KubeClient, kind: kinds.Kind, namespace: str | None = None) -> list[str]:
    try:
        return [each["metadata"]["name"] for each in client.list(kind, namespace)]
    except NotFound:  # a kind that this cluster does not know
        return []


def _age(each: dict[str, Any]) -> float:
    made = datetime.fromisoformat(each["metadata"]["creationTimestamp"].replace("Z", "+00:00"))
    return (datetime.now(UTC) - made).total_seconds()


@contextmanager
def _unless_gone() -> Iterator[None]:
    with suppress(NotFound, KubeError):
        yield
