"""An endpoint for measurements: a deployment whose script returns at once, behind the router with TLS and a key."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.deploy import Router, install
from benchmarks.load import Place, request_of
from benchmarks.studio import COMPUTE, NotMeasuredError, Studio, cluster, studio
from sandbox.api_server import ApiServer

# Another cluster of the sandbox than the usual one, for whoever measures beside something else.
CLUSTER = os.environ.get("MOORING_BENCH_CLUSTER") or "main"
ENDPOINT = "bench"
SCORE = f"/api/v1/endpoint/{ENDPOINT}/score"
BODY = b'{"inputs": ["x"]}'
READY_SECONDS = 180
SCRIPT = "def init():\n    pass\n\n\ndef run(raw_data):\n    return {'predictions': [1]}\n"
YAML = """\
$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json
name: {name}
type: kubernetes
endpoint_name: {endpoint}
code_configuration: {{code: ./src, scoring_script: score.py}}
environment:
  image: {image}
environment_variables: {{MOORING_SCORING_ACCESS_LOG: "0"}}
request_settings: {{request_timeout_ms: 5000, max_queue_wait_ms: 5000}}
resources: {{requests: {{cpu: 100m, memory: 64Mi}}, limits: {{memory: 256Mi}}}}
instance_count: {count}
"""


@dataclass
class Served:
    """A studio with the endpoint, and how to call it."""

    studio: Studio
    router: Router
    server: ApiServer
    folder: Path
    status: dict[str, Any]

    @property
    def place(self) -> Place:
        """Return where the router answers."""
        return Place(self.router.address, self.router.port, self.router.name, self.router.trust)

    def keys(self) -> dict[str, str]:
        """Return both keys of the endpoint."""
        return dict(self.studio.client.endpoints.keys(ENDPOINT))

    def request(self, key: str) -> bytes:
        """Return a request through the router."""
        return request_of(self.place, SCORE, BODY, {"Authorization": f"Bearer {key}"})

    def deploy(self, name: str, *, image: str, count: int = 1, all_traffic: bool = False) -> None:
        """Create a deployment and wait until it is ready."""
        text = YAML.format(name=name, endpoint=ENDPOINT, image=image, count=count)
        self.studio.client.deployments.create_from_text(text, folder=self.folder, all_traffic=all_traffic)
        self.ready(name)

    def ready(self, name: str) -> None:
        """Wait until a deployment is ready, and the router does what the endpoint says."""
        found = self.studio.client.deployments.wait(name, endpoint=ENDPOINT, timeout_seconds=READY_SECONDS)
        if found is None or found.status != "ready":
            raise NotMeasuredError(f"the deployment {name} is {found.status if found else 'gone'}: {found.reason if found else ''}")
        self.routed()

    def routed(self) -> None:
        """Wait until the router does what the endpoint says."""
        found = self.studio.client.endpoints.wait(ENDPOINT, timeout_seconds=READY_SECONDS)
        if found is None or found.status != "ready":
            raise NotMeasuredError(f"the endpoint is {found.status if found else 'gone'}: {found.reason if found else ''}")

    def objects(self, kind: str, deployment: str) -> list[dict[str, Any]]:
        """Return the objects (`pods`, `services`) of a deployment."""
        with self.server.client() as http:

            def found(path: str, labels: str) -> list[dict[str, Any]]:
                path = path.format(namespace=self.studio.namespace)
                return list(http.get(path, params={"labelSelector": labels}).raise_for_status().json()["items"])

            known = found("/apis/apps/v1/namespaces/{namespace}/deployments", "mooring.dev/kind=deployment")
            mark = f"{ENDPOINT}/{deployment}"
            same = [each["metadata"] for each in known if each["metadata"]["annotations"]["mooring.dev/deployment"] == mark]
            number = same[0]["labels"]["mooring.dev/id"] if same else "none"
            return found("/api/v1/namespaces/{namespace}/" + kind, f"mooring.dev/kind=deployment,mooring.dev/id={number}")


@contextlib.contextmanager
def served(image: str) -> Iterator[Served]:
    """Have the endpoint there with a deployment `blue` of an image of the sandbox, which gets all requests."""
    with cluster(CLUSTER) as status, tempfile.TemporaryDirectory(prefix="mooring-bench-") as folder:
        if status.get("simulated"):
            raise NotMeasuredError("the nodes are simulated: no container runs")
        source = Path(folder, "src")
        source.mkdir()
        (source / "score.py").write_text(SCRIPT)
        with studio(status) as one:
            router = install(one)
            made = Served(one, router, ApiServer(Path(status["kubeconfig"])), Path(folder), status)
            one.client.endpoints.create_from_text(f"name: {ENDPOINT}\ncompute: azureml:{COMPUTE}\nauth_mode: key\n")
            made.deploy("blue", image=status["images"][image], all_traffic=True)
            yield made
