"""A small real studio for the pod of a job to talk to, with faults to order."""

from __future__ import annotations

import hashlib
import io
import json
import re
import socket
import struct
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from runner.trees import TreeFile, canonical, digest_of, tree_digest

TOKEN = "a-token-of-this-one-job"


@dataclass
class Fault:
    """What goes wrong with the next requests whose `METHOD path` matches."""

    pattern: str
    kind: str  # "status:503", "reset", "truncate", "tamper", "early:413"
    times: int = 1


@dataclass
class StudioSide:
    """The studio's side of the contract, kept in memory."""

    address: str = "127.0.0.1"
    port: int = 0
    trees: dict[str, dict[str, tuple[bytes, int]]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    outputs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    log: bytearray = field(default_factory=bytearray)
    finished: list[dict[str, Any]] = field(default_factory=list)
    on_put: Callable[[str], None] = lambda path: None
    make_tar: Callable[[dict[str, tuple[bytes, int]]], bytes] | None = None

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer((self.address, self.port), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add_tree(self, files: dict[str, bytes | tuple[bytes, int]]) -> str:
        rows = {path: given if isinstance(given, tuple) else (given, 0o644) for path, given in files.items()}
        digest = tree_digest(listing_of(rows))
        self.trees[digest] = rows
        return digest

    def fail(self, pattern: str, kind: str, times: int = 1) -> None:
        self.faults.append(Fault(pattern, kind, times))

    def fault_for(self, line: str) -> str | None:
        with self._changed:
            for fault in self.faults:
                if fault.times and re.search(fault.pattern, line):
                    fault.times -= 1
                    return fault.kind
        return None

    def note(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, what: Callable[[], Any], seconds: float = 20) -> Any:
        """Wait until something has come; its value, or an AssertionError."""
        ends = time.monotonic() + seconds
        with self._changed:
            while not (value := what()):
                assert time.monotonic() < ends, f"did not come in {seconds} s; so far: {self.requests[-10:]}"
                self._changed.wait(0.05)
        return value


def listing_of(rows: dict[str, tuple[bytes, int]]) -> list[TreeFile]:
    return [TreeFile(path, len(raw), digest_of(raw), mode) for path, (raw, mode) in rows.items()]


def tar_of(rows: dict[str, tuple[bytes, int]]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for path, (raw, mode) in sorted(rows.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(raw), mode
            archive.addfile(member, io.BytesIO(raw))
    return made.getvalue()


def _handler(studio: StudioSide) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *arguments: object) -> None:
            pass

        def _any(self) -> None:
            line = f"{self.command} {self.path}"
            studio.requests.append(line)
            fault = studio.fault_for(line)
            if fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                return
            if fault and fault.startswith("early:"):
                self.close_connection = True
                self._answer(int(fault[6:]), b"no")
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if fault and fault.startswith("status:"):
                self._answer(int(fault[7:]), b"fault")
                return
            path = unquote(urlsplit(self.path).path)
            if path == "/healthz":
                self._answer(200, b"ok")
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._answer(403, b"wrong token")
            else:
                self._job(path.removeprefix("/runner/v1/jobs/").partition("/")[2], body, fault)
            studio.note()

        do_GET = do_PUT = do_POST = _any

        def _job(self, path: str, body: bytes, fault: str | None) -> None:
            if self.command == "GET" and path.startswith("trees/"):
                self._tree(path.removeprefix("trees/"), fault)
            elif self.command == "PUT" and path.startswith("outputs/"):
                studio.on_put(path)
                _, _, root, name = path.split("/", 3)
                digest = hashlib.sha256(body).hexdigest()
                if digest != self.headers["X-Mooring-Sha256"]:
                    self._answer(422, b"wrong digest")
                    return
                studio.outputs[root, name] = body
                self._json({"sha256": digest})
            elif self.command == "PUT" and path.endswith("/log"):
                query = parse_qs(urlsplit(self.path).query)
                offset = int(query["offset"][0])
                if offset <= len(studio.log):
                    studio.log[offset : offset + len(body)] = body
                self._json({"stored": len(studio.log)})
            elif self.command == "POST" and path.endswith("/finish"):
                studio.finished.append(json.loads(body))
                self._json({"acknowledged": True})
            else:
                self._answer(404, b"nothing here")

        def _tree(self, name: str, fault: str | None) -> None:
            rows = studio.trees.get(name.removesuffix(".tar"))
            if rows is None:
                self._answer(404, b"no such tree")
                return
            if not name.endswith(".tar"):
                self._answer(200, canonical(listing_of(rows)))
                return
            raw = (studio.make_tar or tar_of)(rows)
            if fault == "tamper":
                raw = raw[:512] + bytes([raw[512] ^ 1]) + raw[513:]
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            if fault == "truncate":
                raw = raw[: len(raw) // 2]
                self.close_connection = True
            self.wfile.write(raw)

        def _json(self, content: dict[str, Any]) -> None:
            self._answer(200, json.dumps(content).encode())

        def _answer(self, status: int, raw: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    return Handler
