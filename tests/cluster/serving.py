"""What tests need to serve a model on the real cluster: a script, its YAML, somebody who calls, and patience."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from typer.testing import CliRunner, Result

from mooring.cli.app import app
from mooring.client import Deployment
from mooring.errors import MooringProblem
from tests.studio_process import Studio

SCRIPT = """
import json, os, socket, time

def init():
    global says
    # Ready only once the cluster knows this name, where one is given.
    while not known(os.environ.get("GATE")):
        time.sleep(0.2)
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weights", "says.json")) as file:
        says = json.load(file)

def known(name):
    try:
        return not name or socket.gethostbyname(name)
    except OSError:
        return False

def run(raw):
    data = json.loads(raw)
    return {"sum": sum(data.get("data", [])), "says": says["word"], "who": os.environ.get("WHO", "")}
"""
OWN_SERVER = """
import http.server, time

class Server(http.server.BaseHTTPRequestHandler):
    def answer(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.answer(b"alive")

    def do_POST(self):
        if self.rfile.read(int(self.headers["Content-Length"])) == b'"refuse"':
            # Who has this answer knows that connections are refused from here on: for longer than the test takes.
            server.shutdown()
            server.socket.close()
        self.answer(f"own {self.path}".encode())

server = http.server.ThreadingHTTPServer(("", 8080), Server)
server.serve_forever(poll_interval=0.05)
time.sleep(600)
"""
TRAIN = """
type: command
environment: {image: 'mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest'}
command: |
  python3 - <<'END'
  import mlflow.sklearn, pandas
  from mlflow.models import infer_signature
  from sklearn.linear_model import LinearRegression
  rows = pandas.DataFrame({"x": [1.0, 2.0, 3.0]})
  model = LinearRegression().fit(rows, [2.0, 4.0, 6.0])
  mlflow.sklearn.save_model(model, "outputs/doubler", signature=infer_signature(rows, model.predict(rows)))
  END
"""
ENDPOINT = "name: {name}\ncompute: azureml:local\nauth_mode: Key\ntags: {{team: a}}\n"
DEPLOYMENT = """
$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json
name: {name}
type: kubernetes
endpoint_name: {endpoint}
model: {{path: ./weights/}}
code_configuration: {{code: ./onlinescoring/, scoring_script: score.py}}
environment:
  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest
environment_variables: {{WHO: {name}}}
request_settings: {{request_timeout_ms: 3000, max_queue_wait_ms: 3000}}
resources: {{requests: {{cpu: "0.05", memory: "0.06Gi"}}, limits: {{cpu: "1", memory: "200Mi"}}}}
instance_count: 1
{more}
"""


def remove_endpoint(studio: Studio, name: str) -> None:
    """Have no endpoint of this name, whoever left it: a second attempt, too, begins without."""
    with contextlib.suppress(MooringProblem):
        studio.client.endpoints.delete(name)
        studio.client.endpoints.wait(name, timeout_seconds=120)


class Caller:
    """Somebody outside who calls endpoints at the router's address, as curl with `--resolve` would."""

    def __init__(self, router: dict[str, Any]) -> None:
        parts = urlsplit(router["base_url"])
        self.host, self.port, self.address = parts.hostname, parts.port, router["address"]
        context = ssl.create_default_context(cafile=router["authority"])
        self.http = httpx.Client(verify=context, trust_env=False, timeout=10)

    def __call__(
        self, endpoint: str, key: str | None = None, data: Any = None, *, path: str = "score", deployment: str = "", **more: str
    ) -> httpx.Response:
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        headers |= {"Host": f"{self.host}:{self.port}", "Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        headers |= {"azureml-model-deployment": deployment} if deployment else {}
        url = f"https://{self.address}:{self.port}/api/v1/endpoint/{endpoint}/{path}"
        body = json.dumps(data if data is not None else {"data": [1, 2, 3]})
        method = "GET" if path == "swagger.json" else "POST"
        return self.http.request(method, url, headers=headers, content=body, extensions={"sni_hostname": self.host})


def serving_folder(root: Path) -> Path:
    """Make a model and a scoring script, side by side with their YAML."""
    for name in ("weights", "onlinescoring"):
        (root / name).mkdir()
    (root / "weights" / "says.json").write_text('{"word": "hello"}')
    (root / "onlinescoring" / "score.py").write_text(SCRIPT)
    return root


def deploy(studio: Studio, folder: Path, name: str, *, endpoint: str = "flowers", more: str = "", **how: Any) -> Deployment:
    """Create a deployment and wait until it is ready."""
    text = DEPLOYMENT.format(name=name, endpoint=endpoint, more=more)
    studio.client.deployments.create_from_text(text, folder=folder, **how)
    made = studio.client.deployments.wait(name, endpoint=endpoint, timeout_seconds=120)
    assert made is not None and made.status == "ready", made and (made.reason, made.replicas)
    return made


def typed(studio: Studio, *words: str) -> Result:
    """Run a verb of the command line as `studio.cli` does, in this process: a new one for each of twenty takes its time."""
    about = {"MOORING_DATA": str(studio.data), "MOORING_WORKSPACE": studio.workspace, "MOORING_URL": None, "MOORING_TOKEN": None}
    return CliRunner().invoke(app, words, env=about)


def routed(studio: Studio, name: str) -> None:
    endpoint = studio.client.endpoints.wait(name, timeout_seconds=60)
    assert endpoint is not None and endpoint.status == "ready", endpoint and endpoint.reason


def until(asked: Callable[[], Any], *, seconds: float = 20) -> Any:
    """Ask again until the answer is true: Envoy follows a moment after the router has said yes."""
    ends = time.monotonic() + seconds
    while not (found := asked()):
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.1)
    return found


@contextlib.contextmanager
def asking_all_the_time(ask: Callable[[], int], callers: int = 1) -> Iterator[Counter[int]]:
    """Ask as fast as it goes for as long as the block lasts; count the answers by status."""
    seen: Counter[int] = Counter()
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            try:
                seen[ask()] += 1
            except httpx.HTTPError:
                seen[0] += 1
            time.sleep(0.01)

    threads = [threading.Thread(target=run) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
