"""Try out, from inside a cluster, how bytes can travel between a pod and the studio."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
import time
from typing import Any

from runner.layout import PORT
from runner.web import Request, Server


def main(arguments: list[str]) -> int:
    """Ask for the studio (`--url`) or for the world (`--address`) once, or serve as a sidecar would (`--serve`), and give 0."""
    parser = argparse.ArgumentParser(prog="runner probe")
    parser.add_argument("--url", help="the studio's address; <url>/healthz is asked for")
    parser.add_argument("--ca", help="a file with the certificates to trust")
    parser.add_argument("--address", action="append", default=[], help="an address to ask for through the environment's proxy")
    parser.add_argument("--timeout", type=float, default=5.0)
    parser.add_argument("--serve", action="store_true", help="serve /v1/status and /v1/echo with the token in MOORING_TOKEN")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to serve")
    parser.add_argument("--port", type=int, default=PORT)
    given = parser.parse_args(arguments)
    if given.url:
        told = json.dumps(ask(given.url, given.ca, given.timeout))
        print(told, flush=True)
        _terminate_with(told)
    if given.address:
        from runner.egress import ask_all

        told = json.dumps({"answers": ask_all(given.address, given.timeout)}, separators=(",", ":"))
        print(told, flush=True)
        _terminate_with(told)
    if given.serve:
        serve(os.environ.get("MOORING_TOKEN", ""), given.port, given.seconds)
    return 0


def ask(url: str, ca: str | None = None, timeout: float = 5.0) -> dict[str, Any]:
    """Ask for <url>/healthz without any proxy and tell whether and how fast it answered."""
    import http.client
    import urllib.parse

    parts = urllib.parse.urlsplit(url)
    began = time.monotonic()
    try:
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            import ssl

            context = ssl.create_default_context(cafile=ca)
            connection = http.client.HTTPSConnection(parts.netloc, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
        connection.request("GET", parts.path.rstrip("/") + "/healthz")
        status = connection.getresponse().status
        error = None if status == 200 else f"answered {status}"
    except (OSError, http.client.HTTPException, ValueError) as failure:
        error = str(failure) or type(failure).__name__
    return {"reached": error is None, "ms": round((time.monotonic() - began) * 1000, 1), "error": error}


def serve(token: str, port: int, seconds: float) -> None:
    """Serve until the time is over or SIGTERM comes."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    server = Server(_handle, token, ("0.0.0.0", port))
    server.start()
    print(json.dumps({"serving": server.port}), flush=True)
    over.wait(seconds)
    server.close()


def _handle(request: Request) -> None:
    if request.path == "/v1/status":
        request.answer(200, {"phase": "probe", "pod_uid": os.environ.get("MOORING_POD_UID", "")})
    elif request.path == "/v1/echo":
        # In chunks, so that also the way that a followed log takes is tried out.
        request.start()
        for piece in iter(lambda: request.body.read(1 << 16), b""):
            request.send(piece)
        if request.query.get("text"):
            request.send(request.query["text"].encode())
        request.finish()


def _terminate_with(text: str) -> None:
    try:
        with open(os.environ.get("MOORING_TERMINATION_LOG", "/dev/termination-log"), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        pass
