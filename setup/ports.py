"""The port of a studio that `make run` starts: one that nothing listens on, and that no other run has chosen."""

from __future__ import annotations

import socket

FIRST_PORT = 8080
PORTS_TRIED = 40
# Held until this process ends.
_taken: list[socket.socket] = []


class NoPort(Exception):
    """All ports that are tried are in use."""


def free_port(addresses: list[str]) -> int:
    """Return the first port from 8080 on that is free on all of the addresses; another call, of whomever, gives another."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        if all(_is_free(address, port) for address in addresses) and _take(port):
            return port
    raise NoPort(f"no port from {FIRST_PORT} to {FIRST_PORT + PORTS_TRIED - 1} is free")


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _take(port: int) -> bool:
    """Have no other run choose this port: the studio listens on it only seconds later, and another may begin meanwhile."""
    # A name in the kernel, the same for all users and gone with its process, where a file would be neither.
    taken = socket.socket(socket.AF_UNIX)
    try:
        taken.bind(f"\0mooring-run-{port}")
    except OSError:
        taken.close()
        return False
    _taken.append(taken)
    return True
