"""Serve the studio: one uvicorn on every address of MOORING_LISTEN (comma-separated, default 127.0.0.1:8080)."""

import os
import socket
import tempfile

import uvicorn
from django.conf import settings
from django.urls import get_resolver

from studio import environment as env
from studio.core.garbage import keep_what_is_loaded


def sockets(addresses: list[str]) -> list[socket.socket]:
    """Open a listening socket for each `host:port`."""
    opened = []
    for address in addresses:
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = socket.socket(family, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host.strip("[]"), int(port)))
        server.listen(2048)
        opened.append(server)
    return opened


def server() -> uvicorn.Config:
    """Return how the studio is served."""
    return uvicorn.Config(
        "studio.asgi:application",
        log_config=None,
        access_log=False,
        lifespan="off",
        # Nothing of ours speaks it, and Django answers it with an error of its own.
        ws="none",
        proxy_headers=env.flag("MOORING_BEHIND_TLS_PROXY"),
        forwarded_allow_ips=env.text("MOORING_PROXY_ADDRESSES", "127.0.0.1"),
        server_header=False,
        timeout_keep_alive=65,
        # Open event streams never end by themselves: do not wait for them.
        timeout_graceful_shutdown=3,
    )


def main() -> None:
    """Serve until told to stop."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    # Bodies wait on the disk that they go to, not in a /tmp that may be memory. Of this process alone: who imports the
    # application, as tests do, keeps the folder that other processes know.
    tempfile.tempdir = settings.FILE_UPLOAD_TEMP_DIR
    config = server()
    config.load()
    # With the addresses come all pages and all of the API.
    get_resolver().reverse_dict  # noqa: B018 read for what it loads
    keep_what_is_loaded()
    uvicorn.Server(config).run(sockets=sockets(env.words("MOORING_LISTEN", "127.0.0.1:8080")))


if __name__ == "__main__":
    main()
