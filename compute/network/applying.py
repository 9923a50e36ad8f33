"""Bring a certificate into its cluster, look whether it is still there, and take it out again.

Called by tasks, outside of any transaction; each function may run twice or be cut off anywhere. The row says what is
wanted; the Secret says what is there; what was last written by us tells a rotation from somebody else's change.
"""

import base64
import binascii
import contextlib
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from compute.connections import kube_client
from compute.extension import release
from compute.extension.models import Extension, ExtensionStatus
from compute.kube import kinds, names
from compute.kube.client import KubeClient
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import KubeError
from compute.manifests import STUDIO, SYSTEM_NAMESPACE
from compute.models import Cluster, StudioIdentity
from compute.network import pem
from compute.network.certificates import Examined, describe, digest_of, examine
from compute.network.models import CertificateSource, CertificateStatus, RouterCertificate
from compute.network.selectors import certificate_of
from compute.problems import told
from studio.audit.services import record
from studio.core.errors import ProblemError, ProblemList
from studio.core.states import move, touch

log = structlog.get_logger(__name__)

SECRET_NAME = "mooring-router-tls"  # noqa: S105 a name
TLS = "kubernetes.io/tls"
# What a Secret may hold: its own type's keys, and those that the original asks for.
PAIRS = (("tls.crt", "tls.key"), ("cert.pem", "key.pem"))


def apply_certificate(cluster: Cluster) -> bool:
    """Bring the stored certificate into the cluster as the Secret `mooring-router-tls` of `mooring-system`.

    True when the Secret is there afterwards; False when no certificate is set, or it could not be brought: the row says
    why. Raises KubeError or KubeconfigRefused when the cluster does not answer. Outside of any transaction; harmless
    when run twice or killed.
    """
    row = certificate_of(cluster)
    if row is None:
        return False
    client = kube_client(cluster)
    if row.status == CertificateStatus.REMOVING:
        _remove(client, row)
        return False
    try:
        written: set[str] = set()
        while True:
            pair = _wanted(client, row)
            there = _apply(client, row, pair, written)
            fresh = certificate_of(cluster)
            if fresh is None or fresh.wanted == digest_of(*pair) or fresh.status == CertificateStatus.REMOVING:
                return there
            # Rotated meanwhile: ours of a moment ago must not stand in place of the newer one.
            row = fresh
    except (ProblemError, ProblemList) as refusal:
        first = refusal.errors[0] if isinstance(refusal, ProblemList) else refusal
        _says(row, CertificateStatus.FAILED, first.text, first.problem.id)
        return client.find(kinds.SECRET, SECRET_NAME, SYSTEM_NAMESPACE) is not None
    except KubeError as error:
        # A missing namespace, say: it comes with the extension or with the first probe.
        if not error.retryable:
            _says(row, CertificateStatus.WAITING, told(error).text, "certificate-not-applied")
        raise


def direct_secret(cluster: Cluster) -> str:
    """Return the Secret that the router shows as it stands, by the extension's setting sslSecret; empty for ours."""
    row = Extension.objects.filter(cluster=cluster).exclude(status__in=[ExtensionStatus.ABSENT, ExtensionStatus.REMOVING]).first()
    return str(row.settings.get("sslSecret") or "") if row and row.revision else ""


def follow_setting(cluster: Cluster) -> None:
    """Follow the Secret that sslSecret names, so that its end is told of as that of any certificate.

    A certificate that was uploaded is kept for when the setting is taken back, with what the router shows meanwhile
    beside it. Raises KubeError, KubeconfigRefused, and the problem of a Secret that is not usable.
    """
    name, row = direct_secret(cluster), certificate_of(cluster)
    if row is not None and row.source == CertificateSource.UPLOAD:
        _note_direct(cluster, row, name)
        return
    if not name or (row is not None and row.secret_name == name):
        return
    seen = read_secret(kube_client(cluster), name)
    values = {
        "source": CertificateSource.SECRET,
        "secret_name": name,
        "chain": seen.chain,
        "key": "",
        "wanted": seen.digest,
        "facts": seen.facts,
        "ends_at": seen.ends_at,
        "set_at": timezone.now(),
        "set_by": None,
    }
    with transaction.atomic():
        RouterCertificate.objects.update_or_create(cluster=cluster, defaults=values)
        diff = {"fingerprint": ["", seen.facts["fingerprint"]], "secret": [row.secret_name if row else "", name]}
        record(None, "set the router's certificate", cluster, diff=diff)


def _note_direct(cluster: Cluster, row: RouterCertificate, name: str) -> None:
    direct: dict[str, Any] = {}
    if name:
        seen = read_secret(kube_client(cluster), name)
        direct = {"secret": name, "facts": seen.facts, "ends_at": seen.ends_at.isoformat()}
    if direct != row.direct and RouterCertificate.objects.filter(pk=row.pk, source=CertificateSource.UPLOAD).update(direct=direct):
        row.announce()


def settle_certificate(cluster: Cluster) -> None:
    """Apply a cluster's certificate; what the cluster says against it is in the row, and the sweep comes back to it."""
    try:
        with contextlib.suppress(ProblemError, ProblemList):
            # What is wrong with it stands at the extension, whose setting it is.
            follow_setting(cluster)
        apply_certificate(cluster)
    except (KubeError, KubeconfigRefused) as error:
        log.info("certificate could not be applied", cluster=cluster.name, error=str(error))
        row = certificate_of(cluster)
        if row is not None:
            touch(row, checked_at=timezone.now())
            if row.status == CertificateStatus.WAITING:
                _says(row, CertificateStatus.WAITING, told(error).text, "certificate-not-applied")


def read_secret(client: KubeClient, name: str, *, host: str = "", place: str | None = None) -> Examined:
    """Return the certificate in a Secret of `mooring-system`; raises a problem at the field `place`."""
    found = client.find(kinds.SECRET, name, SYSTEM_NAMESPACE)
    if found is None:
        raise ProblemError("certificate-secret-missing", field=place, name=name)
    pair = _pair(found)
    if pair is None:
        raise ProblemError("certificate-secret-kind", field=place, name=name)
    return examine(*pair, host=host, chain_field=place or "secret", key_field=place or "secret")


def withdraw(client: KubeClient) -> None:
    """Take this studio's Secret out of a cluster that is being detached."""
    found = client.find(kinds.SECRET, SECRET_NAME, SYSTEM_NAMESPACE)
    if found is not None and _is_ours(found):
        client.delete(kinds.SECRET, SECRET_NAME, SYSTEM_NAMESPACE, uid=found["metadata"]["uid"])


def render_secret(chain: str, key: str, studio: str) -> dict[str, Any]:
    """Return the Secret that the router takes its certificate from."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": SECRET_NAME,
            "namespace": SYSTEM_NAMESPACE,
            "labels": {names.MANAGED_BY: names.MANAGER, names.KIND: "certificate", STUDIO: studio},
        },
        "type": TLS,
        "data": {"tls.crt": _b64(chain), "tls.key": _b64(key)},
    }


def _wanted(client: KubeClient, row: RouterCertificate) -> tuple[str, str]:
    """Return the chain and key that are to be in the cluster; a followed Secret is read, and its rotation noted."""
    if row.source == CertificateSource.UPLOAD:
        return row.chain, row.key
    seen = read_secret(client, row.secret_name)
    if seen.digest != row.wanted:
        with transaction.atomic():
            if RouterCertificate.objects.filter(pk=row.pk, wanted=row.wanted, source=row.source, secret_name=row.secret_name).update(
                wanted=seen.digest, chain=seen.chain, facts=seen.facts, ends_at=seen.ends_at, set_at=timezone.now(), set_by=None
            ):
                diff = {"fingerprint": [row.facts.get("fingerprint", ""), seen.facts["fingerprint"]], "secret": ["", row.secret_name]}
                record(None, "rotated the router's certificate", row.cluster, diff=diff)
        row.refresh_from_db()
    return seen.chain, seen.key


def _apply(client: KubeClient, row: RouterCertificate, pair: tuple[str, str], written: set[str]) -> bool:
    """Write the Secret unless it is there already, or somebody else's stands in its place."""
    wanted = digest_of(*pair)
    if row.source == CertificateSource.SECRET and row.secret_name == direct_secret(row.cluster):
        # The router shows it as it stands: a copy would only be another place where the key lies.
        if RouterCertificate.objects.filter(pk=row.pk, wanted=wanted).update(applied=wanted, checked_at=timezone.now(), drift={}):
            _says(row, CertificateStatus.READY, "", "")
        return True
    found = client.find(kinds.SECRET, SECRET_NAME, SYSTEM_NAMESPACE)
    seen = _pair(found) if found else None
    seen_digest = digest_of(*seen) if seen else ""
    if found is None and row.applied and not row.overwrite and _taken_out(row.cluster):
        _says(row, CertificateStatus.READY, "It went with the extension; the next install brings it back.", "")
        return False
    if seen_digest != wanted:
        changed = found is not None and row.applied and seen_digest != row.applied and seen_digest not in written
        # Of another studio's certificate one has to be told first: who sets one here may not know of their router.
        told_of_it = row.overwrite and bool(row.drift)
        theirs = found is not None and not told_of_it and _is_anothers(client, found)
        if theirs or (changed and not row.overwrite):
            _drifted(row, seen)
            return True
        if found is not None and found.get("type") != TLS:
            # The type of a Secret cannot be changed.
            client.delete(kinds.SECRET, SECRET_NAME, SYSTEM_NAMESPACE, uid=found["metadata"]["uid"])
        client.apply(kinds.SECRET, render_secret(*pair, StudioIdentity.get()), SYSTEM_NAMESPACE, force=True)
        written.add(wanted)
    now = timezone.now()
    values: dict[str, Any] = {"applied": wanted, "checked_at": now, "drift": {}, "overwrite": False}
    if seen_digest != wanted or not row.applied_at:
        values["applied_at"] = now
    if RouterCertificate.objects.filter(pk=row.pk, wanted=wanted).update(**values):
        _says(row, CertificateStatus.READY, "", "")
    return True


def _remove(client: KubeClient, row: RouterCertificate) -> None:
    found = client.find(kinds.SECRET, SECRET_NAME, SYSTEM_NAMESPACE)
    if found is not None and _is_ours(found):
        client.delete(kinds.SECRET, SECRET_NAME, SYSTEM_NAMESPACE, uid=found["metadata"]["uid"])
    # Only if nobody gave a new one meanwhile.
    RouterCertificate.objects.filter(pk=row.pk, status=CertificateStatus.REMOVING).delete()
    row.cluster.announce()


def _taken_out(cluster: Cluster) -> bool:
    """Tell whether the extension was removed: what it took along is not put back before it is there again."""
    return Extension.objects.filter(cluster=cluster, status__in=[ExtensionStatus.ABSENT, ExtensionStatus.REMOVING]).exists()


def _drifted(row: RouterCertificate, seen: tuple[str, str] | None) -> None:
    certificates = pem.read_certificates(seen[0], "", []) if seen else []
    drift: dict[str, Any] = describe(certificates[0]) if certificates else {"unreadable": True}
    what = "something that is no certificate"
    if certificates:
        what = f"a certificate of {drift['subject']}, which ends on {drift['not_after'][:10]}"
    text = f"In mooring-system/{SECRET_NAME} stands {what}, and not the one given here."
    RouterCertificate.objects.filter(pk=row.pk).update(drift=drift, overwrite=False, checked_at=timezone.now())
    _says(row, CertificateStatus.DRIFTED, text, "certificate-drift")


def _says(row: RouterCertificate, status: CertificateStatus, reason: str, problem_id: str) -> None:
    """Move a certificate to a state, or give its state another reason; one that is being removed stays so."""
    reason = reason[:500]
    touchable = [each for each in CertificateStatus.values if each not in (status, CertificateStatus.REMOVING)]
    RouterCertificate.objects.filter(pk=row.pk).update(checked_at=timezone.now())
    if move(row, status, expect=touchable, reason=reason, problem_id=problem_id):
        return
    if RouterCertificate.objects.filter(pk=row.pk, status=status).exclude(reason=reason).update(reason=reason, problem_id=problem_id):
        row.announce()


def _pair(secret: dict[str, Any]) -> tuple[str, str] | None:
    data = secret.get("data") or {}
    for chain, key in PAIRS:
        if chain in data and key in data:
            try:
                return tuple(base64.b64decode(data[each]).decode("utf-8", "replace") for each in (chain, key))  # type: ignore[return-value]
            except (binascii.Error, ValueError):
                return None
    return None


def _is_ours(secret: dict[str, Any]) -> bool:
    return bool((secret["metadata"].get("labels") or {}).get(STUDIO) == StudioIdentity.get())


def _is_anothers(client: KubeClient, secret: dict[str, Any]) -> bool:
    """Tell whether a Secret is that of another studio whose router is in the cluster: its endpoints answer with it.

    One that a studio left behind, whose extension is gone or was taken over, is nobody's any more.
    """
    studio = (secret["metadata"].get("labels") or {}).get(STUDIO)
    return bool(studio) and studio != StudioIdentity.get() and release.owner(client) == studio


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


__all__ = ["SECRET_NAME", "apply_certificate", "read_secret", "settle_certificate", "withdraw"]
