"""Try out, from inside a cluster, which addresses of the world a pod reaches, through its proxy or without."""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

MAX_ERROR = 140


def ask_all(urls: list[str], timeout: float = 8.0) -> list[dict[str, Any]]:
    """Ask for all addresses at once; give for each how it answered, in their order."""
    answers: list[dict[str, Any]] = [{} for _ in urls]

    def one(index: int) -> None:
        answers[index] = ask(urls[index], timeout)

    threads = [threading.Thread(target=one, args=(index,), daemon=True) for index in range(len(urls))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout * 2 + 2
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    silent = {"via": "", "status": None, "ms": None, "kind": "timeout", "error": "no answer in time"}
    return [answer or silent for answer in answers]


def ask(url: str, timeout: float) -> dict[str, Any]:
    """Ask for one address and tell by which way, with which status and how fast it answered; any status is an answer."""
    proxy = proxy_for(url)
    began = time.monotonic()
    status, kind, error = None, "answered", None
    try:
        status = _status(url, proxy, timeout)
        if status == 407 and proxy:
            kind, error = "proxy-auth", "the proxy asks for a user and a password, or refuses these"
    except (OSError, http.client.HTTPException, ValueError) as failure:
        kind, error = _why(failure, proxy)
    via = urllib.parse.urlsplit(proxy).netloc.rsplit("@", 1)[-1] if proxy else ""
    ms = round((time.monotonic() - began) * 1000, 1)
    return {"via": via, "status": status, "ms": ms, "kind": kind, "error": error}


def proxy_for(url: str) -> str:
    """Give the proxy that the environment names for an address; nothing when it is reached directly."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if _left_out(host, parts.port) or not host:
        return ""
    return urllib.request.getproxies_environment().get(parts.scheme, "")


def _status(url: str, proxy: str, timeout: float) -> int:
    import ssl

    if proxy.startswith("https://") and url.startswith("https://"):
        raise ValueError("a proxy that is itself spoken to by TLS cannot be tried from here")
    parts = urllib.parse.urlsplit(url)
    handlers: list[Any] = [_NoRedirect(), urllib.request.HTTPSHandler(context=ssl.create_default_context())]
    # The way is chosen already: urllib knows no ranges in NO_PROXY.
    handlers.append(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"User-Agent": "mooring-probe", "Connection": "close"})  # noqa: S310 its status is all that is told
    if proxy:
        _through(request, proxy, parts.scheme)
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as answered:
        return int(answered.code)


def _through(request: urllib.request.Request, proxy: str, scheme: str) -> None:
    import base64

    parts = urllib.parse.urlsplit(proxy)
    if parts.username is not None:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        request.add_header("Proxy-authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    request.set_proxy(parts.netloc.rsplit("@", 1)[-1], "http" if scheme == "https" else parts.scheme)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Take a redirect as the answer that it is."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _left_out(host: str, port: int | None) -> bool:
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    try:
        address: Any = ipaddress.ip_address(host)
    except ValueError:
        address = None
    for item in (one.strip().lower() for one in listed.split(",")):
        if not item:
            continue
        if item == "*" or item in (host.lower(), f"{host.lower()}:{port}"):
            return True
        if address is None:
            if host.lower().endswith("." + item.lstrip(".")):
                return True
        elif _holds(item, address):
            return True
    return False


def _holds(item: str, address: Any) -> bool:
    try:
        return address in ipaddress.ip_network(item, strict=False)
    except (ValueError, TypeError):
        return False


def _why(failure: Exception, proxy: str) -> tuple[str, str]:
    """Give the kind of a failure and its words."""
    import ssl

    reason: Any = failure.reason if isinstance(failure, urllib.error.URLError) else failure
    text = str(reason)[:MAX_ERROR] or type(reason).__name__
    whose = "of the proxy " if proxy else ""
    if isinstance(reason, socket.gaierror):
        return "dns", f"the name {whose}is not known"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "tls", f"the certificate is not trusted: {reason.verify_message}"[:MAX_ERROR]
    if isinstance(reason, ssl.SSLError):
        return "tls", text
    if isinstance(reason, (socket.timeout, TimeoutError)):
        return "timeout", "no answer in time"
    if "Tunnel connection failed: 407" in text:
        return "proxy-auth", "the proxy asks for a user and a password, or refuses these"
    if "Tunnel connection failed" in text:
        return "proxy", text.replace("Tunnel connection failed:", "the proxy refused it:")
    if isinstance(reason, ConnectionRefusedError):
        return "refused", "the proxy refused the connection" if proxy else "the connection was refused"
    return "error", text
