"""Read a certificate's chain and key as a person gave them, and say what of it a router cannot use and why.

Pure: text in, `Examined` out, or a ProblemList with each refusal at its field. What is kept is written anew (PKCS#8,
one block a certificate): Envoy takes a key only as the first block of its file.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from compute.network.pem import BEGIN, check_text, read_certificates, read_key
from studio.core.errors import ProblemError, ProblemList

MAX_CERTIFICATES = 10
CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
RSA_BITS = 2048
WEAK = ("md5", "sha1")
SOON_DAYS, VERY_SOON_DAYS = 30, 7


@dataclass(frozen=True)
class Examined:
    """A chain and a key that fit together: as they go into the cluster, and what may be shown of them."""

    chain: str
    key: str
    digest: str
    ends_at: datetime
    facts: dict[str, Any] = field(default_factory=dict)


def examine(chain: str | bytes, key: str | bytes, *, host: str = "", now: datetime | None = None,
            chain_field: str = "chain", key_field: str = "key") -> Examined:  # fmt: skip
    """Return what was given as a router can use it; raises ProblemList with every reason why it cannot.

    A chain in another order is put in order where that can be done in one way only, and a note says so.
    """
    now = now or datetime.now(UTC)
    refusals: list[ProblemError] = []
    text, key_text = check_text(chain, chain_field, refusals), check_text(key, key_field, refusals)
    if not key_text.strip() and "PRIVATE KEY-----" in text:
        key_text = text  # one file with both
    given = read_certificates(text, chain_field, refusals) if text is not None else []
    private = read_key(key_text, key_field, refusals)
    if len(given) > MAX_CERTIFICATES:
        refusals.append(ProblemError("certificate-too-many", field=chain_field, count=len(given), most=MAX_CERTIFICATES))
    if refusals or private is None:
        raise ProblemList(refusals)
    certificates, notes = _ordered(list(dict.fromkeys(given)), _public(private), chain_field, refusals)
    if not certificates:
        raise ProblemList(refusals)
    leaf = certificates[0]
    if _spki(leaf.public_key()) != _public(private):
        refusals.append(ProblemError("certificate-key-mismatch", field=key_field, name=name_of(leaf)))
    notes += _check_leaf(leaf, host, chain_field, refusals)
    for certificate in certificates:
        _check_each(certificate, now, chain_field, refusals)
    if refusals:
        raise ProblemList(refusals)
    return _examined(certificates, private, notes)


def digest_of(chain: str, key: str) -> str:
    """Return a text by which two pairs of chain and key are told apart; it gives nothing of the key away."""
    return hashlib.sha256(f"{chain.strip()}\n{key.strip()}".encode()).hexdigest()


def covers(names: Sequence[str], host: str) -> bool:
    """Tell whether one of a certificate's names stands for a host; a star stands for one whole label, the first."""
    host = host.rstrip(".").lower()
    try:
        address = str(ipaddress.ip_address(host))
        return any(address == name for name in names)
    except ValueError:
        pass
    wild = "*." + host.partition(".")[2]
    return any(name.rstrip(".").lower() in (host, wild) for name in names)


def name_of(certificate: x509.Certificate) -> str:
    """Return what a person calls a certificate: its common name, else its first name, else its subject."""
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    if common:
        return str(common[0].value)
    return next(iter(names_of(certificate)), certificate.subject.rfc4514_string() or "a certificate without a name")


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return the names and addresses that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [*names.get_values_for_type(x509.DNSName), *(str(each) for each in names.get_values_for_type(x509.IPAddress))]


def describe(certificate: x509.Certificate) -> dict[str, Any]:
    """Return what a page shows of one certificate."""
    return {
        "subject": name_of(certificate),
        "issuer": _issuer(certificate),
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        "serial": f"{certificate.serial_number:X}",
        "key_type": _key_words(certificate.public_key()),
        "signature": _hash_name(certificate) or "its key's own",
        "self_signed": certificate.issuer == certificate.subject,
    }


def _ordered(
    given: list[x509.Certificate], public: bytes, place: str, refusals: list[ProblemError]
) -> tuple[list[x509.Certificate], list[str]]:
    """Return the chain from the leaf to its end, and a note when it was given in another order."""
    issuers = [any(other is not one and _claims(other, one) for other in given) for one in given]
    ends = [one for one, issues in zip(given, issuers, strict=True) if not issues]
    matching = [one for one in given if _spki(one.public_key()) == public]
    leaf = ends[0] if len(ends) == 1 else next(iter(matching), given[0])
    if leaf is given[0] and all(_signed(one, by) for one, by in pairwise(given)):
        return given, []
    chain, rest = [leaf], [one for one in given if one is not leaf]
    while rest:
        last = chain[-1]
        named = [one for one in rest if last.issuer == one.subject and last.issuer != last.subject]
        signers = [one for one in named if _signed(last, one)]
        if len(signers) > 1:
            refusals.append(ProblemError("certificate-chain-order", field=place, order=_order_words(leaf)))
            return [], []
        if named and not signers:
            refusals.append(ProblemError("certificate-chain-broken", field=place, name=name_of(last), issuer=name_of(named[0])))
            return [], []
        if not signers:
            strays = ", ".join(name_of(one) for one in rest[:4])
            refusals.append(ProblemError("certificate-chain-stray", field=place, names=strays, name=name_of(last), issuer=_issuer(last)))
            return [], []
        chain.append(signers[0])
        rest.remove(signers[0])
    return chain, [f"The certificates were given in another order and are kept in this one: {', '.join(map(name_of, chain))}."]


def _check_leaf(leaf: x509.Certificate, host: str, place: str, refusals: list[ProblemError]) -> list[str]:
    """Refuse a leaf that no client would take from a server; return what is worth knowing of one that can be used."""
    names = names_of(leaf)
    notes = []
    if not names:
        refusals.append(ProblemError("certificate-no-names", field=place, name=name_of(leaf)))
    elif host and not covers(names, host):
        refusals.append(ProblemError("certificate-name-mismatch", field=place, host=host, names=_listed(names)))
    if not _for_servers(leaf):
        refusals.append(ProblemError("certificate-not-for-servers", field=place, name=name_of(leaf)))
    if leaf.issuer == leaf.subject:
        notes.append("It signed itself: callers must be given this very certificate to trust it.")
    elif _is_authority(leaf):
        notes.append("It is marked as an authority's own certificate; some callers refuse that from a server.")
    if isinstance(leaf.public_key(), ed25519.Ed25519PublicKey):
        notes.append("Its key is Ed25519: browsers and many older programs cannot connect. P-256 works everywhere.")
    return notes


def _check_each(certificate: x509.Certificate, now: datetime, place: str, refusals: list[ProblemError]) -> None:
    name = name_of(certificate)
    if now < certificate.not_valid_before_utc:
        refusals.append(ProblemError("certificate-not-yet-valid", field=place, name=name, at=_day(certificate.not_valid_before_utc)))
    if now >= certificate.not_valid_after_utc:
        refusals.append(ProblemError("certificate-expired", field=place, name=name, at=_day(certificate.not_valid_after_utc)))
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < RSA_BITS:
            refusals.append(ProblemError("certificate-key-weak", field=place, name=name, bits=public.key_size, least=RSA_BITS))
    elif not _known_kind(public):
        refusals.append(ProblemError("certificate-key-kind", field=place, name=name, kind=_key_words(public)))
    # A root's own signature is checked by nobody: it is trusted by being known.
    if _hash_name(certificate) in WEAK and certificate.issuer != certificate.subject:
        refusals.append(ProblemError("certificate-signature-weak", field=place, name=name, hash=_hash_name(certificate).upper()))


def _examined(certificates: list[x509.Certificate], private: Any, notes: list[str]) -> Examined:
    encoding, none = serialization.Encoding.PEM, serialization.NoEncryption()
    chain = "".join(one.public_bytes(encoding).decode() for one in certificates)
    key = private.private_bytes(encoding, serialization.PrivateFormat.PKCS8, none).decode()
    leaf = certificates[0]
    # The first to end ends the chain; a root at its end is known to callers by itself.
    counted = [leaf, *(one for one in certificates[1:] if one.issuer != one.subject)]
    first = min(counted, key=lambda one: one.not_valid_after_utc)
    facts = {
        **describe(leaf),
        "names": names_of(leaf),
        "chain": [describe(one) for one in certificates],
        "notes": notes,
        "first_to_end": name_of(first),
    }
    return Examined(chain=chain, key=key, digest=digest_of(chain, key), ends_at=first.not_valid_after_utc, facts=facts)


def _claims(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    return certificate.issuer == issuer.subject and certificate.issuer != certificate.subject


def _signed(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    if _hash_name(certificate) in WEAK:
        # The library verifies none of these; each is refused for what it is.
        return certificate.issuer == by.subject
    try:
        certificate.verify_directly_issued_by(by)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _public(private: Any) -> bytes:
    return _spki(private.public_key())


def _spki(public: Any) -> bytes:
    return bytes(public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def _for_servers(leaf: x509.Certificate) -> bool:
    try:
        usages = list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usages):
            return False
    except x509.ExtensionNotFound:
        pass
    try:
        return bool(leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature)
    except x509.ExtensionNotFound:
        return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_oid(ExtensionOID.BASIC_CONSTRAINTS).value
        return isinstance(found, x509.BasicConstraints) and found.ca
    except x509.ExtensionNotFound:
        return False


def _issuer(certificate: x509.Certificate) -> str:
    common = certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(common[0].value) if common else certificate.issuer.rfc4514_string()


def _hash_name(certificate: x509.Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return certificate.signature_algorithm_oid.dotted_string
    return algorithm.name if algorithm else ""


def _key_words(public: Any) -> str:
    if isinstance(public, rsa.RSAPublicKey):
        return f"RSA, {public.key_size} bits"
    if isinstance(public, ec.EllipticCurvePublicKey):
        return f"EC {CURVES.get(public.curve.name, public.curve.name)}"
    return type(public).__name__.removeprefix("_").removesuffix("PublicKey")


def _known_kind(public: Any) -> bool:
    if isinstance(public, ec.EllipticCurvePublicKey):
        return public.curve.name in CURVES
    return isinstance(public, ed25519.Ed25519PublicKey)


def _order_words(leaf: x509.Certificate) -> str:
    return f"first {name_of(leaf)}, then the certificate that signed it ({_issuer(leaf)}), and so on to the root"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _day(at: datetime) -> str:
    return f"{at:%-d %B %Y, %H:%M} UTC"


__all__ = ["BEGIN", "Examined", "covers", "describe", "digest_of", "examine", "name_of", "names_of"]
