"""How to call an endpoint: address, keys, the authority to trust, and code with all of it in."""

import ssl
from functools import lru_cache
from typing import Any

from cryptography import x509
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from compute.network.selectors import certificate_of
from compute.router import Router
from endpoints import services
from endpoints.models import Endpoint
from endpoints.selectors import deployments_of, endpoint_for, router_for
from endpoints.views.acting import tell
from endpoints.views.parts import endpoint_page, head_of, link
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.core.bytes import download
from studio.core.errors import ProblemError
from studio.core.templatetags.mooring import confirm

LANGUAGES = (("curl", "curl"), ("python", "Python"), ("javascript", "JavaScript"))


@require_GET
@workspace_view("reader")
def consume(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Show the address and how to call it; keys come only when asked for."""
    endpoint = endpoint_for(workspace, name)
    router = router_for(endpoint)
    language = request.GET.get("language", "curl")
    language = language if language in dict(LANGUAGES) else "curl"
    private = bool(authority_of(endpoint))
    address = f"{router.base_url or 'https://<router>'}{endpoint.score_path}"
    context: dict[str, Any] = {
        "score_address": address,
        "swagger_address": f"{address.removesuffix('score')}swagger.json",
        "languages": [
            {"title": title, "url": link("consume", endpoint, language=key), "active": key == language} for key, title in LANGUAGES
        ],
        "sample": render(
            request, f"endpoints/sample.{language}.txt", _for_samples(endpoint, router, address, private=private)
        ).content.decode(),
        "private": private,
        "needs_resolving": needs_resolving(router),
        "some_deployment": next((row.name for row in deployments_of(endpoint)), "blue"),
    }
    return endpoint_page(request, "endpoints/consume.html", workspace, endpoint, "consume", context)


@require_POST
@never_cache
@workspace_view("contributor")
def keys(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Show both keys to who asks for them; it is written down that they did."""
    endpoint = endpoint_for(workspace, name)
    found = services.reveal_keys(request.user, endpoint)
    rows = [
        {"which": which, "title": which.capitalize(), "key": found[f"{which}Key"], "confirm": _regenerate_words(endpoint, which)}
        for which in ("primary", "secondary")
    ]
    context = {**head_of(workspace, endpoint), "keys": rows}
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "endpoints/keys.html", context)
    return endpoint_page(request, "endpoints/keys_page.html", workspace, endpoint, "consume", context)


@require_POST
@workspace_view("contributor")
def regenerate(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Replace one of the two keys; the other goes on."""
    endpoint = endpoint_for(workspace, name)
    which = request.POST.get("which", "")
    try:
        services.regenerate_key(request.user, endpoint, which=which)
        messages.success(request, f"The {which} key of {endpoint.name} is a new one; the router takes it over within seconds.")
    except ProblemError as error:
        tell(request, error)
    return redirect("endpoints:consume", workspace.name, name)


@require_GET
@workspace_view("reader")
def authority(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponseBase:
    """Send the authority that callers must trust, where the router's certificate is from a private one."""
    pem = authority_of(endpoint_for(workspace, name))
    if not pem:
        raise ProblemError("not-found")
    return download([pem.encode()], name=f"{name}-ca.pem", kind="application/x-pem-file")


def authority_of(endpoint: Endpoint) -> str:
    """Return what of the router's chain a caller must trust: nothing where the machine's own authorities vouch for it."""
    certificate = certificate_of(endpoint.compute.cluster) if endpoint.compute else None
    if certificate is None or not certificate.chain:
        return ""
    try:
        found = x509.load_pem_x509_certificates(certificate.chain.encode())
    except ValueError:
        return ""
    if any(one.issuer.public_bytes() in _known_authorities() for one in found):
        return ""
    # The leaf itself is trusted where nothing of its authority was uploaded with it.
    above = certificate.chain.split("-----END CERTIFICATE-----\n", 1)[1].strip() if len(found) > 1 else certificate.chain.strip()
    return f"{above}\n"


@lru_cache(maxsize=1)
def _known_authorities() -> frozenset[bytes]:
    known = ssl.create_default_context().get_ca_certs(binary_form=True)
    return frozenset(x509.load_der_x509_certificate(one).subject.public_bytes() for one in known)


def needs_resolving(router: Router) -> bool:
    """Tell whether the router's name may not resolve where the caller is: then the address stands beside it."""
    return bool(router.address) and router.address != router.host


def _for_samples(endpoint: Endpoint, router: Router, address: str, *, private: bool) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "address": address,
        "router": router,
        "private": private,
        "resolve": f"{router.host}:{router.port}:{router.address}:{router.port}" if needs_resolving(router) else "",
        "ca_file": f"{endpoint.name}-ca.pem",
    }


def _regenerate_words(endpoint: Endpoint, which: str) -> str:
    other = "secondary" if which == "primary" else "primary"
    return confirm(
        title=f"Regenerate the {which} key of {endpoint.name}",
        text=f"Whoever calls with the present {which} key gets 401 from then on. The {other} key goes on opening the endpoint.",
        verb="Regenerate",
    )
