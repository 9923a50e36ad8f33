"""A small HTTP server that speaks the studio's API as the client knows it, with faults on request."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import mooring

TOKEN = "mrg_test"
# What the studio puts in front of each line that is asked for with its time.
STAMP = b"2026-03-01T12:00:00.250Z "
PROBLEM = "application/problem+json"


@dataclass
class StandIn:
    """What the server holds, what it was asked, and what it is to do wrong."""

    url: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    trees: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    log: bytes = b""
    logs: list[bytes] = field(default_factory=list)  # what the next requests for a log find, before `log`
    outputs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    workspaces: list[str] = field(default_factory=lambda: ["demo"])
    clusters: dict[str, dict[str, Any]] = field(default_factory=dict)
    types: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    came_with: list[tuple[str, str]] = field(default_factory=list)  # method and Idempotency-Key of each request
    drop_after: list[int] = field(default_factory=list)  # bytes of a log after which each connection breaks
    drop_answers: list[str] = field(default_factory=list)  # "METHOD path part": done, but the answer is lost
    answers: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)  # part of a path, status, problem
    ends_as: str = "Completed"
    revoked: bool = False

    def job(self, name: str, **facts: Any) -> dict[str, Any]:
        """Put a job there."""
        self.jobs[name] = {"name": name, "status": "Completed", "url": f"{self.url}/w/demo/jobs/{name}/"} | facts
        return self.jobs[name]


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextlib.contextmanager
def serving() -> Iterator[StandIn]:
    """Run the server on a free port."""
    held = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"held": held}))
    server.daemon_threads = True
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    held: StandIn
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        self.query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.held.came_with.append((self.command, self.headers.get("Idempotency-Key", "")))
        self.held.asked.append((self.command, self.path, self.body))
        if self.path == "/readyz":
            return self._answer({"ready": True, "checks": {"database": "ok", "schema": "ok", "redis": "ok"}})
        if self.path.startswith("/accounts/login/"):
            return self._sign_in()
        if self.path == "/api/v1/me/tokens":
            if "sessionid=s1" not in self.headers.get("Cookie", "") or self.headers.get("X-CSRFToken") != "c1":
                return self._problem("sign-in-needed", 401)
            return self._answer({"token": TOKEN}, 201)
        for index, (part, status, problem) in enumerate(self.held.answers):
            if part in f"{self.command} {self.path}":
                del self.held.answers[index]
                return self._answer(problem, status, PROBLEM)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._problem("sign-in-needed", 401)
        names = [unquote(name) for name in parts.path.removeprefix("/api/v1/").split("/")]
        if names[0] == "workspaces" and len(names) > 2:
            if names[1] not in self.held.workspaces:
                return self._problem("not-found", 404)
            return self._in_workspace(names[2:])
        return self._site(names)

    def _site(self, names: list[str]) -> None:
        held, given = self.held, self._given()
        match self.command, names:
            case "GET", ["me"]:
                spaces = [{"name": name, "role": "owner"} for name in held.workspaces]
                roles = {"operator": True, "administrator": False}
                self._answer({"studio_version": mooring.__version__, "username": "ada", "roles": roles, "workspaces": spaces})
            case "DELETE", ["me", "token"]:
                held.revoked = True
                self._answer(None, 204)
            case "GET", ["workspaces"]:
                self._page([{"name": name, "display_name": name.title(), "role": "owner"} for name in held.workspaces])
            case "GET", ["clusters"]:
                self._page(list(held.clusters.values()))
            case "POST", ["clusters"]:
                held.clusters[given["name"]] = {"name": given["name"], "status": "connecting"}
                self._answer(held.clusters[given["name"]], 201)
            case "GET", ["clusters", "manifest"]:
                self._answer(f"kind: ServiceAccount # {self.query.get('namespace')}\n".encode(), 200, "application/yaml")
            case "GET", ["clusters", name] if name not in held.clusters:
                self._problem("not-found", 404)
            case "GET", ["clusters", name]:
                held.clusters[name]["status"] = "ready"
                self._answer(held.clusters[name])
            case "DELETE", ["clusters", name]:
                del held.clusters[name]
                self._answer({"name": name, "goes": ["2 objects"], "stays": []}, 202)
            case "GET", ["clusters", name, "manifest"]:
                self._answer(f"kind: ServiceAccount # {name}\n".encode(), 200, "application/yaml")
            case "GET", ["clusters", _, "instance-types"]:
                self._page(list(held.types.values()))
            case "POST", ["clusters", _, "instance-types"]:
                held.types[given["name"]] = given
                self._answer(given, 201)
            case _:
                self._problem("not-found", 404)

    def _in_workspace(self, names: list[str]) -> None:
        held, given = self.held, self._given()
        match self.command, names:
            case "PUT", ["blobs", digest]:
                if sha256(self.body) != digest:
                    self._problem("blob-digest-differs", 422)
                    return
                held.blobs[digest] = self.body
                self._answer({"digest": digest}, 201)
            case "POST", ["trees"]:
                missing = sorted({one["digest"] for one in given["files"]} - held.blobs.keys())
                if missing:
                    self._problem("tree-incomplete", 409, missing=missing)
                    return
                digest = sha256(json.dumps(given, sort_keys=True).encode())
                held.trees[digest] = given["files"]
                self._answer({"digest": digest}, 201)
            case "POST", ["jobs"]:
                self._submit(given)
            case "POST", ["jobs", "validate"]:
                self._answer({"warnings": ["services are ignored"]})
            case "GET", ["jobs"]:
                self._page(list(held.jobs.values())[::-1])
            case _, ["jobs", name, *rest]:
                if name not in held.jobs:
                    self._problem("not-found", 404)
                    return
                self._job(name, rest)
            case "GET", ["computes"]:
                self._page([{"name": "local", "cluster": "here", "namespace": "demo", "status": "ready"}])
            case "POST", ["computes"]:
                self._answer(given | {"status": "ready"}, 201)
            case "DELETE", ["computes", _]:
                self._answer(None, 204)
            case _:
                self._problem("not-found", 404)

    def _job(self, name: str, rest: list[str]) -> None:
        held, job = self.held, self.held.jobs[name]
        match self.command, rest:
            case "GET", []:
                self._answer(dict(job))
                if "soon" in job:
                    job["status"] = job["soon"].pop(0)
                    job |= {} if job["soon"] else {"soon": [job["status"]]}
            case "DELETE", []:
                del held.jobs[name]
                self._answer(None, 204)
            case "POST", ["cancel"]:
                job |= {"status": "CancelRequested", "soon": ["Canceled"]}
                self._answer(dict(job), 202)
            case "POST", ["resubmit"]:
                self._answer(held.job(f"{name}_again"), 201)
            case "GET", ["yaml"]:
                self._answer(b"command: true\n", 200, "application/yaml")
            case "GET", ["logs"]:
                self._answer([{"process": 0, "attempt": 0, "bytes": len(held.log), "final": True}])
            case "GET", ["logs", _]:
                self._log()
            case "GET", ["outputs"]:
                rows = [
                    {
                        "root": root,
                        "path": path,
                        "size": len(content),
                        "sha256": sha256(content).removeprefix("sha256:"),
                    }
                    for (root, path), content in held.outputs.items()
                ]
                self._answer(rows)
            case "GET", ["outputs", root, *path]:
                self._answer(held.outputs[root, "/".join(path)], 200, "application/octet-stream")
            case _:
                self._problem("not-found", 404)

    def _submit(self, given: dict[str, Any]) -> None:
        held = self.held
        key = self.headers["Idempotency-Key"]
        if key not in held.keys:
            held.submitted.append(given)
            held.keys[key] = f"calm_otter_{len(held.submitted)}"
            held.job(held.keys[key], status="Queued", reason="waiting for room", soon=["Running", held.ends_as])
        self._answer(held.jobs[held.keys[key]], 201)

    def _log(self) -> None:
        rest = (self.held.logs.pop(0) if self.held.logs else self.held.log)[int(self.query["offset"]) :]
        if self.query.get("timestamps") == "true":
            rest = b"".join(STAMP + line for line in rest.splitlines(keepends=True))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        breaks = self.held.drop_after.pop(0) if self.held.drop_after else None
        part = rest if breaks is None else rest[:breaks]
        if part:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        if breaks is None:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def _sign_in(self) -> None:
        right = b"csrfmiddlewaretoken=f1" in self.body and b"password=open+sesame" in self.body
        page = b'<form><input type="hidden" name="csrfmiddlewaretoken" value="f1"><input name="login"><input name="password"></form>'
        self.send_response(302 if right else 200)
        self.send_header("Set-Cookie", "csrftoken=c1; Path=/")
        if right:
            self.send_header("Set-Cookie", "sessionid=s1; Path=/")
            self.send_header("Location", "/")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def _given(self) -> Any:
        is_json = self.headers.get("Content-Type", "").startswith("application/json")
        return json.loads(self.body) if is_json and self.body else {}

    def _page(self, rows: list[dict[str, Any]]) -> None:
        begin, limit = int(self.query.get("after", 0)), int(self.query.get("limit", 50))
        following = str(begin + limit) if begin + limit < len(rows) else None
        self._answer({"items": rows[begin : begin + limit], "next": following})

    def _problem(self, id: str, status: int, **more: Any) -> None:
        told = {"id": id, "title": f"Title of {id}", "status": status, "detail": "What happened.", "todo": "Do this."}
        self._answer(told | more, status, PROBLEM)

    def _answer(self, content: Any, status: int = 200, kind: str = "application/json") -> None:
        for index, part in enumerate(self.held.drop_answers):
            if part in f"{self.command} {self.path}":
                del self.held.drop_answers[index]
                self.close_connection = True
                return
        body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
