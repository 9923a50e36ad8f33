"""Mooring's client side: the `mooring` command, the Python client, and the supervisor behind `mooring up`.

    with mooring.Client("https://studio.example", token="…", workspace="demo") as studio:
        job = studio.jobs.create("job.yml", overrides=["compute=local"])
        for chunk in studio.jobs.stream(job.name):
            sys.stdout.buffer.write(chunk)

`mooring.AsyncClient` has the same parts for asyncio: `await studio.jobs.create(…)`, `async for chunk in studio.jobs.stream(…)`.

Nothing here imports Django: the studio is reached over HTTP, or started as a child process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mooring.client import Client
    from mooring.client.aio.client import AsyncClient
    from mooring.errors import MooringError, MooringProblem

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "MooringError", "MooringProblem", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that the command line starts without an HTTP stack."""
    if name == "AsyncClient":
        from mooring.client.aio.client import AsyncClient

        return AsyncClient
    if name == "Client":
        from mooring.client import Client

        return Client
    if name in ("MooringError", "MooringProblem"):
        from mooring import errors

        return getattr(errors, name)
    raise AttributeError(name)
