"""The sync client of one API server: dictionaries in, dictionaries out, a time-out on every call.

Transport is the official client's ApiClient (its connection pool, proxies and TLS); its model classes and its global
configuration are not used: raw JSON lists 500 pods in a tenth of the time. One KubeClient may be shared by threads.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Self

import urllib3
from kubernetes.client import ApiClient, Configuration  # type: ignore[import-untyped]

from compute.kube import kinds, names
from compute.kube.config import Connection
from compute.kube.errors import (
    Gone,
    NotFound,
    NotKubernetes,
    ServerFault,
    Unreachable,
    from_status,
    own_errors,
)
from compute.kube.kinds import Kind
from compute.kube.pools import pools_within
from compute.kube.portforward import PodSocket, open_port
from compute.kube.streams import ByteStream, unless_from_the_server
from compute.kube.transport import (
    APPLY,
    JSON,
    MERGE,
    USER_AGENT,
    authorization,
    encode_query,
    pod_proxy_path,
    proxy_for,
    reach_of,
    tls_context,
)

FIELD_MANAGER = "mooring"
PAGE = 500
Object = dict[str, Any]
Objects = list[Object]  # the class has a method called list
Versions = list[str]
Labels = Mapping[str, str | None]


@dataclass(frozen=True)
class Rule:
    """Name one thing an identity may or may not do."""

    verb: str
    kind: Kind
    namespace: str | None = None
    name: str | None = None
    subresource: str | None = None

    def __str__(self) -> str:
        what = f"{self.kind}/{self.subresource}" if self.subresource else str(self.kind)
        return f"{self.verb} {what}" + (f" in {self.namespace}" if self.namespace else "")


@dataclass(frozen=True)
class Allowed:
    """Answer a rule: may we, and what the server says about it."""

    rule: Rule
    allowed: bool
    reason: str = ""


Answers = list[Allowed]


class KubeClient:
    """Call one API server."""

    def __init__(self, connection: Connection, *, timeout: float = 10.0, user_agent: str = USER_AGENT) -> None:
        self.connection = connection
        self.timeout = timeout
        self._tls = tls_context(connection)
        self._headers = {"User-Agent": user_agent, **authorization(connection)}
        self._api = ApiClient(_configuration(connection))
        self._pool: urllib3.PoolManager = self._api.rest_client.pool_manager
        self._pool.connection_pool_kw["ssl_context"] = self._tls
        self._pool.pool_classes_by_scheme = pools_within(reach_of(connection))

    def close(self) -> None:
        """Close the pooled connections."""
        self._pool.clear()
        self._api.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # What the server is

    def version(self) -> Object:
        """Return the server's version (``gitVersion``, ``major``, ``minor``, ``platform``)."""
        answer = self.call("GET", "/version")
        if "gitVersion" not in answer:
            raise NotKubernetes("The server answered, but not as a Kubernetes API server.")
        return answer

    def healthz(self) -> bool:
        """Tell whether the server says that it is ready."""
        try:
            with self._open("GET", "/readyz") as answer:
                return answer.read(65536).strip() == b"ok"
        except ServerFault:
            return False

    def whoami(self) -> Object:
        """Return who the server takes us for (``username``, ``groups``); needs Kubernetes 1.28."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = self.create(kinds.SELF_REVIEW, review)
        return dict((answer.get("status") or {}).get("userInfo") or {})

    def api_groups(self) -> dict[str, Versions]:
        """Return the server's API groups and their versions, the core group as the empty name."""
        groups = self.call("GET", "/apis").get("groups") or []
        found = {group["name"]: [version["version"] for version in group.get("versions") or []] for group in groups}
        return {"": ["v1"], **found}

    def has_api(self, kind: Kind) -> bool:
        """Tell whether the server knows a kind in this very version."""
        try:
            resources = self.call("GET", kind.root).get("resources") or []
        except NotFound:
            return False
        return any(resource.get("name") == kind.plural for resource in resources)

    def can_i(self, rules: Iterable[Rule]) -> Answers:
        """Ask the server, rule by rule and in order, what this identity may do."""
        return [self._review(rule) for rule in rules]

    def rules(self, namespace: str) -> Object:
        """Return all that this identity may do in a namespace, as far as the server can tell (its ``status``)."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        return dict(self.create(kinds.RULES_REVIEW, review).get("status") or {})

    # Objects

    def get(self, kind: Kind, name: str, namespace: str | None = None, *, subresource: str | None = None) -> Object:
        """Return one object, or raise NotFound."""
        return self.call("GET", kind.path(name, namespace, subresource))

    def find(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """Return one object, or None."""
        try:
            return self.get(kind, name, namespace)
        except NotFound:
            return None

    def list(self, kind: Kind, namespace: str | None = None, *, labels: Labels | None = None, fields: str | None = None) -> Objects:
        """Return all objects of a kind, in one namespace or in all, fetched page by page."""
        for _ in range(3):
            try:
                return [item for page in self.pages(kind, namespace, labels=labels, fields=fields) for item in page["items"]]
            except Gone:  # a page's token outlived its snapshot: begin again
                continue
        raise ServerFault("The server forgot the list while it was being read, three times.")

    def pages(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        labels: Labels | None = None,
        fields: str | None = None,
        limit: int = PAGE,
    ) -> Iterator[Object]:
        """Yield a list page by page as the server gives it (``items``, ``metadata``)."""
        token: str | None = None
        while True:
            query = {
                "limit": limit,
                "continue": token,
                "labelSelector": names.selector(labels) if labels else None,
                "fieldSelector": fields,
            }
            page = self.call("GET", kind.path(namespace=namespace), query=query)
            page["items"] = page.get("items") or []
            yield page
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return

    def create(
        self,
        kind: Kind,
        manifest: Object,
        namespace: str | None = None,
        *,
        name: str | None = None,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Create an object and return it; raise Conflict (``already_exists``) when the name is taken.

        With a name and a subresource, POST to that (a ServiceAccount's ``token``).
        """
        query = {"fieldManager": FIELD_MANAGER, "dryRun": "All" if dry_run else None}
        return self.call("POST", kind.path(name, namespace, subresource), query=query, body=manifest)

    def apply(self, kind: Kind, manifest: Object, namespace: str | None = None, *, force: bool = False, dry_run: bool = False) -> Object:
        """Make an object be as the manifest says (server-side apply) and return it.

        Fields that another manager owns with another value raise Conflict unless forced.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": _flag(force), "dryRun": "All" if dry_run else None}
        path = kind.path(manifest["metadata"]["name"], namespace or _own_namespace(kind, manifest))
        return self.call("PATCH", path, query=query, body=manifest, content_type=APPLY)

    def patch(self, kind: Kind, name: str, change: Object, namespace: str | None = None, *, subresource: str | None = None) -> Object:
        """Merge a change into an object (null removes) and return it."""
        path = kind.path(name, namespace, subresource)
        return self.call("PATCH", path, query={"fieldManager": FIELD_MANAGER}, body=change, content_type=MERGE)

    def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str = "Background",
        grace: int | None = None,
        uid: str | None = None,
        missing_ok: bool = True,
    ) -> bool:
        """Delete an object and what hangs on it; return whether there was one.

        With a uid, an object of the same name that is not ours is left alone (raises Conflict).
        """
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            self.call("DELETE", kind.path(name, namespace), body=options)
        except NotFound:
            if not missing_ok:
                raise
            return False
        return True

    def events_for(self, namespace: str, uid: str) -> Objects:
        """Return the events about one object, oldest first."""
        events = self.list(kinds.EVENT, namespace, fields=f"involvedObject.uid={uid}")
        return sorted(events, key=event_time)

    # Pods

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str | None = None,
        *,
        since: str | None = None,
        tail: int | None = None,
        follow: bool = False,
        previous: bool = False,
        timestamps: bool = False,
        limit_bytes: int | None = None,
        idle_timeout: float | None = None,
    ) -> ByteStream:
        """Return a container's log as a stream of bytes; ``since`` is an RFC 3339 time.

        A follow ends when the container does; silence longer than ``idle_timeout`` raises Timeout (None: never).
        """
        query = {
            "container": container,
            "sinceTime": since,
            "tailLines": tail,
            "limitBytes": limit_bytes,
            "follow": _flag(follow),
            "previous": _flag(previous),
            "timestamps": _flag(timestamps),
        }
        read_timeout = idle_timeout if follow else self.timeout
        return self._open("GET", kinds.POD.path(pod, namespace, "log"), query=query, read_timeout=read_timeout)

    def pod_proxy(
        self,
        namespace: str,
        pod: str,
        port: int,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | BinaryIO | Iterable[bytes] | None = None,
        timeout: float | None = None,
    ) -> ByteStream:
        """Send a request to a pod's port through the API server and return the pod's answer, whatever its status.

        What the API server itself answers (no such pod, not allowed, pod not reachable) is raised as a KubeError.
        """
        response = self._send(
            method,
            pod_proxy_path(namespace, pod, port, path, query),
            body=body,
            headers=dict(headers or {}),
            read_timeout=timeout or self.timeout,
        )
        answer = ByteStream(response)
        if answer.status >= 400 and JSON in answer.headers.get("Content-Type", ""):
            return unless_from_the_server(answer)
        if answer.status in (502, 503, 504):
            raise from_status(answer.status, answer.read(65536), answer.headers)
        return answer

    def port_forward(self, namespace: str, pod: str, port: int) -> PodSocket:
        """Return something like a connected socket to a pod's port, carried by the API server."""
        path = kinds.POD.path(pod, namespace, "portforward")
        return open_port(self.connection, self._tls, self._headers, path, port, timeout=self.timeout)

    # Anything else

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> Object:
        """Send JSON to any path and return the JSON object that comes back, or raise a KubeError."""
        sent = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type} if sent is not None else {}
        answer = self._open(method, path, query=query, body=sent, headers=headers).json()
        if not isinstance(answer, dict):
            raise NotKubernetes("The server answered with JSON that is no object.")
        return answer

    def _review(self, rule: Rule) -> Allowed:
        attributes = {
            "verb": rule.verb,
            "group": rule.kind.group,
            "resource": rule.kind.plural,
            "namespace": rule.namespace,
            "name": rule.name,
            "subresource": rule.subresource,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value is not None}},
        }
        status = self.create(kinds.ACCESS_REVIEW, review).get("status") or {}
        return Allowed(rule, bool(status.get("allowed")), str(status.get("reason") or ""))

    def _open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        read_timeout: float | None = -1,
    ) -> ByteStream:
        """Return a successful answer's stream, or raise what the answer says."""
        response = self._send(
            method,
            path + encode_query(query),
            body=body,
            headers={"Accept": JSON, **(headers or {})},
            read_timeout=self.timeout if read_timeout == -1 else read_timeout,
        )
        answer = ByteStream(response)
        if 200 <= answer.status < 300:
            return answer
        raise from_status(answer.status, answer.read(1024 * 1024), answer.headers)

    def _send(self, method: str, path: str, *, body: Any, headers: dict[str, str], read_timeout: float | None) -> urllib3.BaseHTTPResponse:
        timeout = urllib3.Timeout(connect=min(self.timeout, 10), read=read_timeout)
        attempts = 2 if method == "GET" else 1
        began = time.monotonic()
        while True:
            attempts -= 1
            try:
                with own_errors(urllib3.exceptions.HTTPError, OSError):
                    return self._pool.urlopen(
                        method,
                        self.connection.server + path,
                        body=body,
                        headers={**headers, **self._headers},
                        timeout=timeout,
                        preload_content=False,
                        retries=False,
                        redirect=False,  # a redirect would carry the token elsewhere
                    )
            except Unreachable as error:
                # A pooled connection that the server closed meanwhile looks like this, and fails at once.
                if attempts <= 0 or error.reason or time.monotonic() - began > 1:
                    raise


def event_time(event: Mapping[str, Any]) -> str:
    """Return when an event last happened, as text that sorts."""
    series = event.get("series") or {}
    metadata = event.get("metadata") or {}
    for value in (event.get("lastTimestamp"), series.get("lastObservedTime"), event.get("eventTime")):
        if value:
            return str(value)
    return str(metadata.get("creationTimestamp") or "")


def _configuration(connection: Connection) -> Configuration:
    """Return the official client's settings for this connection alone; nothing of the environment's leaks in."""
    configuration = Configuration(host=connection.server)
    configuration.proxy = proxy_for(connection)
    configuration.no_proxy = None
    configuration.verify_ssl = not connection.insecure
    configuration.assert_hostname = False if connection.insecure else None
    configuration.tls_server_name = connection.tls_server_name
    configuration.connection_pool_maxsize = 8
    configuration.retries = False
    return configuration


def _own_namespace(kind: Kind, manifest: Mapping[str, Any]) -> str | None:
    return manifest["metadata"].get("namespace") if kind.namespaced else None


def _flag(value: bool) -> str | None:
    return "true" if value else None


__all__: Sequence[str] = ("Allowed", "ByteStream", "KubeClient", "Rule", "event_time")
