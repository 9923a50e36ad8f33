"""The HTTP side of the fake API server: one handler per connection, over TLS, HTTP/1.1 with chunks."""

import contextlib
import http.server
import json
import re
import socket
import socketserver
import ssl
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from compute.kube import kinds
from tests.fakekube import ports
from tests.fakekube.store import NoSuchPath, Object, Refusal, Selection

if TYPE_CHECKING:
    from tests.fakekube import FakeKube

_OBJECT = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[0-9][^/]*)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+)(?:/(?P<subresource>[a-z]+)(?P<rest>/.*)?)?)?"
)
_NAMESPACE = re.compile(r"/api/v1/namespaces(?:/(?P<name>[^/]+)(?:/(?P<subresource>status|finalize))?)?")
_DISCOVERY = re.compile(r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[0-9][^/]*)")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Accept connections; the TLS handshake happens in the connection's own thread."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, fake: "FakeKube", tls: ssl.SSLContext) -> None:
        self.fake, self.tls = fake, tls
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then serve."""
        request.settimeout(20)
        try:
            secure = self.tls.wrap_socket(request, server_side=True)
        except (OSError, ssl.SSLError):
            return
        self.open.add(secure)
        try:
            super().finish_request(secure, client_address)
        finally:
            self.open.discard(secure)
            with contextlib.suppress(OSError):
                secure.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: clients of tests hang up whenever they like."""

    def cut(self) -> None:
        """Cut every open connection."""
        for each in list(self.open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answer requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        """Serve until the client goes away."""
        with contextlib.suppress(OSError, ssl.SSLError):
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output clean."""

    def do_GET(self) -> None:
        """Answer any method in one place."""
        fake = self.server.fake
        parts = urlsplit(self.path)
        self.route, self.query = parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))
        fake.requests.append((self.command, self.path))
        if not fake.obey_faults(self):
            return
        try:
            self.user = self._user()
            self._dispatch()
        except NoSuchPath:
            self.answer(404, b"404 page not found\n")
        except Refusal as refusal:
            headers = {"WWW-Authenticate": "Bearer"} if refusal.code == 401 else {}
            self.answer(refusal.code, refusal.as_status(), headers)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET

    # Sending

    def answer(self, code: int, body: Object | bytes, headers: dict[str, str] | None = None) -> None:
        """Send a whole answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._drain()
        self.send_response(code)
        given = {"Content-Type": "text/plain" if isinstance(body, bytes) else "application/json", **(headers or {})}
        for name, value in {**given, "Content-Length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def begin_chunks(self, code: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send the head of an answer whose length nobody knows."""
        self._drain()
        self.send_response(code)
        for name, value in {"Transfer-Encoding": "chunked", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()

    def chunk(self, payload: bytes) -> None:
        """Send a chunk; an empty one ends the answer."""
        self.wfile.write(f"{len(payload):x}\r\n".encode() + payload + b"\r\n")
        self.wfile.flush()

    def body(self) -> bytes:
        """Return the request's body."""
        if getattr(self, "_read", None) == id(self.headers):
            return b""
        self._read = id(self.headers)
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> Any:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _drain(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.body()

    def _json(self) -> Object:
        try:
            document = json.loads(self.body() or b"{}")
        except ValueError as error:
            raise Refusal(400, "BadRequest", f"the body is not JSON: {error}") from error
        return document if isinstance(document, dict) else {}

    # Who and whether

    def _user(self) -> str:
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        if scheme == "Bearer" and token in self.server.fake.tokens:
            return self.server.fake.tokens[token]
        certificate = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        subject: Any = (certificate or {}).get("subject", ())
        user = str(dict(pair for part in subject for pair in part).get("commonName", ""))
        if user and user not in self.server.fake.revoked:
            return user
        raise Refusal(401, "Unauthorized", "Unauthorized")

    def _check(self, verb: str, group: str, plural: str, namespace: str | None, subresource: str | None = None) -> None:
        if not self.server.fake.allows(self.user, verb, group, plural, namespace, subresource):
            what = f"{plural}/{subresource}" if subresource else plural
            where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
            raise Refusal(
                403,
                "Forbidden",
                f'{plural} is forbidden: User "{self.user}" cannot {verb} resource "{what}" in API group "{group}"{where}',
                kind=plural,
                group=group,
            )

    # Where to

    def _dispatch(self) -> None:
        fake = self.server.fake
        if self.route == "/version":
            return self.answer(200, fake.version_info())
        if self.route in {"/readyz", "/livez", "/healthz"}:
            return self.answer(200, b"ok")
        if self.route == "/apis":
            return self.answer(200, fake.groups())
        if match := _DISCOVERY.fullmatch(self.route):
            return self.answer(200, fake.resources(match["group"] or "", match["version"]))
        if match := _NAMESPACE.fullmatch(self.route):
            return self._object("", "v1", "namespaces", None, match["name"], match["subresource"])
        match = _OBJECT.fullmatch(self.route)
        if not match:
            raise NoSuchPath
        group, version, plural, subresource = (
            match["group"] or "",
            match["version"],
            match["plural"],
            match["subresource"],
        )
        namespace = unquote(match["namespace"]) if match["namespace"] else None
        name = unquote(match["name"]) if match["name"] else None
        if plural == "pods" and namespace and name and subresource in {"proxy", "log", "portforward"}:
            return self._pod(namespace, name, subresource, match["rest"] or "/")
        return self._object(group, version, plural, namespace, name, subresource)

    def _object(self, group: str, version: str, plural: str, namespace: str | None, name: str | None, subresource: str | None) -> None:
        fake = self.server.fake
        kind = fake.store.kind(group, version, plural)
        if (kind.group, kind.plural) in _REVIEWS and self.command == "POST":
            return self.answer(201, fake.review(self.user, kind.plural, self._json()))
        if self.command in {"GET", "HEAD"}:
            if name:
                self._check("get", group, plural, namespace, subresource)
                return self.answer(200, fake.store.get(kind, namespace, name))
            if self.query.get("watch") in {"true", "1"}:
                self._check("watch", group, plural, namespace)
                return self._watch(kind, Selection.of(namespace, self.query))
            self._check("list", group, plural, namespace)
            return self.answer(200, fake.page(kind, namespace, self.query))
        dry_run = self.query.get("dryRun") == "All"
        if self.command == "POST":
            self._check("create", group, plural, namespace, subresource)
            if plural == "serviceaccounts" and subresource == "token" and name:
                return self.answer(201, fake.issue_token(namespace or "", name, self._json()))
            return self.answer(201, fake.store.create(kind, namespace, self._json(), dry_run=dry_run))
        if self.command == "DELETE":
            self._check("delete", group, plural, namespace)
            return self.answer(200, fake.store.delete(kind, namespace, name or "", self._json()))
        return self._change(kind, namespace, name or "", subresource, dry_run=dry_run)

    def _change(self, kind: kinds.Kind, namespace: str | None, name: str, subresource: str | None, *, dry_run: bool) -> None:
        store = self.server.fake.store
        self._check("patch" if self.command == "PATCH" else "update", kind.group, kind.plural, namespace, subresource)
        kind_of_patch, document = self.headers.get("Content-Type", ""), self._json()
        if kind_of_patch == "application/apply-patch+yaml":
            manager = self.query.get("fieldManager")
            if not manager:
                raise Refusal(422, "Invalid", "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value")
            if not document.get("apiVersion") or not document.get("kind"):
                raise Refusal(400, "BadRequest", "Object 'Kind' is missing")
            force = self.query.get("force") == "true"
            obj, new = store.apply(kind, namespace, name, document, manager=manager, force=force, dry_run=dry_run)
            return self.answer(201 if new else 200, obj)
        if kind_of_patch in {"application/merge-patch+json", "application/strategic-merge-patch+json"}:
            return self.answer(200, store.merge(kind, namespace, name, document, subresource))
        raise Refusal(415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {kind_of_patch}")

    def _watch(self, kind: kinds.Kind, selection: Selection) -> None:
        """Send changes as lines until the time is up, the past is forgotten or the client is gone."""
        fake, store = self.server.fake, self.server.fake.store
        seen = int(self.query.get("resourceVersion") or 0)
        ends = time.monotonic() + float(self.query.get("timeoutSeconds") or 1800)
        bookmarks = self.query.get("allowWatchBookmarks") == "true"
        if seen < store.floor:
            raise Refusal(410, "Expired", f"too old resource version: {seen} ({store.floor})")
        self.begin_chunks(headers={"Content-Type": "application/json"})
        fake.watching += 1
        generation, next_bookmark = fake.watch_generation, time.monotonic() + fake.bookmark_every
        while True:
            with store.changed:
                while not (fresh := [event for event in store.log if event.version > seen]):
                    wait = min(ends, next_bookmark) - time.monotonic()
                    if wait <= 0 or seen < store.floor or generation != fake.watch_generation or fake.closing:
                        break
                    store.changed.wait(min(wait, 0.25))
                expired, version = seen < store.floor, store.version
            if not fake.obey_faults(self, running=True) or fake.closing or generation != fake.watch_generation:
                self.close_connection = True
                return
            if expired:
                status = Refusal(410, "Expired", f"too old resource version: {seen} ({store.floor})").as_status()
                self._line({"type": "ERROR", "object": status})
                break
            for event in fresh:
                seen = event.version
                if event.key == (kind.group, kind.plural):
                    self._send_event(kind, selection, event)
            if time.monotonic() >= ends:
                break
            if bookmarks and time.monotonic() >= next_bookmark:
                seen = max(seen, version) if not fresh else seen
                mark = {"kind": kind.name, "apiVersion": kind.api_version, "metadata": {"resourceVersion": str(seen)}}
                self._line({"type": "BOOKMARK", "object": mark})
                next_bookmark = time.monotonic() + fake.bookmark_every
        self.chunk(b"")

    def _send_event(self, kind: kinds.Kind, selection: Selection, event: Any) -> None:
        was, is_now = selection.matches(event.before), selection.matches(event.after)
        if is_now:
            self._line({"type": "MODIFIED" if was else "ADDED", "object": event.after})
        elif was:
            gone = json.loads(json.dumps(event.before))
            gone["metadata"]["resourceVersion"] = str(event.version)
            self._line({"type": "DELETED", "object": gone})

    def _line(self, event: Object) -> None:
        self.chunk(json.dumps(event).encode() + b"\n")

    def _pod(self, namespace: str, name: str, subresource: str, rest: str) -> None:
        pod, _, port = name.partition(":")
        verb = "get" if self.command in {"GET", "HEAD"} else "create"
        self._check(verb, "", "pods", namespace, subresource)
        self.server.fake.store.get(kinds.POD, namespace, pod)
        if subresource == "log":
            return ports.serve_log(self, namespace, pod)
        if subresource == "portforward":
            return ports.serve_port_forward(self, namespace, pod)
        return ports.serve_proxy(self, namespace, pod, int(port or 80), rest)


_REVIEWS = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
}
