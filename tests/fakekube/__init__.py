"""A fake Kubernetes API server for tests: real HTTPS, real watches, and a test that plays the cluster.

fake = FakeKube()                     # or the fixture ``fakekube``
client = KubeClient(connection(fake.kubeconfig()))
fake.node("node-1", gpus=2)
…                                     # the code under test creates a Job: its pods appear, Pending
(pod,) = fake.pods_of("team", "mj-1")
fake.pod_running("team", pod["metadata"]["name"])
fake.serve_pod("team", pod["metadata"]["name"], 8484, app)      # a function, or ("127.0.0.1", port)
fake.fail(500, times=2, path="/pods")  # or "blackhole", "slow", "reset", "garbage"; fake.heal()
"""

import contextlib
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from ssl import CERT_OPTIONAL, PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest

from compute.kube import kinds
from compute.kube.config import Connection, render_kubeconfig
from compute.kube.kinds import Kind
from tests.fakekube.certs import Authority, shared_authority
from tests.fakekube.ports import Address, PodApp, PodLog, listen, log_key
from tests.fakekube.server import Handler, Server
from tests.fakekube.store import NoSuchPath, Object, Refusal, Selection, Store
from tests.fakekube.workloads import Workloads

__all__ = ["Authority", "FakeKube", "Fault", "PodLog", "Refusal", "fakekube", "listen"]


@dataclass
class Fault:
    """Describe what goes wrong, for which requests, and how often."""

    what: int | str
    times: int | None = None
    method: str | None = None
    path: str | None = None
    message: str = "the server is having a bad day"
    reason: str = "InternalError"
    retry_after: int | None = None
    seconds: float = 0.0
    healed: threading.Event = field(default_factory=threading.Event)

    def concerns(self, method: str, path: str) -> bool:
        """Tell whether it is this request's turn, and count it."""
        if self.healed.is_set() or (self.method and self.method != method):
            return False
        if self.path and not re.search(self.path, path):
            return False
        if self.times is not None:
            if self.times <= 0:
                return False
            self.times -= 1
        return True


class FakeKube(Workloads):
    """Behave like an API server for the kinds that the studio uses."""

    def __init__(
        self,
        *,
        authority: Authority | None = None,
        names: tuple[str, ...] = ("localhost", "127.0.0.1"),
        expired: bool = False,
        version: str = "v1.36.3",
    ) -> None:
        super().__init__(Store())
        self.authority = authority or shared_authority()
        self.git_version = version
        self.tokens: dict[str, str] = {}
        self.revoked: set[str] = set()
        self.requests: list[tuple[str, str]] = []
        self.ports: dict[tuple[str, str, int], Address] = {}
        self.bookmark_every = 5.0
        self.watch_generation = 0
        self.watching = 0
        self.closing = False
        self._faults: list[Fault] = []
        self._denied: list[Callable[[str, str, str, str, str | None, str | None], bool]] = []
        self._logs: dict[tuple[str, str, str], PodLog] = {}
        self._stops: list[Callable[[], None]] = []
        self._pages: dict[str, tuple[list[Object], int]] = {}
        for name in ("default", "kube-system"):
            self.namespace(name)
        self._server = Server(self, _server_tls(self.authority, names, expired=expired))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True, name="fakekube")
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the server's address."""
        return f"https://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop the server and cut its connections."""
        self.closing = True
        self.heal()
        self._server.shutdown()
        self._server.cut()
        self._server.server_close()
        for stop in self._stops:
            stop()

    # Who may come in

    def token(self, user: str = "admin") -> str:
        """Return a new bearer token of a user."""
        token = secrets.token_urlsafe(24)
        self.tokens[token] = user
        return token

    def connection(self, *, user: str = "admin", auth: str = "token", **changes: Any) -> Connection:
        """Return a connection to this server, signed in by ``token`` or by ``cert``."""
        values: dict[str, Any] = {"server": self.url, "ca_pem": self.authority.pem, "context": "fake"}
        if auth == "cert":
            issued = self.authority.client(user)
            values.update(client_cert_pem=issued.cert_pem, client_key_pem=issued.key_pem)
        else:
            values["token"] = self.token(user)
        return Connection(**{**values, **changes})

    def kubeconfig(self, *, user: str = "admin", auth: str = "token", **changes: Any) -> str:
        """Return a kubeconfig for this server."""
        return render_kubeconfig(self.connection(user=user, auth=auth, **changes))

    def revoke(self) -> None:
        """Forget every token."""
        self.tokens.clear()

    def deny(
        self,
        *,
        user: str | None = None,
        verb: str | None = None,
        resource: str | None = None,
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> None:
        """Forbid what matches; what is not given matches everything."""
        wanted = (user, verb, resource, namespace, subresource)

        def forbids(user: str, verb: str, group: str, plural: str, where: str | None, sub: str | None) -> bool:
            return all(want is None or want == have for want, have in zip(wanted, (user, verb, plural, where, sub), strict=True))

        self._denied.append(forbids)

    def allow_all(self) -> None:
        """Take every prohibition back."""
        self._denied.clear()

    def allows(self, user: str, verb: str, group: str, plural: str, namespace: str | None, sub: str | None) -> bool:
        """Tell whether a user may do something."""
        return not any(forbids(user, verb, group, plural, namespace, sub) for forbids in self._denied)

    def review(self, user: str, plural: str, document: Object) -> Object:
        """Answer the self-subject reviews."""
        if plural == "selfsubjectreviews":
            return {**document, "status": {"userInfo": {"username": user, "groups": ["system:authenticated"]}}}
        if plural == "selfsubjectrulesreviews":
            rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            return {**document, "status": {"resourceRules": [rule], "nonResourceRules": [], "incomplete": False}}
        asked = document["spec"]["resourceAttributes"]
        allowed = self.allows(
            user,
            asked["verb"],
            asked.get("group", ""),
            asked["resource"],
            asked.get("namespace"),
            asked.get("subresource"),
        )
        return {**document, "status": {"allowed": allowed, "reason": "" if allowed else "denied by the test"}}

    def issue_token(self, namespace: str, name: str, request: Object) -> Object:
        """Answer a token request of a service account."""
        self.store.get(kinds.SERVICE_ACCOUNT, namespace, name)
        return {**request, "status": {"token": self.token(f"system:serviceaccount:{namespace}:{name}")}}

    # What goes wrong

    def fail(self, what: int | str, **how: Any) -> Fault:
        """Make matching requests fail: a status, or ``blackhole``, ``slow``, ``reset``, ``garbage``."""
        fault = Fault(what, **how)
        self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """End every fault; black-holed connections are cut."""
        for fault in self._faults:
            fault.healed.set()
        self._faults.clear()

    def drop_watches(self) -> None:
        """Cut the watches that are running, without a word."""
        self.watch_generation += 1
        with self.store.changed:
            self.store.changed.notify_all()

    def expire(self) -> None:
        """Forget the past: running and new watches from before now get 410."""
        self.store.expire()

    def obey_faults(self, handler: Handler, *, running: bool = False) -> bool:
        """Apply a fault to a request; return whether it may go on."""
        for fault in list(self._faults):
            if running and fault.what != "blackhole":
                continue
            if not fault.concerns(handler.command, handler.path):
                continue
            if fault.what == "slow":
                time.sleep(fault.seconds)
                continue
            if fault.what == "blackhole":
                fault.healed.wait(600)
            elif fault.what == "garbage":
                handler.answer(200, b"<html>welcome to the router</html>", {"Content-Type": "text/html"})
                return False
            elif isinstance(fault.what, int):
                reason = _REASONS.get(fault.what, fault.reason)
                headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after else {}
                handler.answer(fault.what, Refusal(fault.what, reason, fault.message).as_status(), headers)
                return False
            handler.close_connection = True
            return False
        return True

    # What the server says about itself

    def version_info(self) -> Object:
        """Return what ``/version`` says."""
        major, minor = re.findall(r"\d+", self.git_version)[:2]
        return {"major": major, "minor": minor, "gitVersion": self.git_version, "platform": "linux/amd64"}

    def groups(self) -> Object:
        """Return what ``/apis`` says."""
        found: dict[str, list[str]] = {}
        for known in self.store.kinds.values():
            for kind in known:
                if kind.group and kind.version not in found.setdefault(kind.group, []):
                    found[kind.group].append(kind.version)
        listed = [
            {"name": group, "versions": [{"groupVersion": f"{group}/{each}", "version": each} for each in versions]}
            for group, versions in found.items()
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}

    def resources(self, group: str, version: str) -> Object:
        """Return what a group and version offers."""
        found = [
            {"name": kind.plural, "kind": kind.name, "namespaced": kind.namespaced, "verbs": ["get", "list", "watch"]}
            for known in self.store.kinds.values()
            for kind in known
            if (kind.group, kind.version) == (group, version)
        ]
        if not found:
            raise NoSuchPath
        return {"kind": "APIResourceList", "groupVersion": f"{group}/{version}".strip("/"), "resources": found}

    def page(self, kind: Kind, namespace: str | None, query: dict[str, str]) -> Object:
        """Return a list, or one page of it."""
        token = query.get("continue")
        if token:
            if token not in self._pages or self._pages[token][1] < self.store.floor:
                raise Refusal(410, "Expired", "The provided continue parameter is too old")
            left, version = self._pages.pop(token)
        else:
            left, version = self.store.all(kind, Selection.of(namespace, query))
        limit = int(query.get("limit") or 0) or len(left)
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if left[limit:]:
            metadata["continue"] = secrets.token_urlsafe(8)
            metadata["remainingItemCount"] = len(left) - limit
            self._pages[metadata["continue"]] = (left[limit:], version)
        return {
            "kind": f"{kind.name}List",
            "apiVersion": kind.api_version,
            "metadata": metadata,
            "items": left[:limit],
        }

    # What pods do

    def serve_pod(self, namespace: str, pod: str, port: int, app: PodApp | Address) -> Address:
        """Put a function, or what listens on an address, behind a pod's port."""
        if callable(app):
            address, stop = listen(app)
            self._stops.append(stop)
        else:
            address = app
        self.ports[(namespace, pod, port)] = address
        return address

    def log_of(self, namespace: str, pod: str, container: str | None = None) -> PodLog:
        """Return a container's log, to print into."""
        if container is None:
            spec = self.store.get(kinds.POD, namespace, pod)["spec"]
            container = (spec.get("containers") or [{"name": ""}])[0]["name"]
        return self._logs.setdefault((namespace, pod, log_key(container)), PodLog())


_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def _server_tls(authority: Authority, names: tuple[str, ...], *, expired: bool) -> SSLContext:
    issued = authority.server(names=names, expired=expired)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "server.pem")
        path.write_text(issued.cert_pem + issued.key_pem)
        context.load_cert_chain(path)
    context.load_verify_locations(cadata=authority.pem)
    context.verify_mode = CERT_OPTIONAL
    return context


@pytest.fixture
def fakekube() -> Iterator[FakeKube]:
    """Give a test its own fake API server."""
    fake = FakeKube()
    with contextlib.closing(fake):
        yield fake
