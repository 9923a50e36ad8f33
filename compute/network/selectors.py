"""What of a cluster's network others need and pages show: rows only, no calls out."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from compute.extension.models import Extension
from compute.findings import Finding
from compute.models import Cluster
from compute.network import way_out
from compute.network.certificates import SOON_DAYS, VERY_SOON_DAYS, covers
from compute.network.models import CertificateStatus, EgressCheck, PodNetworkSettings, RouterCertificate
from compute.network.pods import PodNetwork
from studio.core.errors import ProblemError
from studio.core.problems import CATALOGUE

__all__ = ["PodNetwork", "certificate_of", "pod_network"]

SHOWN = ("subject", "names", "issuer", "not_before", "not_after", "key_type", "fingerprint", "chain", "notes")


def pod_network(cluster: Cluster) -> PodNetwork:
    """Return how the pods of a cluster reach the world; empty where nothing is set.

    Render it with compute.network.pods: `secret_data`, `variables`, `mounts`, `volumes`.
    """
    row = settings_of(cluster)
    if row is None:
        return PodNetwork()
    bundle = whole_bundle(row)
    environment = way_out.environment(row.http_proxy, row.https_proxy, reached_directly(row), bundle=bool(bundle))
    secret = frozenset(name for name, value in environment.items() if name.upper() != "NO_PROXY" and way_out.holds_secret(value))
    return PodNetwork(environment=environment, ca_bundle=bundle, secret=secret)


def settings_of(cluster: Cluster) -> PodNetworkSettings | None:
    """Return how the pods of a cluster get out, if somebody said."""
    return PodNetworkSettings.objects.filter(cluster=cluster).first()


def certificate_of(cluster: Cluster) -> RouterCertificate | None:
    """Return the certificate of a cluster's router, if one is set."""
    return RouterCertificate.objects.select_related("cluster", "set_by").filter(cluster=cluster).first()


def whole_bundle(row: PodNetworkSettings) -> str:
    """Return the authorities that a pod trusts: the studio machine's own before those given, where that was chosen."""
    if not row.ca_bundle or not row.ca_with_system:
        return row.ca_bundle
    return way_out.system_bundle() + row.ca_bundle


def reached_directly(row: PodNetworkSettings) -> list[str]:
    """Return what the pods of a cluster reach without its proxy."""
    addresses = [studio_address(), row.cluster.server]
    return way_out.no_proxy(row.no_proxy, ranges=row.ranges, addresses=addresses)


def router_name(cluster: Cluster) -> str:
    """Return the name that callers know the router by (sslCname of the extension's settings), or nothing."""
    kept = Extension.objects.filter(cluster=cluster).values_list("settings", flat=True).first()
    return str((kept or {}).get("sslCname") or "")


def checks_of(cluster: Cluster) -> list[EgressCheck]:
    """Return the last checks of the way out, the newest first."""
    return list(EgressCheck.objects.filter(cluster=cluster).select_related("asked_by")[:5])


def warnings_of(row: RouterCertificate, now: datetime | None = None) -> list[ProblemError]:
    """Return what people must know of the certificate that the router shows: it ends, it has ended, its names fit no longer."""
    now = now or timezone.now()
    found, facts = [], row.router_facts
    if row.router_ends_at:
        found += _ending(str(facts.get("first_to_end") or facts.get("subject")), row.router_ends_at, now)
    host = router_name(row.cluster)
    if host and facts.get("names") and not covers(facts["names"], host):
        found.append(ProblemError("certificate-name-mismatch", host=host, names=", ".join(facts["names"][:6])))
    return found


def findings(cluster: Cluster) -> list[Finding]:
    """Return what is wrong with a cluster's network, as the cluster's findings hold it."""
    found: list[ProblemError] = []
    row = certificate_of(cluster)
    told: list[Finding] = []
    if row is not None and row.status != CertificateStatus.REMOVING:
        if row.status in (CertificateStatus.DRIFTED, CertificateStatus.FAILED) and row.problem_id in CATALOGUE:
            problem = CATALOGUE[row.problem_id]
            todo = "" if "{" in problem.todo else problem.todo
            told.append({"id": row.problem_id, "title": problem.title, "text": row.reason, "todo": todo})
        found += warnings_of(row)
    way = settings_of(cluster)
    if way is not None and way.ca_bundle and way.ca_with_system and not way_out.system_bundle():
        found.append(ProblemError("ca-bundle-no-system", place=", ".join(way_out.system_places())))
    return told + [{"id": each.problem.id, "title": each.title, "text": each.text, "todo": each.todo} for each in found]


def certificate_shown(row: RouterCertificate) -> dict[str, Any]:
    """Return a certificate as the API shows it; no secret is among it."""
    return {
        "source": row.source,
        "secret": row.secret_name or None,
        "status": row.status,
        "reason": row.reason,
        "problem": row.problem_id or None,
        "applied_at": row.applied_at,
        "checked_at": row.checked_at,
        "set_by": row.set_by.username if row.set_by else None,
        "set_at": row.set_at,
        "ends_at": row.ends_at,
        **{name: row.facts.get(name) for name in SHOWN},
        "in_cluster": row.drift or None,
        # What callers see instead, while the extension's setting sslSecret names another Secret.
        "router_shows": {"secret": row.direct["secret"], **{name: row.direct["facts"].get(name) for name in SHOWN}} if row.direct else None,
        "warnings": [each.as_dict() for each in warnings_of(row)],
    }


def way_out_shown(cluster: Cluster) -> dict[str, Any]:
    """Return how pods get out as the API shows it, passwords hidden."""
    row = settings_of(cluster) or PodNetworkSettings(cluster=cluster)
    return {
        "http_proxy": way_out.masked(row.proxy("http_proxy")),
        "https_proxy": way_out.masked(row.proxy("https_proxy")),
        "no_proxy": row.no_proxy,
        "reached_directly": reached_directly(row) if row.proxy("http_proxy") or row.proxy("https_proxy") else [],
        "ca_bundle": way_out.described(row.ca_bundle),
        "ca_with_system": row.ca_with_system,
    }


def check_shown(row: EgressCheck) -> dict[str, Any]:
    """Return a check of the way out as the API shows it."""
    return {
        "id": row.pk,
        "status": row.status,
        "reason": row.reason,
        "problem": row.problem_id or None,
        "addresses": row.addresses,
        "results": row.results,
        "asked_at": row.asked_at,
        "ended_at": row.ended_at,
    }


def _ending(name: str, ends_at: datetime, now: datetime) -> list[ProblemError]:
    left = ends_at - now
    at = f"{ends_at.astimezone(UTC):%-d %B %Y, %H:%M} UTC"
    if left.total_seconds() <= 0:
        return [ProblemError("certificate-expired", name=name, at=at)]
    if left.days < VERY_SOON_DAYS:
        hours = int(left.total_seconds() // 3600)
        words = f"{left.days} days" if left.days > 1 else f"{hours} hours" if hours > 1 else "less than two hours"
        return [ProblemError("certificate-ends-very-soon", name=name, at=at, left=words)]
    if left.days < SOON_DAYS:
        return [ProblemError("certificate-ends-soon", name=name, at=at, days=left.days)]
    return []


def days_left(row: RouterCertificate) -> int:
    """Return how many whole days the certificate that the router shows has left; below zero when it has ended."""
    return (row.router_ends_at - timezone.now()).days if row.router_ends_at else 0


def studio_address() -> str:
    """Return the address by which pods reach the studio."""
    return str(settings.STUDIO_URL_FOR_PODS)
