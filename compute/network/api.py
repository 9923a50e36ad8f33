"""API operations on a cluster's network: the certificate of its router, the way out of its pods, checks of it."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from compute.models import Cluster
from compute.network import selectors, services
from compute.network.models import EgressCheck
from studio.accounts.access import require_operator
from studio.api.bodies import RequestBody
from studio.core.errors import ProblemError

router = Router(tags=["clusters"])

Answer = dict[str, Any]


class CertificateIn(RequestBody):
    """A certificate for a router: chain and key as PEM, or the name of a Secret in mooring-system."""

    chain: str = ""
    key: str = ""
    secret: str = ""


class WayOutIn(RequestBody):
    """What changes of the way out; an empty text takes a thing away, a proxy with its password hidden stays."""

    http_proxy: str | None = None
    https_proxy: str | None = None
    no_proxy: str | None = None
    ca_bundle: str | None = None
    ca_with_system: bool | None = None


class CheckIn(RequestBody):
    """Addresses to try from a pod."""

    addresses: list[str]


@router.get("/clusters/{name}/network")
def show_network(request: HttpRequest, name: str) -> Answer:
    """Show a cluster's network; keys and passwords are never shown."""
    return _shown(_cluster(request, name))


@router.put("/clusters/{name}/network/certificate")
def set_certificate(request: HttpRequest, name: str, given: CertificateIn) -> Answer:
    """Set or rotate the certificate of the cluster's router."""
    row = _cluster(request, name)
    if given.secret:
        if given.chain or given.key:
            raise ProblemError("field-invalid", field="secret", text="Give either a chain with its key, or the name of a Secret.")
        services.follow_secret(request.user, row, name=given.secret)
    else:
        services.set_certificate(request.user, row, chain=given.chain, key=given.key)
    return _shown(row)


@router.post("/clusters/{name}/network/certificate/put-back", response={202: Answer})
def put_back_certificate(request: HttpRequest, name: str) -> tuple[int, Answer]:
    """Write the certificate that is kept here over what stands in the cluster."""
    row = _cluster(request, name)
    services.put_back_certificate(request.user, row)
    return 202, _shown(row)


@router.delete("/clusters/{name}/network/certificate", response={202: Answer})
def remove_certificate(request: HttpRequest, name: str) -> tuple[int, Answer]:
    """Take the certificate out of the cluster, and forget it."""
    row = _cluster(request, name)
    services.remove_certificate(request.user, row)
    return 202, _shown(row)


@router.patch("/clusters/{name}/network/way-out")
def change_way_out(request: HttpRequest, name: str, given: WayOutIn) -> Answer:
    """Change how the cluster's pods get out; what is not given stays."""
    row = _cluster(request, name)
    services.change_way_out(request.user, row, **{key: value for key, value in given.dict().items() if value is not None})
    return _shown(row)


@router.post("/clusters/{name}/network/checks", response={202: Answer})
def check_egress(request: HttpRequest, name: str, given: CheckIn) -> tuple[int, Answer]:
    """Have addresses tried from a pod of the cluster; ask for the check until it has ended."""
    return 202, selectors.check_shown(services.check_egress(request.user, _cluster(request, name), addresses=given.addresses))


@router.get("/clusters/{name}/network/checks/{check_id}")
def show_check(request: HttpRequest, name: str, check_id: int) -> Answer:
    """Show a check of the way out."""
    row = EgressCheck.objects.filter(cluster=_cluster(request, name), pk=check_id).first()
    if row is None:
        raise ProblemError("not-found")
    return selectors.check_shown(row)


def _cluster(request: HttpRequest, name: str) -> Cluster:
    require_operator(request.user)
    row = Cluster.objects.filter(name=name).first()
    if row is None:
        raise ProblemError("not-found")
    return row


def _shown(cluster: Cluster) -> Answer:
    certificate = selectors.certificate_of(cluster)
    return {
        "cluster": cluster.name,
        "router_name": selectors.router_name(cluster) or None,
        "certificate": selectors.certificate_shown(certificate) if certificate else None,
        "way_out": selectors.way_out_shown(cluster),
        "checks": [selectors.check_shown(each) for each in selectors.checks_of(cluster)],
    }
