"""The certificate of a real router: both versions of TLS, and rotated while somebody asks all the time."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.router import NAMESPACE
from tests.cluster.extension import clear_extension, installed
from tests.compute.network.pki import Family, family
from tests.studio_process import Studio

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

NAME = "scoring.mooring.example"


@pytest.fixture(scope="module")
def router(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Family]]:
    """Have a router that speaks TLS alone, with a certificate that was given before it was there."""
    folder, made = tmp_path_factory.mktemp("helm"), family((NAME,))
    clear_extension(studio, folder)
    studio.client.network.set_certificate(studio.cluster, chain=made.chain, key=made.leaf.key)
    found = installed(studio, folder, allowInsecureConnections=False, sslCname=NAME)
    yield found["router"], made
    clear_extension(studio, folder)
    with contextlib.suppress(Exception):
        studio.cli("cluster", "network", "certificate", studio.cluster, "--remove", "--yes")


def trusting(*families: Family) -> ssl.SSLContext:
    return ssl.create_default_context(cadata="".join(each.root.pem for each in families))


def place(router: dict[str, Any]) -> tuple[str, int]:
    """Return where to connect: the router's name need not resolve here."""
    return router["address"], urlsplit(router["base_url"]).port or 443


def asked(router: dict[str, Any], context: ssl.SSLContext) -> tuple[str, str, int]:
    """Ask over a connection of its own; return the certificate's digest, the version of TLS, and the status."""
    with socket.create_connection(place(router), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=NAME) as stream:
            connection = http.client.HTTPConnection(NAME)
            connection.sock = stream
            connection.request("GET", "/", headers={"Connection": "close"})
            shown = stream.getpeercert(binary_form=True) or b""
            return hashlib.sha256(shown).hexdigest(), stream.version() or "", connection.getresponse().status


def digest(made: Family) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(made.leaf.pem)).hexdigest()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
def test_the_router_speaks_both_versions_of_tls_with_the_certificate_given(router: Any, version: ssl.TLSVersion) -> None:
    where, made = router
    assert not where["insecure"] and where["base_url"].startswith(f"https://{NAME}")
    context = trusting(made)
    context.minimum_version = context.maximum_version = version
    shown, spoken, status = asked(where, context)
    assert (shown, spoken.replace(".", "_"), status) == (digest(made), version.name, 404)


def test_a_rotation_drops_no_request(studio: Studio, router: Any) -> None:
    where, first = router
    # Of another name: whoever trusts both takes an issuer by its name.
    second = family((NAME,), authority="Second")
    context = trusting(first, second)
    seen: list[str] = []
    errors: list[str] = []
    over = threading.Event()

    def ask_all_the_time() -> None:
        while not over.is_set():
            try:
                shown, _, status = asked(where, context)
                seen.append(shown)
                if status != 404:
                    errors.append(str(status))
            except (OSError, http.client.HTTPException) as error:
                errors.append(repr(error))

    # One connection stays open all along: it is not cut when the certificate changes.
    kept = http.client.HTTPConnection(NAME)
    plain = socket.create_connection(place(where), timeout=10)
    kept.sock = context.wrap_socket(plain, server_hostname=NAME)
    thread = threading.Thread(target=ask_all_the_time)
    thread.start()
    try:
        studio.until(lambda: len(seen) > 20, what="requests to be answered")
        studio.client.network.set_certificate(studio.cluster, chain=second.chain, key=second.leaf.key)
        studio.until(lambda: bool(seen) and seen[-1] == digest(second), seconds=60, what="the router to show the new certificate")
        before = len(seen)
        studio.until(lambda: len(seen) > before + 20, what="more requests to be answered")
        kept.request("GET", "/")
        assert kept.getresponse().status == 404
    finally:
        over.set()
        thread.join()
        kept.close()
    assert errors == []
    assert set(seen) == {digest(first), digest(second)}


def test_a_certificate_for_another_name_is_refused_before_the_router_has_it(studio: Studio, router: Any, tmp_path: Path) -> None:
    other = family(("elsewhere.example",))
    (tmp_path / "chain.pem").write_text(other.chain)
    (tmp_path / "key.pem").write_text(other.leaf.key)
    files = ("--chain", str(tmp_path / "chain.pem"), "--key", str(tmp_path / "key.pem"))
    refused = studio.cli("cluster", "network", "certificate", studio.cluster, *files, check=False)
    assert refused.returncode == 1 and "certificate-name-mismatch" in refused.stderr


def test_an_existing_secret_is_shown_as_it_stands_and_followed_when_it_is_renewed(studio: Studio, kube: KubeClient, router: Any) -> None:
    where, uploaded = router
    first, second = family((NAME,)), family((NAME,))
    # Which certificate it is says its digest; by whom it is trusted is tried above.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own-tls", "namespace": NAMESPACE}, "type": "kubernetes.io/tls"}
    kube.apply(kinds.SECRET, body | {"stringData": {"tls.crt": first.chain, "tls.key": first.leaf.key}}, NAMESPACE)
    try:
        # Copied to where the router looks, and again when it is renewed.
        shown = studio.cli("cluster", "network", "certificate", studio.cluster, "--secret", "own-tls", "-o", "json")
        assert json.loads(shown.stdout)["certificate"]["status"] == "ready"
        studio.until(lambda: asked(where, context)[0] == digest(first), what="the router to show the copy of the Secret's certificate")
        kube.apply(kinds.SECRET, body | {"stringData": {"tls.crt": second.chain, "tls.key": second.leaf.key}}, NAMESPACE)
        studio.client.transport.json("POST", f"clusters/{studio.cluster}/probe")
        studio.until(lambda: asked(where, context)[0] == digest(second), seconds=60, what="the renewal to be followed")
        studio.client.network.set_certificate(studio.cluster, chain=uploaded.chain, key=uploaded.leaf.key)
        studio.until(lambda: asked(where, context)[0] == digest(uploaded), what="the uploaded certificate to be there")
        # Used where it stands, without a copy.
        kube.apply(kinds.SECRET, body | {"stringData": {"tls.crt": first.chain, "tls.key": first.leaf.key}}, NAMESPACE)
        change = studio.client.extensions.change(studio.cluster, {"sslSecret": "own-tls"})
        studio.client.extensions.wait(studio.cluster, change["id"], seconds=240)
        studio.until(lambda: asked(where, context)[0] == digest(first), what="the router to show the Secret's certificate")
        kube.apply(kinds.SECRET, body | {"stringData": {"tls.crt": second.chain, "tls.key": second.leaf.key}}, NAMESPACE)
        studio.until(lambda: asked(where, context)[0] == digest(second), what="the router to show the renewed certificate")
        change = studio.client.extensions.change(studio.cluster, {"sslSecret": ""})
        studio.client.extensions.wait(studio.cluster, change["id"], seconds=240)
        shown = studio.client.network.get(studio.cluster)["certificate"]["fingerprint"]
        studio.until(lambda: asked(where, context)[0] == shown.replace(":", "").lower(), what="the uploaded certificate to be back")
    finally:
        kube.delete(kinds.SECRET, "own-tls", NAMESPACE)


def test_the_secret_goes_with_the_extension_and_is_not_put_back_by_itself(
    studio: Studio, kube: KubeClient, router: Any, tmp_path: Path
) -> None:
    clear_extension(studio, tmp_path)
    assert kube.find(kinds.SECRET, "mooring-router-tls", "mooring-system") is None
    studio.client.transport.json("POST", f"clusters/{studio.cluster}/probe")
    said = "It went with the extension"
    studio.until(lambda: said in (studio.client.network.get(studio.cluster)["certificate"]["reason"]), seconds=60, what="it to be said")
    assert kube.find(kinds.SECRET, "mooring-router-tls", "mooring-system") is None
