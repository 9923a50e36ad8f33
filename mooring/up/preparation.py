"""What must hold before anything starts: folders with the right mode, addresses that are free."""

from __future__ import annotations

import errno
import os
import socket
import time
from pathlib import Path

from mooring.errors import MooringError
from mooring.up.plan import Layout


def make_folders(place: Layout) -> None:
    """Make the data folder and its run folder for this user alone."""
    for folder in (place.data, place.data / "run", place.socket.parent):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(folder, error.strerror or str(error)) from error
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise _unusable(folder, "this user may not write there")
        if folder.stat().st_uid != os.getuid() and os.getuid() != 0:
            raise _unusable(folder, "it belongs to another user")


def remove_stale_socket(path: Path) -> None:
    """Remove the socket that a killed Redis left behind; the folder's lock says that nobody serves it any more."""
    path.unlink(missing_ok=True)


def check_addresses(listen: tuple[str, ...], *, patience_seconds: float = 3) -> None:
    """Refuse addresses that cannot be listened on, before anything is started.

    An address in use gets a few seconds: a studio that was killed a moment ago gives it free when its web child dies.
    """
    deadline = time.monotonic() + patience_seconds
    for address in listen:
        while (problem := _cannot_listen(address)) is not None:
            if problem.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise _refused(address, problem)
            time.sleep(0.1)


def _cannot_listen(address: str) -> OSError | None:
    host, colon, port = address.rpartition(":")
    try:
        if not colon:
            raise ValueError("there is no colon")
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host.strip("[]"), int(port)))
            probe.listen(1)
    except (ValueError, OverflowError) as error:
        return OSError(errno.EINVAL, f"not HOST:PORT ({error})")
    except OSError as error:
        return error
    return None


def _refused(address: str, error: OSError) -> MooringError:
    if error.errno == errno.EADDRINUSE:
        detail = f"Another program listens on {address}."
        todo = "Stop it, or choose another address with --listen HOST:PORT."
    elif error.errno == errno.EADDRNOTAVAIL:
        detail = f"This machine has no interface with the address of {address}."
        todo = "Look at `ip address` and give an address of this machine with --listen."
    else:
        detail = f"{address} cannot be listened on: {error.strerror or error}."
        todo = "Give an address as HOST:PORT, for example --listen 127.0.0.1:8080."
    return MooringError("address-unusable", "The address cannot be used", detail, todo)


def _unusable(folder: Path, why: str) -> MooringError:
    return MooringError(
        "folder-unusable",
        "The data folder cannot be used",
        f"{folder}: {why}.",
        "Give a folder that this user owns with --data or MOORING_DATA.",
    )
