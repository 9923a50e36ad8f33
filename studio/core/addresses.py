"""The studio's own address, for what leaves the page: links that are handed over or mailed, addresses that programs are given."""

import ipaddress
from collections.abc import Sequence

from django.conf import settings
from django.http import HttpRequest


def public_url(request: HttpRequest, path: str = "/") -> str:
    """Return the address of a path: under the studio's own name where an operator gave one, else as the request came."""
    return f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else request.build_absolute_uri(path)


def is_missing() -> bool:
    """Tell whether others than this machine may come, and nobody said under which name: links bear the name of the request."""
    return not settings.PUBLIC_URL and any(_reaches_others(address) for address in settings.LISTENS_ON)


def listens() -> Sequence[str]:
    """Return the addresses that the studio listens on."""
    return list(settings.LISTENS_ON)


def _reaches_others(address: str) -> bool:
    host, colon, _ = address.rpartition(":")
    host = host.strip("[]")
    if not host:
        # `:8080` is every address of the machine, `8080` this machine alone.
        return bool(colon)
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"
