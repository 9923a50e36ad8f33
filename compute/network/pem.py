"""Take PEM text apart, and say what else it is when it is not that."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from compute.kube.kubeconfig_parts import MAX_KEY_SIGNS
from studio.core.errors import ProblemError

BEGIN = "-----BEGIN "
MAX_BYTES = 128 * 1024
_HEAD = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
ENCRYPTED = ("BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED")


@dataclass(frozen=True)
class Block:
    """One block of a PEM text: what it says that it is, and all of it."""

    kind: str
    text: str


def blocks_of(text: str) -> Iterator[Block]:
    """Yield the blocks that have an end, in one pass however the text was made: a regular expression of it all takes seconds."""
    at, endless = 0, set()
    while head := _HEAD.search(text, at):
        kind, mark = head[1], f"-----END {head[1]}-----"
        end = -1 if kind in endless else text.find(mark, head.end())
        if end < 0:
            endless.add(kind)
            at = head.start() + 1
        else:
            at = end + len(mark)
            yield Block(kind, text[head.start() : at])


def check_text(given: str | bytes, place: str, refusals: list[ProblemError], *, most: int = MAX_BYTES) -> str:
    """Return what was given as text; what is too large or binary is refused and taken as empty."""
    if len(given) > most:
        refusals.append(ProblemError("certificate-too-large", field=place, kib=most // 1024))
        return ""
    if isinstance(given, str):
        return given
    try:
        text = given.decode("utf-8-sig")
        if "\0" not in text:
            return text
    except UnicodeDecodeError:
        pass
    refusals.append(ProblemError("certificate-not-pem", field=place, text="It is binary: DER or PKCS#12."))
    return ""


def read_certificates(text: str, place: str, refusals: list[ProblemError]) -> list[x509.Certificate]:
    """Return the certificates in a text, in order; none when something in it cannot be read, and it is said."""
    if any(refusal.field == place for refusal in refusals):
        return []
    found: list[x509.Certificate] = []
    kinds = []
    for block in blocks_of(text):
        kinds.append(block.kind)
        if block.kind not in ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"):
            continue
        try:
            certificate = x509.load_pem_x509_certificate(block.text.encode())
            certificate.public_key()
            list(certificate.extensions)
        except (ValueError, UnsupportedAlgorithm) as error:
            words = f"Certificate {len(found) + 1} cannot be read: {str(error)[:160]}."
            refusals.append(ProblemError("certificate-not-pem", field=place, text=words))
            return []
        found.append(certificate)
    if not found:
        refusals.append(ProblemError("certificate-missing" if not text.strip() else "certificate-not-pem", field=place,
                                     text=_what_it_is(text, kinds, "certificate")))  # fmt: skip
    elif text.count(f"{BEGIN}CERTIFICATE") > len(found):
        refusals.append(ProblemError("certificate-not-pem", field=place, text="One of the certificates is cut off."))
        return []
    return found


def read_key(text: str, place: str, refusals: list[ProblemError]) -> Any:
    """Return the one private key in a text; None when there is none that can be read, and it is said."""
    if any(refusal.field == place for refusal in refusals):
        return None
    if not text.strip():
        refusals.append(ProblemError("certificate-key-missing", field=place))
        return None
    if any(mark in text for mark in ENCRYPTED):
        refusals.append(ProblemError("certificate-key-encrypted", field=place))
        return None
    found = list(blocks_of(text))
    blocks = [block for block in found if block.kind.endswith("PRIVATE KEY")]
    if len(blocks) != 1:
        kinds = [block.kind for block in found]
        words = f"It holds {len(blocks)} private keys." if blocks else _what_it_is(text, kinds, "private key")
        refusals.append(ProblemError("certificate-key-unreadable", field=place, text=words))
        return None
    if len("".join(blocks[0].text.split())) > MAX_KEY_SIGNS:
        refusals.append(ProblemError("certificate-key-unreadable", field=place, text="It is larger than keys of 5,000 bits are."))
        return None
    try:
        return serialization.load_pem_private_key(blocks[0].text.encode(), password=None)
    except TypeError:
        refusals.append(ProblemError("certificate-key-encrypted", field=place))
    except (ValueError, UnsupportedAlgorithm):
        # What the library says may quote the key: it is not passed on.
        words = "Its contents are damaged, or of a kind that is not known here."
        refusals.append(ProblemError("certificate-key-unreadable", field=place, text=words))
    return None


def _what_it_is(text: str, kinds: list[str], wanted: str) -> str:
    """Say what was found in place of a certificate or a key."""
    if any(kind.endswith("PRIVATE KEY") for kind in kinds):
        return f"It holds a private key and no {wanted}."
    if any(kind == "CERTIFICATE REQUEST" for kind in kinds):
        return "It holds a request for a certificate, which an authority has yet to sign."
    if any(kind.startswith("PKCS7") for kind in kinds):
        return "It is PKCS#7."
    if "CERTIFICATE" in kinds:
        return f"It holds a certificate and no {wanted}."
    if BEGIN in text:
        return "Its block is cut off: the line -----END …----- is missing or does not fit."
    return f"It has no block -----BEGIN {wanted.upper()}-----."
