"""Certificates of every kind, right and wrong, made for a test."""

import datetime
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.fakekube.certs import _general

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    private: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key(self) -> str:
        return self.key_as(serialization.PrivateFormat.PKCS8)

    def key_as(self, form: serialization.PrivateFormat, password: bytes | None = None) -> str:
        how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        return self.private.private_bytes(serialization.Encoding.PEM, form, how).decode()  # type: ignore[no-any-return]


def make(
    name: str,
    by: Made | None = None,
    *,
    names: tuple[str, ...] = (),
    ca: bool = False,
    begins: float = -1,
    ends: float = 90,
    private: Any = None,
    hash: Any = None,
    usages: tuple[Any, ...] | None = None,
    key_usage: x509.KeyUsage | None = None,
) -> Made:
    """Make a certificate signed by another, or by itself; days are counted from now."""
    private = private or ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins * DAY)
        .not_valid_after(now + ends * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(each) for each in names]), critical=False)
    if usages is None and not ca:
        usages = (ExtendedKeyUsageOID.SERVER_AUTH,)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if key_usage:
        builder = builder.add_extension(key_usage, critical=True)
    signer = by.private if by else private
    chosen = None if type(signer).__name__.startswith("Ed") else (hash or hashes.SHA256())
    return Made(builder.sign(signer, chosen), private)


@dataclass(frozen=True)
class Family:
    """A root, an intermediate, and a server's certificate."""

    root: Made
    middle: Made
    leaf: Made

    @property
    def chain(self) -> str:
        return self.leaf.pem + self.middle.pem + self.root.pem


def family(names: tuple[str, ...] = ("scoring.example.com",), authority: str = "Test", **more: Any) -> Family:
    root = make(f"{authority} Root", ca=True, ends=3650)
    middle = make(f"{authority} Issuing", root, ca=True, ends=1825)
    return Family(root, middle, make(names[0], middle, names=names, **more))
