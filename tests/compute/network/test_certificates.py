"""What of a chain and a key is refused, each for its own reason, and what is taken."""

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from compute.kube.kubeconfig_parts import KubeconfigRefused, checked_client_certificate
from compute.network.certificates import covers, examine
from studio.core.errors import ProblemList
from tests.compute.network.pki import Family, Made, family, make
from tests.hostile.readers import bounded

HOST = "scoring.example.com"


@pytest.fixture(scope="module")
def whole() -> Family:
    return family()


@pytest.fixture(scope="module")
def small_rsa() -> Any:
    return rsa.generate_private_key(65537, 1024)


def refused(chain: str | bytes, key: str | bytes, **more: Any) -> dict[str, str]:
    """Return the refusals as id → field."""
    with pytest.raises(ProblemList) as caught:
        examine(chain, key, **more)
    for error in caught.value.errors:
        assert "(" + "name)" not in error.text + error.todo, f"a placeholder of {error.problem.id} was not filled in"
    return {error.problem.id: str(error.field) for error in caught.value.errors}


def test_a_whole_chain_is_taken_and_shown_without_its_key(whole: Family) -> None:
    seen = examine(whole.chain, whole.leaf.key, host=HOST)
    assert seen.facts["subject"] == HOST and seen.facts["names"] == [HOST] and seen.facts["issuer"] == "Test Issuing"
    assert [one["subject"] for one in seen.facts["chain"]] == [HOST, "Test Issuing", "Test Root"]
    assert seen.facts["notes"] == [] and seen.facts["key_type"] == "EC P-256"
    assert len(seen.facts["fingerprint"].split(":")) == 32
    assert "PRIVATE" not in repr(seen.facts)


def test_another_order_is_put_right_and_said(whole: Family) -> None:
    seen = examine(whole.root.pem + whole.leaf.pem + whole.middle.pem, whole.leaf.key)
    assert seen.chain == whole.chain
    assert "another order" in seen.facts["notes"][0]
    assert examine(whole.chain, whole.leaf.key).digest == seen.digest


def test_an_order_that_may_be_two_is_refused_with_the_right_one() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    old_root = make("Old Root", ca=True)
    own = make("Cross", ca=True, private=key)
    crossed = make("Cross", old_root, ca=True, private=key)
    leaf = make(HOST, own, names=(HOST,))
    assert refused(crossed.pem + own.pem + leaf.pem, leaf.key) == {"certificate-chain-order": "chain"}
    # In an order that holds it is taken as it is.
    assert len(examine(leaf.pem + crossed.pem + old_root.pem, leaf.key).facts["chain"]) == 3


def test_a_link_that_another_of_the_same_name_signed_is_refused(whole: Family) -> None:
    impostor = make("Test Issuing", whole.root, ca=True)
    assert refused(whole.leaf.pem + impostor.pem, whole.leaf.key) == {"certificate-chain-broken": "chain"}


def test_a_certificate_of_another_chain_is_refused(whole: Family) -> None:
    assert refused(whole.leaf.pem + whole.root.pem, whole.leaf.key) == {"certificate-chain-stray": "chain"}


def test_the_key_of_another_certificate_is_refused_at_the_key(whole: Family) -> None:
    assert refused(whole.chain, make("other").key) == {"certificate-key-mismatch": "key"}
    assert refused(whole.chain, whole.middle.key) == {"certificate-key-mismatch": "key"}


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_with_a_passphrase_is_refused_with_the_command_that_takes_it_off(whole: Family, form: PrivateFormat) -> None:
    assert refused(whole.chain, whole.leaf.key_as(form, b"secret")) == {"certificate-key-encrypted": "key"}


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_every_form_of_key_is_kept_as_the_router_reads_it(whole: Family, form: PrivateFormat) -> None:
    given = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + whole.leaf.key_as(form)
    assert examine(whole.chain, given).key.startswith("-----BEGIN PRIVATE KEY-----")


def test_one_file_with_both_is_taken(whole: Family) -> None:
    assert examine(whole.leaf.key + whole.chain, "").chain == whole.chain


def test_nothing_given_is_said_at_both_fields() -> None:
    assert refused("", "") == {"certificate-missing": "chain", "certificate-key-missing": "key"}


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ("hello", "It has no block -----BEGIN CERTIFICATE-----"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----", "yet to sign"),
        ("-----BEGIN PKCS7-----\nMA==\n-----END PKCS7-----", "PKCS#7"),
        ("-----BEGIN CERTIFICATE-----\nMIIB", "cut off"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "Certificate 1 cannot be read"),
    ],
)
def test_what_is_no_certificate_is_called_what_it_is(whole: Family, chain: str, words: str) -> None:
    with pytest.raises(ProblemList) as caught:
        examine(chain, whole.leaf.key)
    assert [error.problem.id for error in caught.value.errors] == ["certificate-not-pem"]
    assert words in caught.value.errors[0].text


def test_der_is_refused_with_the_command_that_turns_it_into_pem(whole: Family) -> None:
    der = whole.leaf.certificate.public_bytes(Encoding.DER)
    assert refused(der, whole.leaf.key) == {"certificate-not-pem": "chain"}


def test_a_key_in_place_of_the_certificate_is_said(whole: Family) -> None:
    assert refused(whole.leaf.key, whole.leaf.pem) == {"certificate-not-pem": "chain", "certificate-key-unreadable": "key"}


def test_a_damaged_key_is_refused_without_a_word_of_it(whole: Family) -> None:
    lines = whole.leaf.key.splitlines()
    with pytest.raises(ProblemList) as caught:
        examine(whole.chain, "\n".join([lines[0], lines[1][:40], *lines[2:]]))
    assert caught.value.errors[0].problem.id == "certificate-key-unreadable"
    assert lines[1][:10] not in str(caught.value)


def test_two_keys_are_refused(whole: Family) -> None:
    assert refused(whole.chain, whole.leaf.key + whole.root.key) == {"certificate-key-unreadable": "key"}


def test_what_is_too_large_is_refused(whole: Family) -> None:
    assert refused("x" * 200_000, whole.leaf.key) == {"certificate-too-large": "chain"}
    assert refused(whole.chain, b"x" * 200_000) == {"certificate-too-large": "key"}


def test_a_bundle_of_authorities_is_no_chain(whole: Family) -> None:
    many = "".join(make(f"root {number}", ca=True).pem for number in range(12))
    assert refused(whole.chain + many, whole.leaf.key) == {"certificate-too-many": "chain"}


@pytest.mark.parametrize(
    ("names", "host", "fits"),
    [
        (["scoring.example.com"], "scoring.example.com", True),
        (["Scoring.Example.com"], "scoring.example.COM", True),
        (["*.example.com"], "scoring.example.com", True),
        (["*.example.com"], "example.com", False),
        (["*.example.com"], "a.scoring.example.com", False),
        (["*.com"], "example.com", True),
        (["other.example.com"], "scoring.example.com", False),
        (["10.0.0.1"], "10.0.0.1", True),
        (["10.0.0.1"], "10.0.0.2", False),
    ],
)
def test_names_stand_for_hosts_as_callers_read_them(names: list[str], host: str, fits: bool) -> None:
    assert covers(names, host) is fits


def test_a_certificate_for_other_names_is_refused_where_the_router_has_one() -> None:
    made = family(("other.example.com",))
    assert refused(made.chain, made.leaf.key, host=HOST) == {"certificate-name-mismatch": "chain"}
    examine(made.chain, made.leaf.key)


def test_a_certificate_with_a_common_name_alone_is_refused(whole: Family) -> None:
    bare = make(HOST, whole.middle)
    assert refused(bare.pem + whole.middle.pem, bare.key) == {"certificate-no-names": "chain"}


def test_dates_are_checked_of_every_link(whole: Family) -> None:
    ended = make(HOST, whole.middle, names=(HOST,), begins=-9, ends=-1)
    assert refused(ended.pem + whole.middle.pem, ended.key) == {"certificate-expired": "chain"}
    early = make(HOST, whole.middle, names=(HOST,), begins=2)
    assert refused(early.pem + whole.middle.pem, early.key) == {"certificate-not-yet-valid": "chain"}
    middle = make("Ended", whole.root, ca=True, begins=-9, ends=-1)
    leaf = make(HOST, middle, names=(HOST,))
    assert refused(leaf.pem + middle.pem, leaf.key) == {"certificate-expired": "chain"}


def test_the_chain_ends_with_the_first_of_its_links(whole: Family) -> None:
    middle = make("Short", whole.root, ca=True, ends=5)
    leaf = make(HOST, middle, names=(HOST,), ends=90)
    seen = examine(leaf.pem + middle.pem, leaf.key)
    assert seen.facts["first_to_end"] == "Short"
    assert (seen.ends_at - datetime.datetime.now(datetime.UTC)).days < 6


def test_a_short_rsa_key_is_refused(small_rsa: Any) -> None:
    weak = make(HOST, names=(HOST,), private=small_rsa)
    assert refused(weak.pem, weak.key) == {"certificate-key-weak": "chain"}


@pytest.mark.parametrize("private", [ec.generate_private_key(ec.SECP256K1()), dsa.generate_private_key(2048)], ids=["secp256k1", "dsa"])
def test_kinds_of_keys_that_no_caller_takes_are_refused(private: Any) -> None:
    odd = make(HOST, names=(HOST,), private=private)
    assert refused(odd.pem, odd.key) == {"certificate-key-kind": "chain"}


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_the_usual_curves_are_taken(curve: Any) -> None:
    made = make(HOST, names=(HOST,), private=ec.generate_private_key(curve))
    assert examine(made.pem, made.key).facts["key_type"].startswith("EC P-")


def test_ed25519_is_taken_with_a_note() -> None:
    made = make(HOST, names=(HOST,), private=ed25519.Ed25519PrivateKey.generate())
    assert any("Ed25519" in note for note in examine(made.pem, made.key).facts["notes"])


def test_a_certificate_that_signed_itself_is_taken_with_a_note() -> None:
    made = make(HOST, names=(HOST,), ca=True)
    assert "signed itself" in examine(made.pem, made.key).facts["notes"][0]


def test_a_signature_that_can_be_forged_is_refused(whole: Family) -> None:
    issuer = make("Old Issuer", whole.root, ca=True, private=rsa.generate_private_key(65537, 2048))
    weak = sha1_signed(HOST, issuer)
    assert refused(weak.pem + issuer.pem, weak.key) == {"certificate-signature-weak": "chain"}


def sha1_signed(name: str, by: Made) -> Made:
    """Return a leaf signed with SHA-1, which the library itself no longer makes: openssl does."""
    import subprocess
    import tempfile
    from pathlib import Path

    leaf = make(name, names=(name,))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "ca.pem").write_text(by.pem)
        (place / "ca.key").write_text(by.key)
        (place / "leaf.key").write_text(leaf.key)
        (place / "ext").write_text(f"subjectAltName=DNS:{name}\nextendedKeyUsage=serverAuth\n")
        subject = ["openssl", "req", "-new", "-key", "leaf.key", "-subj", f"/CN={name}", "-out", "leaf.csr"]
        subprocess.run(subject, cwd=place, check=True, capture_output=True)
        sign = ["openssl", "x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-sha1",
                "-days", "30", "-extfile", "ext", "-out", "leaf.pem"]  # fmt: skip
        subprocess.run(sign, cwd=place, check=True, capture_output=True)
        return Made(x509.load_pem_x509_certificate((place / "leaf.pem").read_bytes()), leaf.private)


def test_a_certificate_for_clients_is_refused(whole: Family) -> None:
    client = make(HOST, whole.middle, names=(HOST,), usages=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    assert refused(client.pem + whole.middle.pem, client.key) == {"certificate-not-for-servers": "chain"}
    signing = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    authority = make(HOST, whole.middle, names=(HOST,), key_usage=signing)
    assert refused(authority.pem + whole.middle.pem, authority.key) == {"certificate-not-for-servers": "chain"}


def test_several_things_wrong_are_said_at_once(small_rsa: Any) -> None:
    weak = make("x", names=("other.example.com",), private=small_rsa, ends=-0.1, hash=hashes.SHA256())
    found = refused(weak.pem, make("y").key, host=HOST)
    assert set(found) == {"certificate-key-weak", "certificate-expired", "certificate-name-mismatch", "certificate-key-mismatch"}


def big_key() -> str:
    """Return an RSA key made of two large primes that everybody knows; reading it would take a minute."""
    p, q = 2**9689 - 1, 2**9941 - 1
    d = pow(65537, -1, (p - 1) * (q - 1))
    private = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(65537, p * q))
    return private.private_key(unsafe_skip_rsa_key_validation=True).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_key_whose_numbers_are_too_large_to_be_looked_at_is_refused(whole: Family) -> None:
    key = big_key()
    with bounded():
        assert refused(whole.chain, key) == {"certificate-key-unreadable": "key"}
        with pytest.raises(KubeconfigRefused, match="client-key-data"):
            checked_client_certificate(whole.leaf.pem, key)


@pytest.mark.parametrize("piece", ["-----BEGIN CERTIFICATE-----\n", "-----BEGIN A-----", "-----BEGIN A-----\n-----END B-----\n", "-----BEGIN AAAAAAAA", "-----END A-----"])
def test_a_text_made_of_beginnings_is_read_in_one_pass(piece: str) -> None:
    text = piece * (120_000 // len(piece))
    with bounded():
        assert set(refused(text, text)) == {"certificate-not-pem", "certificate-key-unreadable"}
