"""From the request that creates an endpoint to the first 2xx through the router: over TLS, with a key, by the sample's model.

Images are on the node, the extension is there. A round creates endpoint and deployment as `make run` does, asks all the
time until it is answered, and takes both away again. What the studio and the pod noted on the way says where time went.
"""

from __future__ import annotations

import json
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.machine import ROOT
from benchmarks.studio import CLUSTER, COMPUTE, NotMeasuredError, Studio, cluster, say, studio
from sandbox.api_server import ApiServer

SAMPLE, SERVE = ROOT / "sample" / "train" / "job.yml", ROOT / "sample" / "serve"
ROUTER_NAME = "bench.mooring.example"
SETTINGS = {
    "enableTraining": True,
    "enableInference": True,
    "inferenceRouterServiceType": "nodePort",
    "inferenceRouterHA": False,
    "sslCname": ROUTER_NAME,
}
ROUNDS, ROUND_SECONDS, ASK_SECONDS = 5, 180, 0.05


@dataclass(frozen=True)
class Router:
    """Where the router answers: name and port, what to connect to, and whom to trust."""

    name: str
    port: int
    address: str
    trust: ssl.SSLContext

    @property
    def named(self) -> dict[str, str]:
        """Say in the handshake, too, under which name it is called: no name server knows it."""
        return {"sni_hostname": self.name}

    def client(self, key: str) -> httpx.Client:
        """Return a client that calls it under its name, with a key."""
        url = httpx.URL(scheme="https", host=self.address, port=self.port)
        headers = {"Host": f"{self.name}:{self.port}", "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return httpx.Client(base_url=url, headers=headers, verify=self.trust, trust_env=False, timeout=10)


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    with cluster("main") as status:
        if status.get("simulated"):
            raise NotMeasuredError("the nodes are simulated: no container runs")
        with studio(status) as one:
            model = trained(one)
            router = install(one)
            server = ApiServer(Path(status["kubeconfig"]))
            rounds = [measured(one, server, router, model, number) for number in range(1 if quick else ROUNDS)]
    return {**summed(rounds), "rounds": rounds, "settings": {"kubernetes": status["version"], "model": model, "router": SETTINGS}}


def trained(one: Studio) -> str:
    """Train the sample's model; this brings the images to the node, too."""
    image = one.sandbox["images"]["sklearn"]
    one.client.transport.json("PUT", "image-rules", json={"pattern": "*sklearn*", "image": image, "position": 10})
    say("training the sample's model")
    job = one.client.jobs.create(SAMPLE, overrides=[f"compute={COMPUTE}", "inputs.rounds=2"])
    ended = one.client.jobs.wait(job.name, timeout_seconds=300)
    if ended.status != "Completed":
        raise NotMeasuredError(f"the sample job is {ended.status}: {ended.reason}")
    path = f"azureml://jobs/{job.name}/outputs/artifacts/paths/outputs/model.joblib"
    return str(one.client.models.register("flowers", path).reference)


def install(one: Studio) -> Router:
    """Install the extension, or take over what another studio has there; its detaching removes it."""
    say("installing the extension")
    authority = certify(one)
    operation = one.client.extensions.install(CLUSTER, SETTINGS, take_over=True)
    one.client.extensions.wait(CLUSTER, operation["id"], seconds=300)
    router = one.client.extensions.get(CLUSTER)["router"]
    parts = urlsplit(router["base_url"])
    trust = ssl.create_default_context(cafile=authority)
    return Router(parts.hostname or "", parts.port or 443, router["address"], trust)


def certify(one: Studio) -> str:
    """Give the router a new certificate of the sandbox's authority; return the file of that authority."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sandbox", "certificate", "--name", ROUTER_NAME, "--out", folder]
        command += ["--cluster", one.sandbox["name"], "--json"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
        made = json.loads(done.stdout.splitlines()[-1])
        chain, key = (Path(made[each]).read_text(encoding="utf-8") for each in ("certificate", "key"))
        one.client.network.set_certificate(CLUSTER, chain=chain, key=key)
    return str(made["certificate_authority"])


def measured(one: Studio, server: ApiServer, router: Router, model: str, number: int) -> dict[str, Any]:
    """Create, ask until answered, look where time went, and delete; return the seconds of each part."""
    name = f"bench-{number}"
    began, at = time.monotonic(), time.time()
    one.client.endpoints.create(SERVE / "endpoint.yml", overrides=[f"name={name}", f"compute={COMPUTE}"])
    overrides = [f"endpoint_name={name}", f"model={model}"]
    one.client.deployments.create(SERVE / "deployment.yml", endpoint=name, overrides=overrides, all_traffic=True)
    requested = time.monotonic() - began
    key = one.client.endpoints.keys(name)["primaryKey"]
    body = (SERVE / "request.json").read_bytes()
    with router.client(key) as http:
        status = 0
        while not 200 <= status < 300:
            if time.monotonic() - began > ROUND_SECONDS:
                raise NotMeasuredError(f"{name} did not answer within {ROUND_SECONDS} s; the last status was {status}")
            time.sleep(ASK_SECONDS)
            status = http.post(f"/api/v1/endpoint/{name}/score", content=body, extensions=router.named).status_code
    seconds = time.monotonic() - began
    found = {"seconds": round(seconds, 2), "requested": round(requested, 2), **parts(pods_of(server, one.namespace, name), at)}
    say(f"round {number + 1}: {found}")
    one.client.endpoints.delete(name)
    one.until(lambda: name not in [each.name for each in one.client.endpoints.list()], seconds=120, what=f"{name} to be gone")
    return found


def pods_of(server: ApiServer, namespace: str, endpoint: str) -> list[dict[str, Any]]:
    """Return the pods behind an endpoint."""
    with server.client() as http:
        query = {"labelSelector": f"mooring.dev/endpoint={endpoint},mooring.dev/kind=deployment"}
        return list(http.get(f"/api/v1/namespaces/{namespace}/pods", params=query).raise_for_status().json()["items"])


def parts(pods: list[dict[str, Any]], began: float) -> dict[str, float]:
    """Return how long after the begin the pod was made, prepared, started and ready; Kubernetes notes whole seconds."""
    if not pods:
        return {}
    pod = min(pods, key=lambda each: str(each["metadata"]["creationTimestamp"]))
    status = pod["status"]
    conditions = {each["type"]: each.get("lastTransitionTime") for each in status.get("conditions", []) if each["status"] == "True"}
    running = (status.get("containerStatuses") or [{}])[0].get("state", {}).get("running", {})
    times = {
        "pod_made": pod["metadata"]["creationTimestamp"],
        "prepared": conditions.get("Initialized"),
        "started": running.get("startedAt"),
        "ready": conditions.get("Ready"),
    }
    return {f"{name}_at": round(datetime.fromisoformat(text).timestamp() - began, 1) for name, text in times.items() if text}


def summed(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median and the worst of the rounds."""
    seconds = [each["seconds"] for each in rounds]
    return {"seconds": round(statistics.median(seconds), 2), "worst_seconds": max(seconds)}
