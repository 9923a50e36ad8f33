"""Proxies, what is reached without one, and bundles of authorities: pure functions from what a person gives to what a pod gets."""

import hashlib
import ipaddress
import re
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from compute.network import pem
from compute.network.certificates import describe
from compute.network.pods import CA_FILE, CA_VARIABLES
from studio.core.errors import ProblemError, ProblemList

HIDDEN = "•••"
MAX_URL = 1000
MAX_BUNDLE = 256 * 1024
# The bundle of a whole machine goes along into a pod's Secret, which holds 1 MiB.
MAX_SYSTEM = 600 * 1024
ALWAYS = ("localhost", "127.0.0.1", "::1", ".svc", ".cluster.local")
HOST = re.compile(r"\A\.?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?(:\d{1,5})?\Z")
# Where distributions keep their bundle, beside where OpenSSL looks by itself.
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def check_proxy(given: str, place: str) -> str:
    """Return a proxy's address as it is kept; raises ProblemError `proxy-invalid` at its field."""
    url = given.strip()
    if not url:
        return ""
    why = _proxy_refusal(url)
    if why:
        raise ProblemError("proxy-invalid", field=place, text=why)
    return url.rstrip("/")


def kept_or_new(given: str, stored: str, place: str) -> str:
    """Return a proxy's address as a form brought it: with its password hidden, it is the stored one."""
    if given.strip() and given.strip() == masked(stored):
        return stored
    return check_proxy(given, place)


def masked(url: str) -> str:
    """Return a proxy's address as it may be shown."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    user, at_host = parts.netloc.rsplit("@", 1)
    # A name alone may be a token.
    shown = f"{user.partition(':')[0]}:{HIDDEN}" if ":" in user else HIDDEN
    return parts._replace(netloc=f"{shown}@{at_host}").geturl()


def holds_secret(url: str) -> bool:
    """Tell whether a proxy's address must not be written where others read it."""
    return "@" in urlsplit(url).netloc


def check_no_proxy(given: str, place: str = "no_proxy") -> str:
    """Return a list of hosts as it is kept, separated by commas; raises ProblemList with every one that cannot be used."""
    hosts, refusals = [], []
    for item in re.split(r"[\s,;]+", given.strip()):
        host = item.removeprefix("*") if item.startswith("*.") else item
        if not host:
            continue
        if host == "*" or HOST.match(host) or _is_network(host):
            hosts.append(host)
        else:
            refusals.append(ProblemError("no-proxy-invalid", field=place, text=f"{item[:80]!r} is none."))
    if refusals:
        raise ProblemList(refusals)
    return ",".join(dict.fromkeys(hosts))


def no_proxy(given: str, *, ranges: Iterable[str] = (), addresses: Iterable[str] = ()) -> list[str]:
    """Return what is reached without the proxy: the cluster's own, the hosts of `addresses` (URLs), and what a person gave."""
    hosts = [host for url in addresses if (host := urlsplit(url).hostname)]
    return list(dict.fromkeys([*ALWAYS, *ranges, *hosts, *(item for item in given.split(",") if item)]))


def environment(http: str, https: str, without: Iterable[str], *, bundle: bool) -> dict[str, str]:
    """Return the variables by which programs learn of proxy and authorities."""
    proxies = {name: url for name, url in (("HTTP_PROXY", http), ("HTTPS_PROXY", https)) if url}
    if proxies:
        proxies["NO_PROXY"] = ",".join(without)
    both = {spelled: value for name, value in proxies.items() for spelled in (name, name.lower())}
    return both | (dict.fromkeys(CA_VARIABLES, CA_FILE) if bundle else {})


def check_bundle(given: str | bytes, place: str = "ca_bundle") -> str:
    """Return a bundle as it is kept: its certificates and nothing else; raises ProblemError `ca-bundle-invalid`."""
    refusals: list[ProblemError] = []
    text = pem.check_text(given, place, refusals, most=MAX_BUNDLE)
    if not refusals and not text.strip():
        return ""
    if not refusals and "PRIVATE KEY-----" in text:
        raise ProblemError("ca-bundle-invalid", field=place, text="It holds a private key, which belongs in no bundle of authorities.")
    found = pem.read_certificates(text, place, refusals)
    if refusals:
        raise ProblemError("ca-bundle-invalid", field=place, text=refusals[0].text)
    blocks = [one.public_bytes(pem.serialization.Encoding.PEM).decode() for one in dict.fromkeys(found)]
    return "".join(blocks)


def described(bundle: str) -> list[dict[str, Any]]:
    """Return the certificates of a kept bundle as a page lists them."""
    return [describe(one) for one in pem.read_certificates(bundle, "", [])] if bundle else []


def system_bundle() -> str:
    """Return the authorities that this machine trusts as PEM; empty when it keeps none where others look."""
    for place in system_places():
        try:
            text = Path(place).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        blocks = [block.text for block in pem.blocks_of(text) if block.kind == "CERTIFICATE"]
        if blocks:
            whole = "\n".join(blocks) + "\n"
            return whole if len(whole) <= MAX_SYSTEM else ""
    return ""


def system_places() -> list[str]:
    """Return where this machine's bundle may be, the most particular first."""
    paths = ssl.get_default_verify_paths()
    return list(dict.fromkeys(place for place in (paths.cafile, paths.openssl_cafile, *BUNDLES) if place))


def digest(bundle: str) -> str:
    """Return a text by which two bundles are told apart."""
    return hashlib.sha256(bundle.encode()).hexdigest()[:16] if bundle else ""


def _proxy_refusal(url: str) -> str:
    if len(url) > MAX_URL or any(ord(sign) <= 32 for sign in url):
        return "It has spaces or line breaks in it, or is far too long."
    if HIDDEN in url:
        return "Its password is hidden: give the whole address with its password again."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"{str(error)[:120]}."
    return _part_refusal(parts, port)


def _part_refusal(parts: SplitResult, port: int | None) -> str:
    if parts.scheme not in ("http", "https"):
        return (
            f"It begins with {parts.scheme + '://' if parts.scheme and parts.netloc else 'no scheme'}; programs know http:// and https://."
        )
    if not parts.hostname or not (HOST.match(parts.hostname) or _is_network(parts.hostname)):
        return "It names no host."
    if port is None:
        return "It has no port; programs disagree about which one is meant then."
    if parts.path.strip("/") or parts.query or parts.fragment:
        return "There is something behind host and port."
    return ""


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return False
    return True
