"""What `make run` does once the sample job has Completed: router, model, endpoint, and one request that is answered.

Each step looks first whether it is done, so that a run that was stopped anywhere is taken up again.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any
from urllib.parse import urlsplit

import httpx
from memory import Memory

from mooring.client import Client, Deployment, Endpoint
from mooring.errors import MooringError, MooringProblem

ROOT = Path(__file__).resolve().parent.parent
SERVE = ROOT / "sample" / "serve"
REQUEST = SERVE / "request.json"
CLUSTER, COMPUTE, MODEL, ENDPOINT = "local", "local", "flowers", "demo"
# Where sample/train leaves its model.
TRAINED = "azureml://jobs/{job}/outputs/artifacts/paths/outputs/model.joblib"
# A name that no name server knows (RFC 2606): whoever calls says where it is, as curl does with --resolve.
ROUTER_NAME = "demo.mooring.example"
SETTINGS = {
    "enableTraining": True,
    "enableInference": True,
    "inferenceRouterServiceType": "nodePort",
    "inferenceRouterHA": False,
    "sslCname": ROUTER_NAME,
}
CERTIFICATE_DAYS = "365"
MOVING = ("installing", "updating", "rolling-back")
EXTENSION_SECONDS, ROUTER_SECONDS, DEPLOYMENT_SECONDS, ANSWER_SECONDS = 900, 120, 600, 60
NAMES_TRIED, NAME_TAKEN = 9, "endpoint-name-taken-on-router"


class NotServed(Exception):
    """The endpoint does not answer; the message says why, and what to do."""


class NoExtension(NotServed):
    """The extension could not be installed."""


@dataclass(frozen=True)
class Address:
    """Where an endpoint answers: its URI, what to connect to, and which authority to trust."""

    endpoint: str
    uri: str
    address: str
    authority: str

    @property
    def place(self) -> tuple[str, int]:
        """Return name and port."""
        parts = urlsplit(self.uri)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


class Serving:
    """Bring the sample's model to where it answers over HTTPS."""

    def __init__(self, client: Client, cluster: Mapping[str, Any], done: Memory, say: Callable[[str], None]) -> None:
        self.client = client
        self.cluster = cluster
        self.done = done
        self.say = say

    def run(self, job: str) -> str:
        """Go on to the first answer and return it; nothing when an earlier run got there. Raises NotServed."""
        if "answered" in self.done:
            return ""
        try:
            self._extension()
            self._router()
            model = self._model(job)
            endpoint = self._endpoint()
            self._deployment(endpoint, model)
            answer = self._ask(endpoint)
        except MooringError as error:
            raise NotServed(_told(error)) from error
        except TimeoutError as error:
            raise NotServed(f"{error}. Its page says more: {self.client.url}/w/demo/endpoints/") from error
        self.done.keep(answered=endpoint)
        return answer

    def address(self) -> Address | None:
        """Return where the endpoint answers, as far as it is there."""
        name = self.done.get("endpoint")
        if not name:
            return None
        try:
            found = self.client.endpoints.get(name)
        except MooringProblem:
            return None
        authority = str(self.cluster.get("certificate_authority") or self.done.get("authority") or "")
        return Address(name, found.scoring_uri, str(found.answer["address"]), authority) if found.scoring_uri else None

    # The router

    def _extension(self) -> None:
        """Install the extension with a certificate for its router, or go on following an install that was begun."""
        if "extension" in self.done:
            return
        try:
            found = self.client.extensions.get(CLUSTER)
            if found["status"] in MOVING:
                self._follow(found["operation"])
            elif not found["revision"]:
                self._certificate()
                self.say("installing the extension: Envoy Gateway, and the router of this cluster's endpoints")
                self._follow(self._install())
        except MooringError as error:
            raise NoExtension(_told(error)) from error
        self.done.keep(extension=True)

    def _install(self) -> Mapping[str, Any]:
        """Begin to install; what an earlier studio has left in a cluster of the sandbox's own is taken over."""
        try:
            return self.client.extensions.install(CLUSTER, SETTINGS)
        except MooringProblem as problem:
            elsewhere = "extension-owned-elsewhere" in {problem.id, *(each.get("id") for each in problem.body.get("errors", ()))}
            if not elsewhere or self.cluster.get("mode") == "given":
                raise
            self.say("the extension of an earlier studio is in this cluster: taking it over")
            return self.client.extensions.install(CLUSTER, SETTINGS, take_over=True)

    def _certificate(self) -> None:
        """Give the router a certificate of the sandbox's own authority, unless it has one."""
        if self.client.network.get(CLUSTER)["certificate"]:
            return
        names = ",".join(name for name in (ROUTER_NAME, urlsplit(str(self.cluster.get("server") or "")).hostname) if name)
        with tempfile.TemporaryDirectory(prefix="mooring-run-") as folder:
            command = [sys.executable, "-m", "sandbox", "certificate", "--name", names, "--out", folder, "--days", CERTIFICATE_DAYS]
            command += ["--cluster", str(self.cluster["name"]), "--json"]
            made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
            if made.returncode:
                raise NoExtension(f"There is no certificate for the router: {made.stderr.strip()[-400:]}")
            paths = json.loads(made.stdout.strip().splitlines()[-1])
            chain, key = (Path(paths[each]).read_text(encoding="utf-8") for each in ("certificate", "key"))
            self.client.network.set_certificate(CLUSTER, chain=chain, key=key)
        self.done.keep(authority=paths["certificate_authority"])

    def _follow(self, operation: Mapping[str, Any]) -> None:
        told: dict[str, str] = {}

        def seen(now: Mapping[str, Any]) -> None:
            for step in now["steps"]:
                line = f"  {step['title']}: {step['text'] or step['state']}"
                if step["state"] != "pending" and told.get(step["key"]) != line:
                    told[step["key"]] = line
                    self.say(line)

        self.client.extensions.wait(CLUSTER, operation["id"], seconds=EXTENSION_SECONDS, each=seen)

    def _router(self) -> None:
        """Wait until the router's address is known and it is ready."""

        def now() -> Mapping[str, Any]:
            return self.client.extensions.get(CLUSTER)

        if not _until(lambda: now()["router"]["ready"] and now()["router"]["base_url"], ROUTER_SECONDS):
            last = now()
            raise NotServed(f"The router is not ready: {last['router']['reason'] or last['reason'] or last['status']}")

    # Model, endpoint, deployment

    def _model(self, job: str) -> str:
        """Register what the sample job has trained; return its reference."""
        if "model" not in self.done:
            known = self.client.models.versions(MODEL) if MODEL in [one.name for one in self.client.models.list(q=MODEL)] else []
            made = next((one for one in known if one.job == job), None)
            if made is None:
                words: dict[str, Any] = {"description": "Which kind a flower is", "tags": {"sample": "yes"}}
                made = self.client.models.register(MODEL, TRAINED.format(job=job), **words)
                self.say(f"registered the job's model as {made.name}, version {made.version}: {made.url}")
            self.done.keep(model=made.reference)
        return str(self.done["model"])

    def _endpoint(self) -> str:
        """Make the endpoint `demo`; where another studio of this cluster has one of that name on the router, the next free name."""
        if "endpoint" in self.done:
            return str(self.done["endpoint"])
        for number in range(1, NAMES_TRIED + 1):
            name = ENDPOINT if number == 1 else f"{ENDPOINT}-{number}"
            if self._made(name):
                self.done.keep(endpoint=name)
                return name
        raise NotServed(f"The names {ENDPOINT} to {name} are all taken on this cluster's router.")

    def _made(self, name: str) -> bool:
        """Make an endpoint and wait until the router has it; tell whether the name was free there."""
        if name not in [one.name for one in self.client.endpoints.list()]:
            self.client.endpoints.create(SERVE / "endpoint.yml", overrides=[f"name={name}", f"compute={COMPUTE}"])
        found = self.client.endpoints.wait(name, seen=self._tell(f"endpoint {name}"), timeout_seconds=ROUTER_SECONDS)
        if found and found.problem and found.problem["id"] == NAME_TAKEN:
            self.client.endpoints.delete(name)
            return False
        if found is None or found.status == "failed":
            raise NotServed(f"The endpoint {name} was not made: {found.reason if found else 'it was deleted'}")
        return True

    def _deployment(self, endpoint: str, model: str) -> None:
        """Deploy the model with all of the endpoint's traffic, and wait until it is ready."""
        file = SERVE / "deployment.yml"
        there = self.client.deployments.list(endpoint=endpoint)
        if there:
            name = there[0].name
        else:
            self.say(f"deploying {model} behind the endpoint {endpoint}")
            overrides = [f"endpoint_name={endpoint}", f"model={model}"]
            name = self.client.deployments.create(file, endpoint=endpoint, overrides=overrides, all_traffic=True).name
        tell = self._tell(f"deployment {name}")
        found = self.client.deployments.wait(name, endpoint=endpoint, seen=tell, timeout_seconds=DEPLOYMENT_SECONDS)
        if found is None or found.status != "ready":
            raise NotServed(f"The deployment {name} is {found.status if found else 'gone'}: {found.reason if found else ''}")

    # The request

    def _ask(self, endpoint: str) -> str:
        """Send the sample's request over TLS with the key, as any caller would; the router takes a route over within a moment."""
        place = self.address()
        if place is None or not place.authority:
            raise NotServed("It is not known where the endpoint answers, or which authority to trust.")
        key = self.client.endpoints.keys(endpoint)["primaryKey"]
        last = ""

        def answered() -> str | None:
            nonlocal last
            try:
                answer = ask(place, key, REQUEST.read_bytes())
            except httpx.HTTPError as error:
                last = str(error) or type(error).__name__
                return None
            last = f"{answer.status_code} {answer.text.strip()[:300]}"
            return answer.text.strip() if answer.is_success else None

        found = _until(answered, ANSWER_SECONDS)
        if found is None:
            raise NotServed(f"{place.uri} did not answer the request: {last}")
        return found

    def _tell(self, what: str) -> Callable[[Endpoint | Deployment], None]:
        """Return what tells each state of something once."""
        told = ""

        def seen(now: Endpoint | Deployment) -> None:
            nonlocal told
            line = f"  {what}: {now.status}" + (f", {now.reason}" if now.reason else "")
            if line != told:
                self.say(line)
                told = line

        return seen


def ask(place: Address, key: str, body: bytes) -> httpx.Response:
    """Call an endpoint where it is, under its name and with its own authority."""
    name, port = place.place
    headers = {"Host": f"{name}:{port}", "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    url = httpx.URL(scheme="https", host=place.address or name, port=port, path=urlsplit(place.uri).path)
    context = ssl.create_default_context(cafile=place.authority)
    with httpx.Client(verify=context, trust_env=False, timeout=10) as http:
        request = http.build_request("POST", url, headers=headers, content=body, extensions={"sni_hostname": name})
        return http.send(request)


def curl(place: Address, data: Path) -> str:
    """Return the line with which a shell in the checkout calls the endpoint; the key is fetched as the line runs."""
    name, port = place.place
    words = ["curl", "--cacert", quote(place.authority)]
    if place.address and place.address != name:
        words += ["--resolve", f"{name}:{port}:{place.address}"]
    if any(os.environ.get(each) for each in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")):
        words += ["--noproxy", quote("*")]
    key = f".venv/bin/mooring online-endpoint get-credentials -n {place.endpoint} -w demo --query primaryKey -o name"
    if data != ROOT / ".mooring":
        key = f"MOORING_DATA={quote(str(data))} {key}"
    words += ["-H", f'"Authorization: Bearer $({key})"', "-H", quote("Content-Type: application/json")]
    return " ".join([*words, "-d", f"@{REQUEST.relative_to(ROOT)}", place.uri])


def _until(condition: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            return None
        time.sleep(0.3)
    return found


def _told(error: MooringError) -> str:
    what = f"{error.title}: {error.detail}" if error.detail else error.title
    return " ".join(part for part in (f"{what.rstrip('.')}.", error.todo, f"({error.id})") if part)
