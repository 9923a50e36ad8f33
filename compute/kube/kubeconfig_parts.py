"""Check the single values of a kubeconfig: addresses, certificates, keys, tokens."""

import base64
import binascii
import functools
import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from compute.kube.names import is_dns_label
from compute.kube.reach import EVERYWHERE, Reach, written_address

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*\.?")
_TOKEN = re.compile(r"[\x21-\x7e]+")
# Of a private key of 5,000 bits. Reading one asks whether its numbers are prime, which of a few kilobytes more takes minutes.
MAX_KEY_SIGNS = 4400

PROBLEM_IDS: tuple[str, ...] = (
    "kube-address-refused",
    "kubeconfig-aliases",
    "kubeconfig-auth-provider",
    "kubeconfig-bad-certificate",
    "kubeconfig-bad-namespace",
    "kubeconfig-bad-proxy",
    "kubeconfig-bad-server-url",
    "kubeconfig-bad-token",
    "kubeconfig-basic-auth",
    "kubeconfig-empty",
    "kubeconfig-exec-plugin",
    "kubeconfig-file-path",
    "kubeconfig-impersonation",
    "kubeconfig-insecure-tls",
    "kubeconfig-no-context",
    "kubeconfig-no-credentials",
    "kubeconfig-no-server",
    "kubeconfig-not-a-kubeconfig",
    "kubeconfig-not-yaml",
    "kubeconfig-several-documents",
    "kubeconfig-too-large",
    "kubeconfig-unknown-context",
    "not-in-a-cluster",
)


class KubeconfigRefused(Exception):
    """Say why a kubeconfig is not used: a problem's id, a sentence, and what the sentence is about."""

    def __init__(self, problem_id: str, text: str, **params: Any) -> None:
        super().__init__(text)
        self.problem_id = problem_id
        self.text = text
        self.params = params


def checked_server_url(value: Any, reach: Reach = EVERYWHERE) -> str:
    """Return an https address without credentials, query or trailing slash, that may be called."""
    if value in (None, ""):
        raise KubeconfigRefused("kubeconfig-no-server", "The kubeconfig's cluster has no server address.")
    host = _checked_url(value, {"https"}, "kubeconfig-bad-server-url", "server")
    if value.lower().startswith("https://") and "@" in value.split("/", 3)[2]:
        raise _bad("kubeconfig-bad-server-url", "server", "holds a user name")
    _check_reach(host, reach, "server")
    return str(value).rstrip("/")


def checked_proxy_url(value: Any, reach: Reach = EVERYWHERE) -> str | None:
    """Return an http or https proxy's address, which may hold credentials."""
    if value in (None, ""):
        return None
    host = _checked_url(value, {"http", "https"}, "kubeconfig-bad-proxy", "proxy-url")
    _check_reach(host, reach, "proxy-url")
    return str(value).rstrip("/")


def checked_namespace(value: Any) -> str | None:
    """Return a context's namespace, or None."""
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not is_dns_label(value):
        raise KubeconfigRefused("kubeconfig-bad-namespace", "The context's namespace is not a valid name.")
    return value


def checked_token(value: Any) -> str | None:
    """Return a bearer token that can stand in a header."""
    if value in (None, ""):
        return None
    token = value.strip() if isinstance(value, str) else ""
    if not _TOKEN.fullmatch(token):
        raise KubeconfigRefused("kubeconfig-bad-token", "The token holds characters that no token has.")
    return token


@functools.lru_cache(maxsize=64)  # the same authority stands behind each of a cluster's contexts
def checked_ca(pem: str | None) -> str | None:
    """Return certificate authorities that can be read, or None for those of the machine."""
    if pem is None:
        return None
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ValueError, UnsupportedAlgorithm, ssl.SSLError) as error:
        raise _bad_certificate("certificate-authority-data") from error
    if not certificates:
        raise _bad_certificate("certificate-authority-data")
    return pem


def checked_client_certificate(certificate: str | None, key: str | None) -> tuple[str, str]:
    """Return a client certificate and the private key that belongs to it."""
    if not certificate or not key:
        missing = "client-key" if certificate else "client-certificate"
        raise KubeconfigRefused("kubeconfig-no-credentials", f"The kubeconfig's user has no {missing}-data.", key=f"{missing}-data")
    try:
        leaf = x509.load_pem_x509_certificates(certificate.encode())[0]
        public = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, IndexError, UnsupportedAlgorithm) as error:
        raise _bad_certificate("client-certificate-data") from error
    try:
        if len("".join(key.split())) > MAX_KEY_SIGNS:
            raise ValueError("larger than any key that is in use")
        private = load_pem_private_key(key.encode(), password=None)
        its_public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # TypeError: the key is encrypted with a passphrase that nobody gave.
        raise _bad_certificate("client-key-data") from error
    if public != its_public:
        raise KubeconfigRefused(
            "kubeconfig-bad-certificate",
            "The client certificate and the client key do not belong together.",
            key="client-key-data",
        )
    return certificate, key


def inline_pem(mapping: Mapping[str, Any], key: str) -> str | None:
    """Return the decoded ``<key>-data``; refuse ``<key>``, which is a path on some machine."""
    if mapping.get(key):
        raise KubeconfigRefused("kubeconfig-file-path", f"The kubeconfig points to a file ({key}) instead of holding it.", key=key)
    value = mapping.get(f"{key}-data")
    if value in (None, ""):
        return None
    try:
        raw = value if isinstance(value, bytes) else base64.b64decode("".join(str(value).split()), validate=True)
        return raw.decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise _bad_certificate(f"{key}-data") from error


def encoded(pem: str) -> str:
    """Return PEM text as a kubeconfig holds it."""
    return base64.b64encode(pem.encode()).decode()


def _checked_url(value: Any, schemes: set[str], problem_id: str, key: str) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value or "\\" in value:
        raise _bad(problem_id, key, "is not an address")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise _bad(problem_id, key, "is not an address") from error
    if parts.scheme.lower() not in schemes:
        raise _bad(problem_id, key, f"does not begin with {' or '.join(f'{each}://' for each in sorted(schemes))}")
    if parts.query or parts.fragment or "?" in value or "#" in value:
        raise _bad(problem_id, key, "has a query or a fragment")
    if any(part in {".", ".."} for part in parts.path.split("/")) or "%" in parts.path:
        raise _bad(problem_id, key, "has a path that climbs")
    host = parts.hostname or ""
    if port == 0 or not (_HOST.fullmatch(host) or written_address(host)):
        raise _bad(problem_id, key, "has no valid host")
    return host


def _check_reach(host: str, reach: Reach, key: str) -> None:
    if not reach.permits_host(host):
        text = f"The kubeconfig's {key} is at {host}, an address at which this studio calls no cluster."
        raise KubeconfigRefused("kube-address-refused", text, key=key)


def _bad(problem_id: str, key: str, why: str) -> KubeconfigRefused:
    return KubeconfigRefused(problem_id, f"The kubeconfig's {key} {why}.", key=key, why=why)


def _bad_certificate(key: str) -> KubeconfigRefused:
    return KubeconfigRefused("kubeconfig-bad-certificate", f"The kubeconfig's {key} cannot be read.", key=key)
