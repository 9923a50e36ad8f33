"""The network of a real cluster: a job's pod behind a proxy, checks of the way out, a certificate that comes, changes and goes."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from compute.kube import kinds
from compute.kube.client import KubeClient
from tests.compute.network.pki import Family, family, make
from tests.proxy import USER, Server, serving
from tests.studio_process import Studio

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]

PLACE, SECRET = "mooring-system", "mooring-router-tls"
JOB = """
type: command
environment: {image: 'python:3.12'}
environment_variables: {no_proxy: 'mine.example'}
command: |
  python - <<'SCRIPT'
  import json, os, ssl, urllib.request
  told = {name: os.environ.get(name, "") for name in ("HTTP_PROXY", "https_proxy", "no_proxy", "NO_PROXY", "SSL_CERT_FILE")}
  told["file"] = open(os.environ["SSL_CERT_FILE"]).read().count("BEGIN CERTIFICATE")
  told["plain"] = urllib.request.urlopen("http://world.example/plain", timeout=20).status
  told["secure"] = urllib.request.urlopen("https://secure.example/", timeout=20).read().decode()
  print("TOLD " + json.dumps(told))
  SCRIPT
"""


SCORE = """
import os, urllib.request

def init():
    assert os.environ["SSL_CERT_FILE"] == "/mooring-ca/ca.pem"
    assert urllib.request.urlopen("http://world.example/plain", timeout=20).status == 204
    assert urllib.request.urlopen("https://secure.example/", timeout=20).read() == b"hello"

def run(raw):
    return 1
"""
DEPLOYMENT = """
name: blue
endpoint_name: {endpoint}
code_configuration: {{code: ./code/, scoring_script: score.py}}
environment: {{image: 'python:3.12'}}
resources: {{requests: {{cpu: "0.05", memory: "0.06Gi"}}, limits: {{cpu: "1", memory: "200Mi"}}}}
"""


class Page(BaseHTTPRequestHandler):
    """Say hello over TLS."""

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Family, int]]:
    """Serve a page over TLS with a certificate of an authority that nobody else knows."""
    made = family(("secure.example",))
    folder = tmp_path_factory.mktemp("tls")
    (folder / "chain.pem").write_text(made.chain)
    (folder / "key.pem").write_text(made.leaf.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield made, server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def behind_a_proxy(
    studio: Studio, sandbox: dict[str, Any], inside: tuple[Family, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Put the cluster's pods behind a proxy that alone knows two names, with an authority of its own."""
    made, port = inside
    bundle = tmp_path_factory.mktemp("ca") / "ca.pem"
    bundle.write_text(made.root.pem)
    with serving(sandbox["host_address"]) as proxy:
        proxy.routes = {"secure.example": ("127.0.0.1", port)}
        url = f"http://{USER}@{sandbox['host_address']}:{proxy.server_port}"
        studio.cli(
            "cluster", "network", "proxy", studio.cluster, "--http", url, "--https", url, "--no-proxy", ".corp", "--ca-bundle", str(bundle)
        )
        yield proxy
        studio.cli("cluster", "network", "proxy", studio.cluster, "--clear")


def test_a_jobs_command_goes_through_the_proxy_and_trusts_the_authority(studio: Studio, kube: KubeClient, behind_a_proxy: Server) -> None:
    job = studio.submit(JOB)
    ended = studio.ended(job.name)
    log = studio.log_of(job.name).decode()
    assert ended.status == "Completed", f"{ended.reason}\n{log}"
    told = json.loads(next(line for line in log.splitlines() if line.startswith("TOLD "))[5:])
    assert (told["plain"], told["secure"]) == (204, "hello")
    assert told["HTTP_PROXY"] == told["https_proxy"] and USER in told["HTTP_PROXY"]
    # The person's own no_proxy stays as they gave it, in either spelling.
    assert (told["no_proxy"], told["NO_PROXY"]) == ("mine.example", "")
    assert told["SSL_CERT_FILE"] == "/mooring-ca/ca.pem" and told["file"] > 1
    assert ("GET", "http://world.example/plain") in behind_a_proxy.asked
    assert ("CONNECT", "secure.example:443") in behind_a_proxy.asked


def test_a_deployments_script_goes_through_the_proxy_and_trusts_the_authority(
    studio: Studio, kube: KubeClient, tls_router: dict[str, Any], behind_a_proxy: Server, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text(SCORE)
    name = f"out-{uuid.uuid4().hex[:6]}"
    studio.client.endpoints.create_from_text(f"name: {name}\ncompute: azureml:{studio.compute}\nauth_mode: Key\n")
    behind_a_proxy.asked.clear()
    try:
        studio.client.deployments.create_from_text(DEPLOYMENT.format(endpoint=name), folder=tmp_path)
        made = studio.client.deployments.wait("blue", endpoint=name, timeout_seconds=180)
        # Its script asked both while it was loaded: it would not be ready without an answer.
        assert made is not None and made.status == "ready", made and (made.reason, made.replicas)
        assert {("GET", "http://world.example/plain"), ("CONNECT", "secure.example:443")} <= set(behind_a_proxy.asked)
        mine = kube.list(kinds.POD, studio.namespace, labels={"mooring.dev/endpoint": name})
        assert mine and USER not in json.dumps([*mine, *kube.list(kinds.DEPLOYMENT, studio.namespace)])
    finally:
        studio.client.endpoints.delete(name)
        studio.client.endpoints.wait(name, timeout_seconds=120)


def test_the_proxys_password_stands_in_no_object_but_the_jobs_secret(studio: Studio, kube: KubeClient, behind_a_proxy: Server) -> None:
    job = studio.submit("type: command\nenvironment: {image: 'python:3.12'}\ncommand: sleep 60\n")
    studio.until(lambda: studio.client.jobs.get(job.name).status == "Running", seconds=120, what="the job to run")
    objects = [*kube.list(kinds.JOB, studio.namespace), *kube.list(kinds.POD, studio.namespace)]
    # The Job comes first; its pod names the job, too.
    mine, *_ = [each for each in objects if each["metadata"].get("annotations", {}).get("mooring.dev/job") == job.name]
    assert USER not in json.dumps(objects)
    data = kube.get(kinds.SECRET, mine["metadata"]["name"], studio.namespace)["data"]
    assert USER in base64.b64decode(data["network.HTTP_PROXY"]).decode()
    studio.client.jobs.cancel(job.name)
    studio.ended(job.name)


def test_addresses_are_tried_from_a_pod_and_nothing_of_it_stays(studio: Studio, kube: KubeClient, behind_a_proxy: Server) -> None:
    addresses = ["http://world.example/", "secure.example", "https://forbidden.example/", f"http://localhost:{behind_a_proxy.server_port}/"]
    done = studio.cli("cluster", "network", "check", studio.cluster, *addresses, "-o", "json", check=False)
    assert done.returncode == 1, done.stderr
    found = {each["url"]: each for each in json.loads(done.stdout)["results"]}
    assert found["http://world.example/"]["status"] == 204
    assert found["https://secure.example"]["status"] == 200 and found["https://secure.example"]["via"].endswith(
        str(behind_a_proxy.server_port)
    )
    assert found["https://forbidden.example/"]["kind"] == "proxy"
    direct = found[f"http://localhost:{behind_a_proxy.server_port}/"]
    assert (direct["via"], direct["kind"]) == ("", "refused")
    studio.until(lambda: not _left(kube), seconds=30, what="the check to be cleaned")
    assert USER not in done.stdout


def _left(kube: KubeClient) -> list[str]:
    objects = [*kube.list(kinds.POD, PLACE), *kube.list(kinds.SECRET, PLACE)]
    return [each["metadata"]["name"] for each in objects if each["metadata"]["name"].startswith("mooring-probe-egress")]


def test_a_certificate_comes_is_rotated_in_place_drifts_and_goes(
    studio: Studio, kube: KubeClient, tls_router: dict[str, Any], tmp_path: Path
) -> None:
    first, second, foreign = (family(("scoring.mooring.example",)) for _ in range(3))

    def give(made: Family, *, check: bool = True) -> Any:
        (tmp_path / "chain.pem").write_text(made.chain)
        (tmp_path / "key.pem").write_text(made.leaf.key)
        words = ("--chain", str(tmp_path / "chain.pem"), "--key", str(tmp_path / "key.pem"), "-o", "json")
        return studio.cli("cluster", "network", "certificate", studio.cluster, *words, check=check)

    def there() -> dict[str, Any]:
        return kube.get(kinds.SECRET, SECRET, PLACE)

    def chain() -> str:
        return base64.b64decode(there()["data"]["tls.crt"]).decode()

    refused = give(Family(first.root, first.middle, make("x", first.middle, names=("scoring.mooring.example",), ends=-0.5)), check=False)
    assert refused.returncode == 1 and "certificate-expired" in refused.stderr

    shown = json.loads(give(first).stdout)["certificate"]
    assert shown["status"] == "ready" and chain() == first.chain and there()["type"] == "kubernetes.io/tls"
    uid = there()["metadata"]["uid"]
    give(second)
    assert chain() == second.chain and there()["metadata"]["uid"] == uid

    data = {"tls.crt": foreign.chain, "tls.key": foreign.leaf.key}
    kube.patch(kinds.SECRET, SECRET, {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}, PLACE)
    studio.client.transport.json("POST", f"clusters/{studio.cluster}/probe")
    studio.until(lambda: _certificate(studio)["status"] == "drifted", seconds=60, what="the change to be seen")
    studio.until(lambda: "certificate-drift" in _findings(studio), seconds=60, what="the cluster to say so")
    assert chain() == foreign.chain
    studio.cli("cluster", "network", "certificate", studio.cluster, "--put-back")
    studio.until(lambda: chain() == second.chain and _certificate(studio)["status"] == "ready", seconds=30, what="ours to be back")

    kube.delete(kinds.SECRET, SECRET, PLACE)
    studio.client.transport.json("POST", f"clusters/{studio.cluster}/probe")
    studio.until(lambda: kube.find(kinds.SECRET, SECRET, PLACE) is not None, seconds=60, what="the Secret to be written again")
    studio.cli("cluster", "network", "certificate", studio.cluster, "--remove", "--yes")
    assert kube.find(kinds.SECRET, SECRET, PLACE) is None
    assert "certificate-drift" not in _findings(studio)


def _certificate(studio: Studio) -> dict[str, Any]:
    found: dict[str, Any] = studio.client.network.get(studio.cluster)["certificate"] or {}
    return found


def _findings(studio: Studio) -> list[str]:
    return [each["id"] for each in studio.client.clusters.get(studio.cluster).answer["findings"]]
