"""What is said of proxies and authorities, and what of it a pod gets."""

from typing import Any

import pytest

from compute.network import pods, way_out
from compute.network.pods import PodNetwork
from studio.core.errors import ProblemError, ProblemList
from tests.compute.network.pki import make


@pytest.mark.parametrize(
    "url", ["http://proxy.corp:3128", "https://10.0.0.1:8080/", "http://user:pa%40ss@proxy:3128", "http://[fd00::1]:3128"]
)
def test_a_proxy_is_taken(url: str) -> None:
    assert way_out.check_proxy(f" {url} ", "http_proxy") == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("proxy.corp:3128", "no scheme"),
        ("socks5://proxy:1080", "socks5://"),
        ("http://proxy.corp", "no port"),
        ("http://proxy:99999", "range"),
        ("http://:3128", "no host"),
        ("http://proxy:3128/path", "behind host and port"),
        ("http://pro xy:3128", "spaces"),
        ("http://user:•••@other:3128", "password is hidden"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_at_its_field(url: str, words: str) -> None:
    with pytest.raises(ProblemError) as caught:
        way_out.check_proxy(url, "https_proxy")
    assert caught.value.field == "https_proxy" and words in caught.value.text


def test_a_password_is_hidden_and_kept_as_long_as_it_is_hidden() -> None:
    stored = "http://user:secret@proxy:3128"
    shown = way_out.masked(stored)
    assert "secret" not in shown and "user" in shown
    assert way_out.kept_or_new(shown, stored, "http_proxy") == stored
    # The password never goes to another host than the one that it was given for.
    with pytest.raises(ProblemError):
        way_out.kept_or_new(shown.replace("proxy", "elsewhere"), stored, "http_proxy")
    assert way_out.masked("http://token@proxy:1") == "http://•••@proxy:1"


def test_hosts_to_leave_out_are_taken_in_every_spelling() -> None:
    assert (
        way_out.check_no_proxy(".corp, *.intra 10.0.0.0/8;host:8443\n192.168.1.1,fd00::/8")
        == ".corp,.intra,10.0.0.0/8,host:8443,192.168.1.1,fd00::/8"
    )
    with pytest.raises(ProblemList) as caught:
        way_out.check_no_proxy("http://x/, a b, b!")
    assert [error.field for error in caught.value.errors] == ["no_proxy", "no_proxy"]


def test_the_clusters_own_is_always_left_out() -> None:
    hosts = way_out.no_proxy(".corp", ranges=["10.42.0.0/16"], addresses=["http://studio:8080", "https://10.0.0.9:6443", ""])
    assert hosts == ["localhost", "127.0.0.1", "::1", ".svc", ".cluster.local", "10.42.0.0/16", "studio", "10.0.0.9", ".corp"]


def test_variables_come_in_both_spellings() -> None:
    found = way_out.environment("http://p:1", "", ["localhost"], bundle=True)
    assert found["HTTP_PROXY"] == found["http_proxy"] == "http://p:1"
    assert "HTTPS_PROXY" not in found and found["NO_PROXY"] == "localhost"
    assert found["SSL_CERT_FILE"] == found["NODE_EXTRA_CA_CERTS"] == pods.CA_FILE
    assert way_out.environment("", "", ["localhost"], bundle=False) == {}


def test_a_bundle_keeps_its_certificates_and_nothing_else() -> None:
    first, second = make("CA one", ca=True), make("CA two", ca=True)
    kept = way_out.check_bundle(f"# Corporate\n{first.pem}\nCA two\n{second.pem}{first.pem}".encode())
    assert kept == first.pem + second.pem
    assert [one["subject"] for one in way_out.described(kept)] == ["CA one", "CA two"]
    assert way_out.check_bundle(" \n") == ""


@pytest.mark.parametrize("given", ["hello", make("x").key, b"\x30\x82\x00", "x" * 300_000])
def test_what_is_no_bundle_is_refused(given: Any) -> None:
    with pytest.raises(ProblemError) as caught:
        way_out.check_bundle(given)
    assert caught.value.problem.id == "ca-bundle-invalid" and caught.value.field == "ca_bundle"


def test_this_machines_own_bundle_is_found_and_without_comments(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "bundle.pem"
    file.write_text(f"# comment\n{make('Known', ca=True).pem}")
    monkeypatch.setattr(way_out, "system_places", lambda: [str(tmp_path / "none"), str(file)])
    assert way_out.system_bundle().startswith("-----BEGIN CERTIFICATE-----")
    monkeypatch.setattr(way_out, "system_places", list)
    assert way_out.system_bundle() == ""


NETWORK = PodNetwork(
    environment={
        "HTTP_PROXY": "http://u:p@x:1",
        "http_proxy": "http://u:p@x:1",
        "NO_PROXY": "a",
        "no_proxy": "a",
        "SSL_CERT_FILE": pods.CA_FILE,
    },
    ca_bundle="PEM",
    secret=frozenset({"HTTP_PROXY", "http_proxy"}),
)


def test_passwords_are_referred_to_and_the_rest_is_written_out() -> None:
    entries = {entry["name"]: entry for entry in pods.variables(NETWORK, "mj-1")}
    assert entries["HTTP_PROXY"]["valueFrom"]["secretKeyRef"] == {"name": "mj-1", "key": "network.HTTP_PROXY", "optional": True}
    assert entries["NO_PROXY"]["value"] == "a"
    assert pods.secret_data(NETWORK) == {"network.HTTP_PROXY": "http://u:p@x:1", "network.http_proxy": "http://u:p@x:1", "ca.pem": "PEM"}
    assert "u:p" not in repr(pods.variables(NETWORK, "mj-1")) + repr(pods.volumes(NETWORK, "mj-1"))


def test_what_the_person_gave_is_left_to_them_in_either_spelling() -> None:
    names = [entry["name"] for entry in pods.variables(NETWORK, "mj-1", given=["http_proxy", "SSL_CERT_FILE"])]
    assert names == ["NO_PROXY", "no_proxy"]


def test_of_the_secret_only_the_authorities_are_mounted() -> None:
    assert pods.volumes(NETWORK, "mj-1")[0]["secret"]["items"] == [{"key": "ca.pem", "path": "ca.pem"}]
    assert pods.mounts(NETWORK)[0]["readOnly"] is True
    assert pods.mounts(PodNetwork()) == [] == pods.volumes(PodNetwork(), "x")
