"""Pods for tests that pass the restricted level."""

import time
from typing import Any

from compute.kube import kinds
from compute.kube.client import KubeClient

PORT = 8484
# Serves a line every 10 ms, each the time at which it was written, as the runner's sidecar serves a log.
CLOCK = """
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        if self.path.startswith("/clock"):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for _ in range(200):
                time.sleep(0.01)
                line = f"{time.time():.6f}\\n".encode()
                self.wfile.write(f"{len(line):x}\\r\\n".encode() + line + b"\\r\\n")
            self.wfile.write(b"0\\r\\n\\r\\n")
            return
        self.answer(200 if self.path != "/no" else 404, self.path.encode())
    def do_PUT(self):
        body = b""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(200, str(len(body)).encode())
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        print(f"asked {self.path}", flush=True)
print("listening", flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", 8484), Handler).serve_forever()
"""


def restricted_pod(name: str, image: str, command: list[str]) -> dict[str, Any]:
    """Return a pod's manifest that the restricted level admits."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "runAsGroup": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "command": command,
                    "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def wait_for_phase(kube: KubeClient, namespace: str, name: str, phase: str, *, seconds: float = 90) -> dict[str, Any]:
    """Wait until a pod is in a phase, and return it."""
    deadline = time.monotonic() + seconds
    while (pod := kube.get(kinds.POD, name, namespace))["status"]["phase"] != phase:
        assert time.monotonic() < deadline, pod["status"]
        time.sleep(0.1)
    return pod
