"""What people and the studio do to the network of a cluster; every way in ends here."""

import re
from typing import Any

from django.db import transaction
from django.utils import timezone

from compute.connections import kube_client
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import KubeError
from compute.models import Cluster
from compute.network import way_out
from compute.network.applying import SECRET_NAME, apply_certificate, read_secret
from compute.network.certificates import Examined, examine
from compute.network.models import (
    LOCKED,
    CertificateSource,
    CertificateStatus,
    CheckStatus,
    EgressCheck,
    PodNetworkSettings,
    RouterCertificate,
)
from compute.network.selectors import certificate_of, router_name
from compute.problems import told
from studio.audit.services import record
from studio.core.errors import ProblemError, ProblemList
from studio.core.nudge import nudge
from studio.core.states import move

__all__ = [
    "SECRET_NAME",
    "apply_certificate",
    "change_way_out",
    "check_egress",
    "follow_secret",
    "put_back_certificate",
    "remove_certificate",
    "set_certificate",
    "set_way_out",
]

SECRET = re.compile(r"\A[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")
MAX_ADDRESSES = 10
MAX_ADDRESS = 300


def set_certificate(actor: Any, cluster: Cluster, *, chain: str | bytes, key: str | bytes) -> RouterCertificate:
    """Keep a certificate for a cluster's router and have it brought there; raises ProblemList with every refusal at its field."""
    seen = examine(chain, key, host=router_name(cluster))
    return _keep(actor, cluster, seen, source=CertificateSource.UPLOAD, chain=seen.chain, key=seen.key, secret_name="")


def follow_secret(actor: Any, cluster: Cluster, *, name: str) -> RouterCertificate:
    """Have the router show the certificate of a Secret in `mooring-system`, and follow it when it is renewed there."""
    name = name.strip()
    if name == SECRET_NAME or not SECRET.match(name):
        raise ProblemError("certificate-secret-name", field="secret", name=name[:80])
    try:
        seen = read_secret(kube_client(cluster), name, host=router_name(cluster), place="secret")
    except (KubeError, KubeconfigRefused) as error:
        raise told(error, field="secret") from error
    return _keep(actor, cluster, seen, source=CertificateSource.SECRET, chain=seen.chain, key="", secret_name=name)


def put_back_certificate(actor: Any, cluster: Cluster) -> RouterCertificate:
    """Have the certificate that is kept here written over whatever stands in the cluster."""
    row = _certificate(cluster)
    others = [each for each in CertificateStatus.values if each not in (CertificateStatus.WAITING, CertificateStatus.REMOVING)]
    with transaction.atomic():
        RouterCertificate.objects.filter(pk=row.pk).exclude(status=CertificateStatus.REMOVING).update(overwrite=True)
        move(row, CertificateStatus.WAITING, expect=others, actor=actor, reason="Being put back", problem_id="")
        record(actor, "put the router's certificate back", cluster, diff={"fingerprint": ["", row.facts.get("fingerprint", "")]})
        nudge("compute.settle_network", cluster.pk)
    return row


def remove_certificate(actor: Any, cluster: Cluster) -> None:
    """Forget a router's certificate and take it out of the cluster."""
    row = _certificate(cluster)
    gone = {"status": CertificateStatus.REMOVING, "status_at": timezone.now(), "reason": "Taking it out of the cluster", "problem_id": ""}
    with transaction.atomic():
        if RouterCertificate.objects.filter(pk=row.pk).update(**gone, key="", chain=""):
            record(actor, "removed the router's certificate", cluster, diff={"fingerprint": [row.facts.get("fingerprint", ""), ""]})
            cluster.announce()
        nudge("compute.settle_network", cluster.pk)


def set_way_out(
    actor: Any,
    cluster: Cluster,
    *,
    http_proxy: str = "",
    https_proxy: str = "",
    no_proxy: str = "",
    ca_bundle: str | bytes = "",
    ca_with_system: bool = True,
) -> PodNetworkSettings:
    """Say how the pods of a cluster get out; it counts for pods that are made from now on.

    A proxy's address with its password hidden, as it is shown, is the one that is kept.
    """
    row = PodNetworkSettings.objects.filter(cluster=cluster).first() or PodNetworkSettings(cluster=cluster)
    refusals: list[ProblemError] = []

    def checked(check: Any, *args: Any) -> Any:
        try:
            return check(*args)
        except (ProblemError, ProblemList) as refusal:
            refusals.extend(refusal.errors if isinstance(refusal, ProblemList) else [refusal])
            return ""

    values = {
        "http_proxy": checked(way_out.kept_or_new, http_proxy, row.proxy("http_proxy"), "http_proxy"),
        "https_proxy": checked(way_out.kept_or_new, https_proxy, row.proxy("https_proxy"), "https_proxy"),
        "no_proxy": checked(way_out.check_no_proxy, no_proxy),
        "ca_bundle": checked(way_out.check_bundle, ca_bundle),
        "ca_with_system": ca_with_system,
    }
    if values["ca_bundle"] and ca_with_system and not way_out.system_bundle():
        refusals.append(ProblemError("ca-bundle-no-system", field="ca_with_system", place=", ".join(way_out.system_places())))
    if refusals:
        raise ProblemList(refusals)
    diff = _way_out_diff(row, values)
    if not diff:
        return row
    with transaction.atomic():
        # What cannot be opened and was not typed anew stays as it lies.
        kept = {name: value for name, value in values.items() if value != LOCKED}
        row, _ = PodNetworkSettings.objects.update_or_create(cluster=cluster, defaults={**kept, "version": row.version + 1})
        record(actor, "changed the way out", cluster, diff=diff)
        cluster.announce()
        nudge("compute.settle_network", cluster.pk)
    return row


def change_way_out(actor: Any, cluster: Cluster, **changes: Any) -> PodNetworkSettings:
    """Change some of how the pods of a cluster get out; what is not named stays as it is."""
    row = PodNetworkSettings.objects.filter(cluster=cluster).first() or PodNetworkSettings(cluster=cluster)
    kept: dict[str, Any] = {
        "http_proxy": way_out.masked(row.proxy("http_proxy")),
        "https_proxy": way_out.masked(row.proxy("https_proxy")),
        "no_proxy": row.no_proxy,
        "ca_bundle": row.ca_bundle,
        "ca_with_system": row.ca_with_system,
    }
    return set_way_out(actor, cluster, **(kept | changes))


def check_egress(actor: Any, cluster: Cluster, *, addresses: list[str]) -> EgressCheck:
    """Have addresses tried from a pod of the cluster, through its proxy; the row tells how far that is."""
    wanted = [_address(each) for each in addresses if each.strip()]
    wanted = list(dict.fromkeys(wanted))
    if not wanted or len(wanted) > MAX_ADDRESSES:
        text = f"There are {len(wanted)} addresses." if wanted else "No address was given."
        raise ProblemError("egress-address-invalid", field="addresses", text=text, most=MAX_ADDRESSES)
    with transaction.atomic():
        Cluster.objects.select_for_update().get(pk=cluster.pk)
        if EgressCheck.objects.filter(cluster=cluster, status__in=[CheckStatus.WAITING, CheckStatus.RUNNING]).exists():
            raise ProblemError("egress-check-busy", name=cluster.name)
        row = EgressCheck.objects.create(cluster=cluster, addresses=wanted, asked_by=actor if getattr(actor, "pk", None) else None)
        record(actor, "asked to check the way out", cluster, diff={"addresses": ["", ", ".join(wanted)[:400]]})
        cluster.announce()
        nudge("compute.try_egress", row.pk)
    return row


def _keep(actor: Any, cluster: Cluster, seen: Examined, **values: Any) -> RouterCertificate:
    """Make the row as wanted; a person decided, so whatever stands in the cluster gives way."""
    with transaction.atomic():
        old = RouterCertificate.objects.select_for_update().filter(cluster=cluster).first()
        row, _ = RouterCertificate.objects.update_or_create(
            cluster=cluster,
            defaults={
                **values,
                "wanted": seen.digest,
                "facts": seen.facts,
                "ends_at": seen.ends_at,
                "direct": {},
                "set_by": actor if getattr(actor, "pk", None) else None,
                "set_at": timezone.now(),
                "status": CertificateStatus.WAITING,
                "status_at": timezone.now(),
                "reason": "On its way into the cluster",
                "problem_id": "",
                "overwrite": True,
                "version": old.version + 1 if old else 1,
            },
        )
        was = old.facts if old else {}
        diff = {
            "fingerprint": [was.get("fingerprint", ""), seen.facts["fingerprint"]],
            "names": [", ".join(was.get("names", [])), ", ".join(seen.facts["names"])],
            "ends": [was.get("not_after", ""), seen.facts["not_after"]],
        }
        if row.secret_name:
            diff["secret name"] = [old.secret_name if old else "", row.secret_name]
        record(actor, "rotated the router's certificate" if old else "set the router's certificate", cluster, diff=diff)
        cluster.announce()
        nudge("compute.settle_network", cluster.pk)
    return row


def _certificate(cluster: Cluster) -> RouterCertificate:
    row = certificate_of(cluster)
    if row is None:
        raise ProblemError("certificate-none", name=cluster.name)
    return row


def _way_out_diff(row: PodNetworkSettings, values: dict[str, Any]) -> dict[str, list[Any]]:
    """Return what changes as the audit may hold it."""
    diff: dict[str, list[Any]] = {}
    for name, new in values.items():
        old = row.proxy(name) if name in ("http_proxy", "https_proxy") else getattr(row, name)
        if old == new:
            continue
        if name in ("http_proxy", "https_proxy"):
            shown = [way_out.masked(old), way_out.masked(new)]
            diff[name] = shown if shown[0] != shown[1] else [shown[0], f"{shown[1]} (another password)"]
        elif name == "ca_bundle":
            diff[name] = [f"{len(way_out.described(each))} certificates" if each else "" for each in (old, new)]
        else:
            diff[name] = [old, new]
    return diff


def _address(given: str) -> str:
    """Return an address as it is tried: a URL; a host alone is asked by https."""
    text = given.strip()
    url = text if "://" in text else f"https://{text}"
    try:
        parts = way_out.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or len(url) > MAX_ADDRESS or any(ord(sign) <= 32 for sign in url) or "@" in parts.netloc:
        raise ProblemError("egress-address-invalid", field="addresses", text=f"{text[:80]!r} is none.", most=MAX_ADDRESSES)
    return url
