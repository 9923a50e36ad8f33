from __future__ import annotations

import json
import socket
import ssl
import threading
from pathlib import Path

import pytest

from sandbox.cli import main
from sandbox.cluster import Record
from sandbox.places import ClusterPlace


@pytest.fixture
def authority(state: Path) -> Path:
    Record("main", "simulated", "1.36.3", 4).save(ClusterPlace.of("main"))
    return ClusterPlace.of("main").authority


def _handshake(folder: Path, authority: Path, name: str) -> None:
    """Greet a server with the certificate as a strict client does."""
    server_side, client_side = socket.socketpair()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    client = ssl.create_default_context(cafile=str(authority))
    client.verify_flags |= ssl.VERIFY_X509_STRICT

    def serve() -> None:
        try:
            server.wrap_socket(server_side, server_side=True).close()
        except ssl.SSLError:
            server_side.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(client_side, server_hostname=name).close()
    finally:
        client_side.close()
        thread.join()


@pytest.mark.parametrize("name", ["models.example.org", "a.apps.example.org", "192.0.2.7"])
def test_a_certificate_holds_for_every_name_that_was_asked_for(authority: Path, tmp_path: Path, name: str) -> None:
    assert main(["certificate", "--name", "models.example.org,*.apps.example.org,192.0.2.7", "--out", str(tmp_path / "new")]) == 0
    _handshake(tmp_path / "new", authority, name)


def test_a_certificate_does_not_hold_for_another_name(authority: Path, tmp_path: Path) -> None:
    main(["certificate", "--name", "models.example.org", "--out", str(tmp_path), "--quiet"])
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _handshake(tmp_path, authority, "other.example.org")


def test_the_key_is_its_owners_and_the_authority_stays_the_same(
    authority: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certificate", "--name", "a.example.org", "--out", str(tmp_path / "a"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    before = authority.read_text()
    assert main(["certificate", "--name", "x" * 63 + ".example.org", "--out", str(tmp_path / "b"), "--days", "1"]) == 0
    assert found["certificate_authority"] == str(authority)
    assert (tmp_path / "a" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert authority.read_text() == before
    assert (tmp_path / "b" / "cert.pem").read_text().endswith(before)
    assert (tmp_path / "a" / "cert.pem").read_text() != (tmp_path / "b" / "cert.pem").read_text()


def test_the_status_names_the_authority_once_it_is_there(authority: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["status", "--json"])
    assert json.loads(capsys.readouterr().out)["certificate_authority"] is None
    main(["certificate", "--name", "a.example.org", "--out", str(tmp_path), "--quiet"])
    main(["status", "--json"])
    assert json.loads(capsys.readouterr().out)["certificate_authority"] == str(authority)


@pytest.mark.parametrize("names", ["", "a b", "-a.example.org", "a/b", "a.example.org,,b", "*.*.example.org"])
def test_it_refuses_what_is_no_name(names: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["certificate", "--name", names, "--out", str(tmp_path)])


def test_a_certificate_needs_a_cluster(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certificate", "--name", "a.example.org", "--out", str(tmp_path)]) == 1
    assert "there is no cluster" in capsys.readouterr().err
