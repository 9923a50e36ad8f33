"""IT operations: the network of a cluster, the certificate of its router, and the way out of its pods."""

from typing import Any

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from compute.models import Cluster
from compute.network import selectors, services, way_out
from compute.network.certificates import SOON_DAYS
from compute.network.forms import CertificateForm, EgressForm, WayOutForm
from compute.network.models import CheckStatus, PodNetworkSettings, RouterCertificate
from compute.network.pem import MAX_BYTES
from compute.router import router_of
from compute.views.frame import cluster_frame, cluster_or_404
from studio.accounts.http import operator_view
from studio.core.errors import MooringError
from studio.core.forms import show_problems


@operator_view
def network(request: HttpRequest, name: str) -> HttpResponse:
    """Show the certificate, the way out, and the last checks of it."""
    cluster = cluster_or_404(name)
    return _network_page(request, cluster, EgressForm())


@operator_view
@never_cache
def certificate(request: HttpRequest, name: str) -> HttpResponse:
    """Take a certificate for the router: uploaded, pasted, or in a Secret of the cluster."""
    cluster = cluster_or_404(name)
    form = CertificateForm(request.POST or None, request.FILES or None)
    problems: list[Any] = []
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            if given["source"] == "secret":
                services.follow_secret(request.user, cluster, name=given["secret"])
            else:
                chain = _file_or_text(given["chain_file"], given["chain"])
                services.set_certificate(request.user, cluster, chain=chain, key=_file_or_text(given["key_file"], given["key"]))
        except MooringError as error:
            problems = show_problems(form, error)
        else:
            messages.success(request, "The certificate is on its way into the cluster.")
            return redirect("compute:network", name=name)
    context = cluster_frame(cluster, "network", here="Router certificate") | {
        "form": _without_key(form),
        "problems": problems,
        "router_name": selectors.router_name(cluster),
        "rotating": selectors.certificate_of(cluster) is not None,
    }
    return render(request, "compute/network/certificate.html", context, status=422 if form.errors or problems else 200)


@operator_view
@require_POST
def put_back(request: HttpRequest, name: str) -> HttpResponse:
    """Write the certificate that is kept here over what stands in the cluster."""
    cluster = cluster_or_404(name)
    services.put_back_certificate(request.user, cluster)
    messages.info(request, "The certificate is being put back.")
    return redirect("compute:network", name=name)


@operator_view
@require_POST
def remove(request: HttpRequest, name: str) -> HttpResponse:
    """Take the certificate out of the cluster, and forget it."""
    cluster = cluster_or_404(name)
    services.remove_certificate(request.user, cluster)
    messages.info(request, "The certificate is being removed.")
    return redirect("compute:network", name=name)


@operator_view
@never_cache
def way(request: HttpRequest, name: str) -> HttpResponse:
    """Say how the cluster's pods get out."""
    cluster = cluster_or_404(name)
    row = selectors.settings_of(cluster) or PodNetworkSettings(cluster=cluster)
    initial = {
        "http_proxy": way_out.masked(row.proxy("http_proxy")),
        "https_proxy": way_out.masked(row.proxy("https_proxy")),
        "no_proxy": row.no_proxy.replace(",", ", "),
        "ca_bundle": row.ca_bundle,
        "ca_with_system": row.ca_with_system,
    }
    form = WayOutForm(request.POST or None, request.FILES or None, initial=initial)
    problems: list[Any] = []
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        given["ca_bundle"] = _file_or_text(given.pop("ca_file"), given["ca_bundle"])
        try:
            services.set_way_out(request.user, cluster, **given)
        except MooringError as error:
            problems = show_problems(form, error)
        else:
            messages.success(request, "Saved. It counts for jobs that start from now on.")
            return redirect("compute:network", name=name)
    context = cluster_frame(cluster, "network", here="Way out") | {
        "form": form,
        "problems": problems,
        "direct": way_out.no_proxy("", ranges=row.ranges, addresses=[selectors.studio_address(), cluster.server]),
    }
    return render(request, "compute/network/way_out.html", context, status=422 if form.errors or problems else 200)


@operator_view
@require_POST
def check(request: HttpRequest, name: str) -> HttpResponse:
    """Try addresses from a pod of the cluster."""
    cluster = cluster_or_404(name)
    form = EgressForm(request.POST)
    problems: list[Any] = []
    if form.is_valid():
        try:
            services.check_egress(request.user, cluster, addresses=form.cleaned_data["addresses"].split())
        except MooringError as error:
            problems = show_problems(form, error)
        else:
            return redirect("compute:network", name=name)
    return _network_page(request, cluster, form, problems)


def _network_page(request: HttpRequest, cluster: Cluster, form: EgressForm, problems: list[Any] | None = None) -> HttpResponse:
    row = selectors.certificate_of(cluster)
    way = selectors.settings_of(cluster)
    checks = selectors.checks_of(cluster)
    context = cluster_frame(cluster, "network") | {
        "certificate": row,
        "shown": _shown(row),
        "direct_text": _direct(row),
        "warnings": selectors.warnings_of(row) if row else [],
        "router": router_of(cluster),
        "router_name": selectors.router_name(cluster),
        "way": way,
        "way_shown": selectors.way_out_shown(cluster),
        "checks": checks,
        "checking": any(each.status in (CheckStatus.WAITING, CheckStatus.RUNNING) for each in checks),
        "form": form,
        "problems": problems or [],
        "cli_certificate": f"mooring cluster network certificate {cluster.name} --chain chain.pem --key key.pem",
    }
    part = "#live" if request.htmx and not request.htmx.boosted and not problems else ""  # type: ignore[attr-defined]
    return render(request, "compute/network/network.html" + part, context, status=422 if form.errors or problems else 200)


def _shown(row: RouterCertificate | None) -> dict[str, Any]:
    """Return what the page says of a certificate's time: days left, and the tone of them."""
    if row is None or row.ends_at is None:
        return {}
    days = selectors.days_left(row)
    return {"days": days, "tone": "good" if days >= SOON_DAYS else "wrong" if days < 0 else "look"}


def _direct(row: RouterCertificate | None) -> str:
    """Return what the page says of a Secret that the router shows in place of the certificate kept here."""
    if row is None or not row.direct:
        return ""
    facts = row.direct["facts"]
    return (
        f"The extension's setting sslSecret names {row.direct['secret']}, for {', '.join(facts['names'][:6])}, which ends on "
        f"{facts['not_after'][:10]}. The one below is kept for when the setting is taken back."
    )


def _file_or_text(file: UploadedFile | None, text: str) -> str | bytes:
    # One byte more than is taken, so that the service refuses it in its own words.
    return file.read(MAX_BYTES * 4) if file is not None else text


def _without_key(form: CertificateForm) -> CertificateForm:
    """Return the form without the key that was posted: no secret goes back to a page."""
    if form.is_bound:
        form.data = {**form.data.dict(), "key": ""} if isinstance(form.data, QueryDict) else {**form.data, "key": ""}
    return form
