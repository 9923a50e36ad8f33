"""The port, and how many files may be open."""

from __future__ import annotations

import resource
import socket

from .ending import Ending
from .settings import Settings

BACKLOG = 1024


def listen(settings: Settings) -> socket.socket:
    """Open the port on every address, IPv4 and IPv6 where there is both; raise Ending when it is not to be had."""
    try:
        if settings.host is None and socket.has_dualstack_ipv6():
            try:
                sock = socket.create_server(("", settings.port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
            except OSError:
                sock = socket.create_server(("", settings.port), backlog=BACKLOG)
        else:
            family = socket.AF_INET6 if ":" in (settings.host or "") else socket.AF_INET
            sock = socket.create_server((settings.host or "", settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Ending("scoring-port-taken", f"Port {settings.port} cannot be listened on: {error.strerror or error}.") from None
    sock.setblocking(False)
    return sock


def allow_files(wanted: int) -> None:
    """Raise the limit of open files when it is too small and may be raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted, hard))
        except (OSError, ValueError):
            pass
