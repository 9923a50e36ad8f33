"""A tiny HTTP proxy that asks for a user, passes on what it is asked for, and remembers it."""

from __future__ import annotations

import base64
import contextlib
import http.server
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

USER = "user:pa%20ss"
PAIR = base64.b64encode(b"user:pa ss").decode()


class Proxy(http.server.BaseHTTPRequestHandler):
    """Answer one client of the proxy."""

    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: Any) -> None: ...

    def do_CONNECT(self) -> None:
        self.server.asked.append(("CONNECT", self.path))
        if not self._known():
            return
        host, port = self.path.rsplit(":", 1)
        if host == "forbidden.example":
            self.send_error(403)
            return
        with socket.create_connection(self.server.routes.get(host, (host, int(port))), timeout=5) as far:
            self.send_response(200)
            self.end_headers()
            self._pass_on(far)
        self.close_connection = True

    def do_GET(self) -> None:
        self.server.asked.append(("GET", self.path))
        if self._known():
            self.send_response(204)
            self.end_headers()

    def _known(self) -> bool:
        if self.headers.get("Proxy-Authorization") == f"Basic {PAIR}":
            return True
        self.send_response(407)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def _pass_on(self, far: socket.socket) -> None:
        near = self.connection
        while True:
            ready, _, _ = select.select([near, far], [], [], 5)
            for one, other in ((near, far), (far, near)):
                if one in ready:
                    piece = one.recv(65536)
                    if not piece:
                        return
                    other.sendall(piece)
            if not ready:
                return


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), Proxy)
        self.asked: list[tuple[str, str]] = []
        # Where names lead that only this proxy knows.
        self.routes: dict[str, tuple[str, int]] = {}


@contextlib.contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[Server]:
    """Run a proxy for as long as the test needs it."""
    server = Server(host)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
