"""Made by setup/async_client.py from mooring/client/network.py: change that one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from mooring.client.aio.transport import Transport, segment
from mooring.errors import wait_over

ENDED = ("done", "failed")


class Network:
    """Set certificates and proxies of clusters, and try addresses from their pods; for operators."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self, cluster: str) -> dict[str, Any]:
        """Return a cluster's network: `certificate`, `way_out`, `checks`; keys and passwords are never among it."""
        return dict(await self._transport.json("GET", _path(cluster)))

    async def set_certificate(self, cluster: str, *, chain: str, key: str) -> dict[str, Any]:
        """Set or rotate the certificate of the cluster's router, both as PEM."""
        return dict(await self._transport.json("PUT", f"{_path(cluster)}/certificate", json={"chain": chain, "key": key}))

    async def follow_secret(self, cluster: str, secret: str) -> dict[str, Any]:
        """Have the router show the certificate of a Secret in mooring-system, through its renewals."""
        return dict(await self._transport.json("PUT", f"{_path(cluster)}/certificate", json={"secret": secret}))

    async def put_back_certificate(self, cluster: str) -> dict[str, Any]:
        """Have the studio's certificate written over whatever stands in the cluster."""
        return dict(await self._transport.json("POST", f"{_path(cluster)}/certificate/put-back"))

    async def remove_certificate(self, cluster: str) -> dict[str, Any]:
        """Have the certificate taken out of the cluster and forgotten."""
        return dict(await self._transport.json("DELETE", f"{_path(cluster)}/certificate"))

    async def wait_for_certificate(self, cluster: str, *, seconds: float = 60) -> dict[str, Any]:
        """Wait until the certificate is in the cluster, or it is said why not; return the network as it is then."""
        deadline = time.monotonic() + seconds
        while True:
            network = await self.get(cluster)
            status = (network["certificate"] or {}).get("status")
            if status not in ("waiting", "removing") or time.monotonic() > deadline:
                return network
            await asyncio.sleep(0.3)

    async def change_way_out(self, cluster: str, **changes: Any) -> dict[str, Any]:
        """Change http_proxy, https_proxy, no_proxy, ca_bundle (PEM) or ca_with_system; an empty text takes one away."""
        return dict(await self._transport.json("PATCH", f"{_path(cluster)}/way-out", json=changes))

    async def checked(self, cluster: str, id: int) -> dict[str, Any]:
        """Return one check of addresses that was made or is being made."""
        return dict(await self._transport.json("GET", f"{_path(cluster)}/checks/{id}"))

    async def check(self, cluster: str, addresses: Sequence[str], *, seconds: float = 180, wait: bool = True) -> dict[str, Any]:
        """Have addresses tried from a pod of the cluster; wait until that has ended, unless told not to, and return the check."""
        check = dict(await self._transport.json("POST", f"{_path(cluster)}/checks", json={"addresses": [*addresses]}))
        deadline = time.monotonic() + seconds
        while wait and check["status"] not in ENDED:
            if time.monotonic() > deadline:
                raise wait_over(f"The check has not ended after {seconds:.0f} s.")
            await asyncio.sleep(0.5)
            check = dict(await self._transport.json("GET", f"{_path(cluster)}/checks/{check['id']}"))
        return check


def _path(cluster: str) -> str:
    return f"clusters/{segment(cluster)}/network"
