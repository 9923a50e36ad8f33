"""What the sync and the async client share: TLS, proxies and safe paths to pods."""

import contextlib
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from compute.kube.config import Connection
from compute.kube.errors import TlsFailed
from compute.kube.kinds import segment
from compute.kube.reach import UNLIMITED, Reach

USER_AGENT = "mooring"
MAX_BODY = 256 * 1024 * 1024  # a list of 100,000 pods; more than that is not an answer
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON = "application/json"


def tls_context(connection: Connection) -> ssl.SSLContext:
    """Return the TLS settings of a connection; the client's key is never kept in a file."""
    try:
        context = ssl.create_default_context(cadata=connection.ca_pem or None)
        # Python 3.13 turned this on by default; the authorities many clusters made themselves do not pass it.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if connection.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if connection.client_cert_pem and connection.client_key_pem:
            with _readable(connection.client_cert_pem + "\n" + connection.client_key_pem) as path:
                context.load_cert_chain(path)
    except (ssl.SSLError, ValueError) as error:
        raise TlsFailed(f"The certificates of this connection cannot be used: {error}") from error
    return context


def authorization(connection: Connection) -> dict[str, str]:
    """Return the headers that say who we are."""
    return {"Authorization": f"Bearer {connection.token}"} if connection.token else {}


def proxy_for(connection: Connection, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the proxy to reach the server through: the kubeconfig's, else the environment's as kubectl does."""
    if connection.proxy_url:
        return connection.proxy_url
    environ = os.environ if environ is None else environ
    host = urlsplit(connection.server).hostname or ""
    if host == "localhost" or _in_networks(host, ["127.0.0.0/8", "::1/128"]):
        return None
    excluded = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if _in_networks(host, excluded.split(",")) or _named_in(host, excluded.split(",")):
        return None
    return environ.get("https_proxy") or environ.get("HTTPS_PROXY") or None


def reach_of(connection: Connection) -> Reach:
    """Return where the first connection of a request may go; to a proxy that the machine names itself, anywhere."""
    by_environment = connection.proxy_url is None and proxy_for(connection) is not None
    return UNLIMITED if by_environment else connection.reach


def pod_proxy_path(namespace: str, pod: str, port: int, path: str, query: Mapping[str, str | int] | None = None) -> str:
    """Return the API server's path that leads to a path on a pod's port; refuse one that climbs out."""
    return f"/api/v1/namespaces/{segment(namespace)}/pods/{segment(pod)}:{int(port)}/proxy{pod_path(path)}{encode_query(query)}"


def pod_path(path: str) -> str:
    """Return a pod's own path, quoted; the API server cleans ``..`` away and would call another endpoint."""
    if not path.startswith("/"):
        raise ValueError("a path on a pod starts with /")
    parts = path.split("/")
    if any(part in {".", ".."} for part in parts):
        raise ValueError("a path on a pod has no . or .. in it")
    return "/".join(quote(part, safe="@:~!$&'()*+,;=") for part in parts)


def encode_query(query: Mapping[str, object] | None) -> str:
    """Return ``?a=b`` without what is None."""
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return "?" + urlencode(given) if given else ""


def _in_networks(host: str, networks: list[str]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for network in networks:
        with contextlib.suppress(ValueError):
            if address in ipaddress.ip_network(network.strip(), strict=False):
                return True
    return False


def _named_in(host: str, names: list[str]) -> bool:
    """Tell whether a host is one of the names, or below one; ``*`` is every host."""
    wanted = [name.strip().lower().removeprefix("*.").removeprefix(".").partition(":")[0] for name in names]
    return any(name == "*" or host.lower() == name or host.lower().endswith("." + name) for name in wanted if name)


@contextlib.contextmanager
def _readable(text: str) -> Iterator[str]:
    """Give OpenSSL a path to read secret text from: memory where the system can, else a private file for a moment."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("mooring", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
            os.lseek(descriptor, 0, os.SEEK_SET)
            path = f"/proc/self/fd/{descriptor}"
            if Path(path).exists():
                yield path
                return
        finally:
            os.close(descriptor)
    with tempfile.NamedTemporaryFile("w", prefix="mooring-", suffix=".pem") as file:
        file.write(text)
        file.flush()
        yield file.name
